"""The report of a pass: the JSON document whose fields existing users read, and a table for people.

Field names are translated here, once. `image`, `tag`, `action`, `remote_digest`, `cached_digest`,
`duration_ms`, `error`, `summary{pulled, already_cached, failed, total}`, `cache_registry` and
`timestamp` are those of image-sync 0.1.1; everything else is an addition.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

import msgspec

from image_sync.model import Action, Reason, SyncResult, Tally, written
from image_sync.observe import human_bytes
from image_sync.oci import Digest

if TYPE_CHECKING:
    from rich.console import Console

_SHORT_DIGEST = 12
"""Hexadecimal digits of a digest that people compare; docker's short form."""
_LONG_HEX = re.compile(rf"([0-9a-f]{{{_SHORT_DIGEST}}})[0-9a-f]{{20,}}")
_WIDE = 200
"""Columns of a table that is not written to a terminal."""
_GAP = 2
"""Columns between two of a table: rich's padding of one on either side."""
_EXPENDABLE = ("DIGEST", "TIME", "SIZE")
"""What a table does without on a narrow terminal, in this order; JSON has it all."""

_FOR_LATER = frozenset({Reason.DEFERRED, Reason.PAUSED})
"""Why a pass would skip an image, too."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One image in the report.

    `skipped` says no more than that nothing was done, as in 0.1.1; `would_pull` tells what a pass
    would copy from what it would leave for later.
    """

    image: str
    tag: str
    platform: str
    target: str
    action: str
    reason: str
    would_pull: bool
    remote_digest: str | None
    cached_digest: str | None
    expected_digest: str | None
    engine: str | None
    bytes_copied: int | None
    bytes_reused: int | None
    cost_bytes: int | None
    attempts: int
    duration_ms: int
    error: str | None
    error_kind: str | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The pass in numbers; `would_pull` and `deferred` count some of the skipped."""

    pulled: int
    already_cached: int
    skipped: int
    would_pull: int
    deferred: int
    failed: int
    total: int
    bytes_copied: int
    bytes_reused: int
    cost_bytes: int
    duration_ms: int
    dry_run: bool


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One pass, as it is printed."""

    timestamp: str  # RFC 3339, UTC
    cache_registry: str
    summary: Summary
    results: list[Row]


def make_report(
    results: Sequence[SyncResult],
    *,
    cache_registry: str,
    began: datetime,
    duration: float,
    dry_run: bool,
) -> Report:
    """The report of a pass.

    Args:
        results: What came of each image.
        cache_registry: As the configuration has it.
        began: When the pass began, in UTC.
        duration: Seconds it took.
        dry_run: Whether nothing was to be copied.
    """
    rows = [_row(result) for result in results]
    summary = Summary(
        **msgspec.structs.asdict(Tally.of(results)),
        total=len(results),
        would_pull=sum(row.would_pull for row in rows),
        duration_ms=milliseconds(duration),
        dry_run=dry_run,
    )
    return Report(
        timestamp=began.isoformat(),
        cache_registry=cache_registry,
        summary=summary,
        results=rows,
    )


def as_json(report: msgspec.Struct) -> str:
    """The report as one JSON document, indented."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


def print_table(report: Report, stream: TextIO) -> None:
    """Write the report for people: a line for each image, then the errors, then the numbers."""
    lines = [
        Line(
            cells=_cells(row),
            style="red" if row.action == Action.FAILED else None,
            about=written(row.image, row.tag),
            details=(row.error,) if row.error else (),
        )
        for row in report.results
    ]
    titles = ("IMAGE", "ACTION", "REASON", "DIGEST", "SIZE", "TIME")
    write_lines(stream, titles, lines, summary_line(report.summary))


def summary_line(summary: Summary) -> str:
    """The numbers of a pass in one line."""
    counts = [
        f"{summary.would_pull} out of date" if summary.dry_run else f"{summary.pulled} pulled",
        f"{summary.already_cached} already cached",
        f"{summary.failed} failed",
    ]
    if summary.deferred:
        counts.append(f"{summary.deferred} deferred")
    if summary.bytes_copied:
        counts.append(f"{human_bytes(summary.bytes_copied)} copied")
    if summary.cost_bytes:
        counts.append(f"{human_bytes(summary.cost_bytes)} to copy at most")
    seconds = f"{summary.duration_ms / 1000:.1f} s"
    dry = " (dry run: nothing was copied)" if summary.dry_run else ""
    return f"{counted(summary.total, 'image')}: {', '.join(counts)}, in {seconds}{dry}"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One image in a table.

    Attributes:
        cells: What stands in each column.
        style: How rich writes it, None for as the rest.
        about: What its details are about.
        details: Lines below the table; none as a rule.
    """

    cells: Sequence[str]
    style: str | None
    about: str
    details: Sequence[str]


