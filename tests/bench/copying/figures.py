"""What was measured, as values, as a table and as JSON. Pure.

Times are medians: with a handful of rounds on a shared machine, nothing finer is worth printing.
Bytes read are the most of any pass, since one pass that reads too much is one too many.
"""

import msgspec

from tests.bench import figure as any_figure
from tests.bench.copying.contenders import TITLES, Name
from tests.bench.figure import ratio
from tests.bench.machine import Setting

_MIB = 1024 * 1024
_MB = 1_000_000
_GB = 1_000_000_000


class Figure(any_figure.Figure, frozen=True):
    """One contender at one latency of the way to the source."""

    read_bytes: tuple[int, ...]  # bodies from the source, in each pass that was counted


class Report(msgspec.Struct, frozen=True):
    """Everything one benchmark found."""

    images: int
    needed_bytes: int  # each digest once
    named_bytes: int  # the sum of the images' sizes
    rounds: int
    setting: Setting
    figures: tuple[Figure, ...]


def as_table(report: Report) -> str:
    """The figures for people, in Markdown."""
    needed, named = report.needed_bytes / _MB, report.named_bytes / _MB
    columns = (
        "wall s | theirs : ours | MB/s | CPU s | CPU s/GB | peak RSS MiB | read MB | read : needed"
    )
    return "\n".join(
        [
            f"{report.images} images into an empty cache: {needed:.3f} MB in {named:.3f} MB named.",
            f"{report.setting}.",
            f"Medians of {report.rounds} rounds, contenders in turn, after one to warm up; CPUs",
            "shared with registries and proxy. After each pass every tag of the cache was the",
            "source's. Round trip: to the source, TCP's handshake excepted; the cache is near. At",
            "0 the timed passes have no proxy. Read: the most that the source sent in one pass, in",
            "bodies. MB/s and CPU s/GB: of the bytes needed. RSS: the largest process.",
            "",
            f"| round trip ms | contender | {columns} |",
            f"|--:|---|{'--:|' * (columns.count('|') + 1)}",
            *(_row(report, figure) for figure in report.figures),
        ]
    )


def _row(report: Report, figure: Figure) -> str:
    against, needed, read = (
        ratio(report.figures, figure, Name.BUILTIN),
        report.needed_bytes,
        max(figure.read_bytes),
    )
    cells = (
        f"{figure.latency_ms:g}",
        TITLES[Name(figure.contender)],
        f"{figure.wall_seconds:.2f}",
        "" if against is None else f"{against:.2f}",
        f"{needed / _MB / figure.wall_seconds:.0f}",
        f"{figure.cpu_seconds:.2f}",
        f"{figure.cpu_seconds * _GB / needed:.2f}",
        f"{figure.peak_rss_bytes / _MIB:.0f}",
        f"{read / _MB:.3f}",
        f"{read / needed:.3f}",
    )
    return f"| {' | '.join(cells)} |"
