"""The report of `image-sync verify`: a JSON document, and a table for people.

Fields that the report of a pass has, too, mean the same here (`report.py`).
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TextIO

import msgspec

from image_sync.model import Condition, Verified, written
from image_sync.report import Line, counted, milliseconds, short_digest, short_tag, write_lines

_LISTED = 100
"""Damaged parts of one image that the document lists; `damaged_parts` counts them all."""
_SHOWN = 5
"""Damaged parts of one image that the table shows."""
_STYLES = {Condition.DAMAGED: "red", Condition.UNKNOWN: "red", Condition.HEALED: "yellow"}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A damaged part of an image."""

    digest: str
    what: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One image in the report."""

    image: str
    tag: str
    platform: str
    target: str
    condition: str
    cached_digest: str | None
    damaged_parts: int
    damage: list[Part]
    duration_ms: int
    error: str | None
    error_kind: str | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The verification in numbers."""

    whole: int
    damaged: int
    healed: int
    missing: int
    unknown: int
    total: int
    duration_ms: int
    deep: bool


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """One verification, as it is printed."""

    timestamp: str  # RFC 3339, UTC
    cache_registry: str
    summary: Summary
    results: list[Row]


def make_verification(
    results: Sequence[Verified],
    *,
    cache_registry: str,
    began: datetime,
    duration: float,
    deep: bool,
) -> Verification:
    """The report of a verification.

    Args:
        results: What came of each image.
        cache_registry: As the configuration has it.
        began: When it began, in UTC.
        duration: Seconds it took.
        deep: Whether every blob was read.
    """
    found = Counter(result.condition for result in results)
    summary = Summary(
        **{str(condition): found[condition] for condition in Condition},
        total=len(results),
        duration_ms=milliseconds(duration),
        deep=deep,
    )
    return Verification(
        timestamp=began.isoformat(),
        cache_registry=cache_registry,
        summary=summary,
        results=[_row(result) for result in results],
    )


def print_verification(report: Verification, stream: TextIO) -> None:
    """Write the report for people: a line for each image, then the damage, then the numbers."""
    lines = [
        Line(
            cells=_cells(row),
            style=_STYLES.get(Condition(row.condition)),
            about=written(row.image, row.tag),
            details=_details(row) if row.error or row.condition == Condition.DAMAGED else (),
        )
        for row in report.results
    ]
    titles = ("IMAGE", "CONDITION", "DAMAGED", "DIGEST", "TIME")
    write_lines(stream, titles, lines, summary_line(report.summary))


def summary_line(summary: Summary) -> str:
    """The numbers of a verification in one line."""
    counts = [f"{summary.whole} whole", f"{summary.damaged} damaged"]
    for condition in (Condition.HEALED, Condition.MISSING, Condition.UNKNOWN):
        count = getattr(summary, condition)
        if count:
            counts.append(f"{count} {condition}")
    how = "every byte read" if summary.deep else "presence and sizes"
    seconds = f"{summary.duration_ms / 1000:.1f} s"
    return f"{counted(summary.total, 'image')}: {', '.join(counts)}, in {seconds} ({how})"


def _row(result: Verified) -> Row:
    spec = result.spec
    return Row(
        image=spec.image,
        tag=spec.tag,
        platform=str(spec.platforms),
        target=str(spec.target_reference),
        condition=result.condition,
        cached_digest=str(result.digest) if result.digest else None,
        damaged_parts=len(result.damage),
        damage=[Part(digest=str(part.digest), what=part.what) for part in result.damage[:_LISTED]],
        duration_ms=milliseconds(result.duration),
        error=result.error,
        error_kind=result.error_kind,
    )


def _cells(row: Row) -> tuple[str, ...]:
    return (
        written(row.image, short_tag(row.tag)),
        row.condition,
        counted(row.damaged_parts, "part") if row.damaged_parts else "-",
        short_digest(row.cached_digest),
        f"{row.duration_ms / 1000:.1f} s",
    )


def _details(row: Row) -> list[str]:
    lines = [part.what for part in row.damage[:_SHOWN]]
    if row.damaged_parts > _SHOWN:
        lines.append(f"and {row.damaged_parts - _SHOWN} more")
    return [*lines, *([row.error] if row.error else [])]
