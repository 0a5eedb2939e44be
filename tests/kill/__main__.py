"""The command line of the kill loop: `python -m tests.kill --help`."""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.kill.rounds import Kill, Plan, play
from tests.kill.scene import BUILTIN, scene
from tests.kill.tally import Tally
from tests.real.tls import Authority

# Rounds on one set of registries; then they start anew, so that the disk does not fill: 200
# rounds would be more than 1 GB.
_STAGE: Final = 24


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, and print what came of it; the exit code."""
    options = _parser().parse_args(arguments)
    # A registry that dies takes its clients' connections along, and the recorder before it says so.
    logging.disable(logging.ERROR)
    plan = Plan(options.engine, options.seed, options.pass_timeout)
    tally = Tally()
    began = time.monotonic()
    for kill in _rounds(plan, options.copies):
        tally.add(kill)
        sys.stderr.write(f"{kill.story}\n")
        sys.stderr.writelines(f"  VIOLATION {text}\n" for text in kill.violations)
    seconds = time.monotonic() - began
    sys.stdout.write(f"engine {plan.engine}, seed {plan.seed}, {seconds:.0f} s\n")
    sys.stdout.write(f"{tally.summary()}\n")
    return 1 if tally.violations else 0


def _rounds(plan: Plan, copies: int) -> Iterator[Kill]:
    for first in range(0, copies, _STAGE):
        numbers = range(first, min(first + _STAGE, copies))
        with tempfile.TemporaryDirectory(prefix="image-sync-kill-") as folder:
            authority = Authority(Path(folder) / "authority")
            with scene(Path(folder), authority, plan.engine) as stage:
                yield from play(stage, plan, numbers)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=__doc__)
    add, usual = parser.add_argument, Plan()
    add("--copies", type=int, default=200, help="passes with a kill in them (%(default)s)")
    add("--seed", type=int, default=usual.seed, help="the moments are drawn from it (%(default)s)")
    add("--engine", choices=[BUILTIN, "crane"], default=usual.engine, help="(%(default)s)")
    add(
        "--pass-timeout",
        type=int,
        default=usual.pass_timeout,
        metavar="SECONDS",
        help="for a pass in which somebody is killed (%(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
