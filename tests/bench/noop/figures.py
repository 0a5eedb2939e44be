"""What was measured, as values, as a table and as JSON. Pure.

Medians only: with a handful of rounds on a shared machine, nothing finer is worth printing.
"""

from collections.abc import Sequence

import msgspec

from tests.bench.figure import Figure, ratio
from tests.bench.machine import Setting
from tests.bench.noop.contenders import Name
from tests.bench.noop.sample import Kind

_MIB = 1024 * 1024


class Memory(msgspec.Struct, frozen=True):
    """Peak RSS of image-sync with two lengths of the list."""

    images: int
    peak_rss_bytes: float
    more_images: int
    more_peak_rss_bytes: float

    @property
    def bytes_per_further_image(self) -> float:
        """How much each image of the longer list adds."""
        return (self.more_peak_rss_bytes - self.peak_rss_bytes) / self.more_images


class Report(msgspec.Struct, frozen=True):
    """Everything one benchmark found."""

    images: int
    kind: Kind
    rounds: int
    setting: Setting
    figures: tuple[Figure, ...]
    memory: Memory | None = None


def as_table(report: Report) -> str:
    """The figures for people, in Markdown."""
    lines = [
        f"No-op pass over {report.images} tags, {report.kind} behind each.",
        f"{report.setting}.",
        f"Medians of {report.rounds} rounds, contenders in turn, after one round to warm up; CPUs",
        "shared with registries and proxies. crane asks the source only.",
        "Round trip 0 is without a proxy; otherwise both registries lie behind one that delays",
        "each direction by half of it, TCP's handshake excepted.",
        "",
        "| round trip ms | contender | wall s | theirs : ours | CPU s | peak RSS MiB |",
        "|--:|---|--:|--:|--:|--:|",
        *(_row(report, figure) for figure in report.figures),
    ]
    if report.memory is not None:
        lines += ["", _memory_line(report.memory)]
    return "\n".join(lines)


def _row(report: Report, figure: Figure) -> str:
    against = ratio(report.figures, figure, Name.IMAGE_SYNC)
    cells: Sequence[str] = (
        f"{figure.latency_ms:g}",
        figure.contender,
        f"{figure.wall_seconds:.2f}",
        "" if against is None else f"{against:.2f}",
        f"{figure.cpu_seconds:.2f}",
        f"{figure.peak_rss_bytes / _MIB:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def _memory_line(memory: Memory) -> str:
    return (
        f"Peak RSS of image-sync: {memory.peak_rss_bytes / _MIB:.1f} MiB at {memory.images} "
        f"images, {memory.more_peak_rss_bytes / _MIB:.1f} MiB at "
        f"{memory.images + memory.more_images}: "
        f"{memory.bytes_per_further_image:.0f} bytes for each further image."
    )
