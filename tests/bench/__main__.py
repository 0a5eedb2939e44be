"""The command line of the benchmark: `python -m tests.bench --help`."""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.figures import Report, as_json, as_table
from tests.bench.fill import FillError
from tests.bench.measure import RunError
from tests.bench.race import Plan, Programs, filled, memory, race
from tests.bench.sample import Kind
from tests.bench.servers import StartError

_ROOT = Path(__file__).parents[2]
_TOOLS = _ROOT / ".tools" / "bin"
_MEMORY = Path("/dev/shm")  # Linux: distribution syncs every file, which is not what we measure


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code."""
    options = _parser().parse_args(arguments)
    programs = Programs(
        image_sync=options.image_sync,
        crane=_TOOLS / "crane",
        regsync=_TOOLS / "regsync",
        registry=_TOOLS / "registry",
    )
    missing = [path for path in programs.__struct_fields__ if not getattr(programs, path).exists()]
    if missing:
        return _fail(f"not there yet: {', '.join(str(getattr(programs, p)) for p in missing)}")
    plan = Plan(options.images, options.more, options.kind, options.rounds, options.latency_ms)
    try:
        report = _measured(plan, programs)
    except (FillError, RunError, StartError) as error:
        return _fail(str(error))
    sys.stdout.write(f"{as_table(report)}\n")
    if options.json:
        options.json.write_bytes(as_json(report) + b"\n")
    return 0


def _measured(plan: Plan, programs: Programs) -> Report:
    versions = _versions(programs)
    within = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="image-sync-bench-", dir=within) as folder,
        filled(plan, programs, Path(folder)) as registries,
    ):
        return Report(
            images=plan.images,
            kind=plan.kind,
            rounds=plan.rounds,
            cpus=os.cpu_count() or 1,
            versions=versions,
            figures=tuple(race(plan, programs, registries)),
            memory=memory(plan, programs, registries),
        )


def _versions(programs: Programs) -> dict[str, str]:
    return {
        "image-sync": _output(programs.image_sync, "version").removeprefix("image-sync "),
        "crane": _output(programs.crane, "version"),
        "regsync": _output(programs.regsync, "version", "--format", "{{.VCSTag}}"),
        "distribution": _output(programs.registry, "--version").split()[-1],
    }


def _output(*command: str | Path) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    return ran.stdout.strip() or "unknown"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    add = parser.add_argument
    add("--images", type=int, default=1000, help="tags in the list (%(default)s)")
    add("--more", type=int, default=4000, help="further tags for memory; 0: skip (%(default)s)")
    add("--kind", type=Kind, choices=list(Kind), default=Kind.SINGLE, help="behind each tag")
    add("--rounds", type=int, default=3, help="measured passes of each (%(default)s)")
    add("--latency-ms", type=_latencies, default=(0.0, 40.0), help="round trips: 0,40")
    add("--json", type=Path, help="write all runs to this file too")
    add("--image-sync", type=Path, default=_ROOT / ".venv" / "bin" / "image-sync")
    return parser


def _latencies(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _fail(text: str) -> int:
    sys.stderr.write(f"bench: {text}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
