"""What was measured, as a table. Pure."""

from collections.abc import Sequence
from enum import StrEnum
from statistics import median

import msgspec

from tests.bench.machine import Setting
from tests.bench.measure import Run

_MIB = 1024 * 1024


class Name(StrEnum):
    """Who serves."""

    OURS = "image-sync serve"
    THEIRS = "distribution"


class Task(StrEnum):
    """What is asked of a registry, in this order."""

    PUSH_ONE = "push one"
    PULL_ONE = "pull one, the first time"
    PULL_AGAIN = "pull one again"
    PUSH_MANY = "push many"
    PULL_MANY = "pull many"


class Figure(msgspec.Struct, frozen=True):
    """One registry and one task.

    Attributes:
        runs: By round. CPU and memory are the registry's, wall time is the client's.
    """

    contender: Name
    task: Task
    runs: tuple[Run, ...]


class Report(msgspec.Struct, frozen=True):
    """Everything that the benchmark found.

    Attributes:
        megabytes: Of one blob, and of the many together.
        many: How many blobs.
        at_once: How many of them travel at once.
        place: Where the registries store.
    """

    megabytes: float
    many: int
    at_once: int
    rounds: int
    place: str
    load: float
    setting: Setting
    figures: tuple[Figure, ...]


def as_table(report: Report) -> str:
    """The figures for people, in Markdown."""
    each, many = report.megabytes / report.many, f"{report.at_once} at once"
    lines = [
        f"One blob of {report.megabytes:g} MB; many: {report.many} of {each:g} MB, {many}.",
        f"Stored in {report.place}.",
        f"{report.setting}; load before {report.load:.1f}.",
        f"Medians of {report.rounds} pairs after one to warm up; the ratio is the median of the",
        "pairs' ratios, and the lowest and highest. CPU and memory are the registry's.",
        "",
        "| task | registry | wall s | MB/s | theirs : ours | CPU s | peak RSS MiB |",
        "|---|---|--:|--:|--:|--:|--:|",
        *(_row(report, figure) for figure in report.figures),
    ]
    return "\n".join(lines)


def ratios(figures: Sequence[Figure], figure: Figure) -> list[float]:
    """Their wall time by ours in each pair, sorted; none for ours."""
    if figure.contender is Name.OURS:
        return []
    (ours,) = (f for f in figures if f.task is figure.task and f.contender is Name.OURS)
    pairs = zip(figure.runs, ours.runs, strict=True)
    return sorted(theirs.wall_seconds / own.wall_seconds for theirs, own in pairs)


def _row(report: Report, figure: Figure) -> str:
    wall = median(run.wall_seconds for run in figure.runs)
    found = ratios(report.figures, figure)
    cells = (
        figure.task,
        figure.contender,
        f"{wall:.2f}",
        f"{report.megabytes / wall:.0f}",
        f"{median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})" if found else "",
        f"{median(run.cpu_seconds for run in figure.runs):.2f}",
        f"{median(run.peak_rss_bytes for run in figure.runs) / _MIB:.0f}",
    )
    return f"| {' | '.join(cells)} |"
