"""The command line of the benchmarks: `python -m tests.bench --help`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.copying import figures as copy_figures
from tests.bench.copying import race as copy_race
from tests.bench.copying.contenders import Name
from tests.bench.copying.sample import Sketch, families, one_blob
from tests.bench.figure import as_json
from tests.bench.machine import Programs, RoomError
from tests.bench.measure import RunError
from tests.bench.noop import figures as noop_figures
from tests.bench.noop import race as noop_race
from tests.bench.noop.sample import Kind
from tests.bench.push import PushError
from tests.bench.servers import StartError
from tests.bench.serving import figures as serving_figures
from tests.bench.serving import race as serving_race

_ROOT = Path(__file__).parents[2]
_TOOLS = _ROOT / ".tools" / "bin"
_IMAGE_SYNC = _ROOT / ".venv" / "bin" / "image-sync"

_Found = tuple[str, bytes]  # a table, and JSON
_EVERY = (["noop"], ["platform"], ["copy"], ["blob"], ["serve"])


class _MissingError(Exception):
    """A program is not installed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    for wanted in [given] if given else _EVERY:
        options = _parser().parse_args(wanted)
        measure: Callable[[argparse.Namespace, Programs], _Found] = options.measure
        try:
            table, document = measure(options, programs(options.image_sync))
        except (_MissingError, PushError, RoomError, RunError, StartError) as error:
            sys.stderr.write(f"bench: {error}\n")
            return 1
        sys.stdout.write(f"{table}\n\n")
        if options.json:
            options.json.write_bytes(document + b"\n")
    return 0


def programs(image_sync: Path = _IMAGE_SYNC) -> Programs:
    """The programs of this repository."""
    return Programs(
        image_sync=image_sync,
        crane=_TOOLS / "crane",
        regsync=_TOOLS / "regsync",
        skopeo=_TOOLS / "skopeo-1.18",
        registry=_TOOLS / "registry",
    )


def _noop(options: argparse.Namespace, at_hand: Programs) -> _Found:
    _require(at_hand, noop_race.PROGRAMS)
    plan = noop_race.Plan(
        options.images, options.more, options.kind, options.rounds, options.latency_ms
    )
    report = noop_race.measured(plan, at_hand)
    return noop_figures.as_table(report), as_json(report)


def _copy(options: argparse.Namespace, at_hand: Programs) -> _Found:
    return _copied(families(options.scale), options, at_hand)


def _blob(options: argparse.Namespace, at_hand: Programs) -> _Found:
    return _copied(one_blob(options.megabytes), options, at_hand)


def _copied(sketches: tuple[Sketch, ...], options: argparse.Namespace, at_hand: Programs) -> _Found:
    plan = copy_race.Plan(sketches, options.only, options.rounds, options.latency_ms)
    _require(at_hand, plan.programs())
    report = copy_race.measured(plan, at_hand)
    return copy_figures.as_table(report), as_json(report)


def _serve(options: argparse.Namespace, at_hand: Programs) -> _Found:
    _require(at_hand, serving_race.PROGRAMS)
    plan = serving_race.Plan(
        options.megabytes, options.many, options.at_once, options.rounds, options.folder
    )
    report = serving_race.measured(plan, at_hand)
    return serving_figures.as_table(report), as_json(report)


def _require(at_hand: Programs, names: Sequence[str]) -> None:
    if missing := at_hand.missing(names):
        raise _MissingError(f"not there yet: {', '.join(map(str, missing))}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Prints figures of speed and memory, beside crane, regsync and skopeo. "
        "Without a benchmark: all of them.",
    )
    benchmarks = parser.add_subparsers(metavar="BENCHMARK", required=True)

    def plain(name: str, about: str) -> argparse.ArgumentParser:
        benchmark = benchmarks.add_parser(name, help=about, description=about)
        option = benchmark.add_argument
        option("--rounds", type=int, default=3, help="measured passes of each (%(default)s)")
        option("--json", type=Path, metavar="FILE", help="write all runs to this file too")
        option("--image-sync", type=Path, default=_IMAGE_SYNC)
        return benchmark

    def add(name: str, about: str, latencies_ms: tuple[float, ...]) -> argparse.ArgumentParser:
        benchmark = plain(name, about)
        option = benchmark.add_argument
        shown = ",".join(f"{one:g}" for one in latencies_ms)
        option("--latency-ms", type=_latencies, default=latencies_ms, help=f"round trips ({shown})")
        return benchmark

    _add_noop(add("noop", "a pass in which nothing has changed", (0.0, 40.0)))
    _add_platform(add("platform", "such a pass, one platform of each index wanted", (40.0,)))
    _add_copy(add("copy", "40 images of 4 families into an empty cache", (0.0, 40.0)))
    _add_blob(add("blob", "an image with one large layer into an empty cache", (0.0,)))
    _add_serve(plain("serve", "blobs into the embedded registry and out of it"))
    return parser


def _add_serve(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--megabytes", type=float, default=500.0, help="of one blob (%(default)s)")
    add("--many", type=int, default=50, help="blobs that are as large together (%(default)s)")
    add("--at-once", type=int, default=4, help="of the many (%(default)s)")
    add("--folder", type=Path, help="store here, and not in memory")
    parser.set_defaults(measure=_serve)


def _add_noop(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--images", type=int, default=1000, help="tags in the list (%(default)s)")
    add("--more", type=int, default=4000, help="further tags for memory; 0: skip (%(default)s)")
    add("--kind", type=Kind, choices=list(Kind), default=Kind.SINGLE, help="behind each tag")
    parser.set_defaults(measure=_noop)


def _add_platform(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", type=int, default=100, help="tags in the list (%(default)s)")
    parser.set_defaults(measure=_noop, more=0, kind=Kind.PLATFORM)


def _add_copy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scale", type=float, default=1.0, help="of 202 MB (%(default)s)")
    _add_only(parser, tuple(Name))
    parser.set_defaults(measure=_copy)


def _add_blob(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--megabytes", type=float, default=500.0, help="(%(default)s)")
    # One image: how many are copied at once makes no difference.
    _add_only(parser, tuple(name for name in Name if name is not Name.REGSYNC_32))
    parser.set_defaults(measure=_blob)


def _add_only(parser: argparse.ArgumentParser, default: tuple[Name, ...]) -> None:
    names = ",".join(default)
    parser.add_argument("--only", type=_names, default=default, help=f"contenders ({names})")


def _latencies(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _names(text: str) -> tuple[Name, ...]:
    try:
        return tuple(Name(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
