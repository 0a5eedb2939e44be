"""The command line of the soak: `python -m tests.soak --help`."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.real.tls import Authority
from tests.soak.scene import scene
from tests.soak.soak import Plan, play


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, and print what came of it; the exit code."""
    options = _parser().parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="image-sync-soak-") as name:
        folder = Path(name)
        with scene(folder, Authority(folder / "authority"), options.images) as stage:
            outcome = play(stage, Plan(options.minutes, options.seed))
    seconds = time.monotonic() - began
    sys.stdout.write(f"{options.images} images, seed {options.seed}, {seconds:.0f} s\n")
    sys.stdout.write(f"{outcome.summary()}\n")
    return 1 if outcome.violations else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=15, help="of trouble (%(default)s)")
    add("--images", type=int, default=300, help="(%(default)s)")
    add("--seed", type=int, default=1, help="what happens is drawn from it (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