def write_lines(stream: TextIO, titles: Sequence[str], lines: Sequence[Line], summary: str) -> None:
    """Write a table with a line for each image, then the details, then the numbers."""
    from rich.table import Table  # noqa: PLC0415 - costs 0.1 s that JSON users need not pay

    console = console_for(stream)
    table = Table(box=None, pad_edge=False, header_style="bold")
    shown = _fitting(titles, [line.cells for line in lines], console.width)
    for column in shown:
        table.add_column(titles[column], overflow="fold", no_wrap=titles[column] != "IMAGE")
    for line in lines:
        table.add_row(*(line.cells[column] for column in shown), style=line.style)
    if lines:
        console.print(table)
    for line in lines:
        if line.details:
            console.print(f"\n{line.about}", style="bold red", soft_wrap=True)
        for detail in line.details:
            console.print(f"  {detail}", soft_wrap=True)
    if lines:
        console.print()
    console.print(summary, soft_wrap=True)


def _fitting(titles: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """The columns that a terminal has room for: a name that is folded cannot be copied."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    shown = list(range(len(titles)))
    for title in _EXPENDABLE:
        if sum(widths[column] + _GAP for column in shown) - _GAP <= width:
            break
        if title in titles:
            shown.remove(titles.index(title))
    return shown


def console_for(stream: TextIO) -> "Console":
    """What writes for people: in colour on a terminal, and wide where there is none."""
    from rich.console import Console  # noqa: PLC0415 - costs 0.1 s that JSON users need not pay

    width = None if stream.isatty() else _WIDE
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False)


def counted(count: int, noun: str) -> str:
    """A number of things for people."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def milliseconds(seconds: float) -> int:
    """A duration as the documents have it."""
    return round(seconds * 1000)


def short_tag(tag: str) -> str:
    """A tag for people, the digests in it cut short."""
    return _LONG_HEX.sub(r"\1…", tag)


def short_digest(digest: str | None) -> str:
    """A digest for people."""
    return digest.partition(":")[2][:_SHORT_DIGEST] if digest else "-"


def _row(result: SyncResult) -> Row:
    spec = result.spec
    return Row(
        image=spec.image,
        tag=spec.tag,
        platform=str(spec.platforms),
        target=str(spec.target_reference),
        action=result.action,
        reason=result.reason,
        would_pull=result.action is Action.SKIPPED and result.reason not in _FOR_LATER,
        remote_digest=_text(result.remote_digest),
        cached_digest=_text(result.cached_digest),
        expected_digest=_text(result.expected_digest),
        engine=result.engine,
        bytes_copied=result.bytes_copied,
        bytes_reused=result.bytes_reused,
        cost_bytes=result.cost_bytes,
        attempts=result.attempts,
        duration_ms=milliseconds(result.duration),
        error=result.error,
        error_kind=result.error_kind,
    )


def _cells(row: Row) -> tuple[str, ...]:
    digest = row.expected_digest or row.remote_digest
    size = row.bytes_copied if row.cost_bytes is None else row.cost_bytes
    return (
        written(row.image, short_tag(row.tag)),
        "would pull" if row.would_pull else row.action,
        row.reason,
        short_digest(digest),
        human_bytes(size) if size is not None else "-",
        f"{row.duration_ms / 1000:.1f} s",
    )


def _text(digest: Digest | None) -> str | None:
    return str(digest) if digest else None
