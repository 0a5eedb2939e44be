"""The report of `image-sync doctor`: what was found, and what a pass would do.

A JSON document, and lines for people. Its values are made where things are looked at (`doctor/`);
how the dry run decided is not repeated here but counted.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TextIO

import msgspec

from image_sync.model import Action, Reason, SyncResult, written
from image_sync.report import console_for, counted, milliseconds, short_digest, short_tag

_LISTED = 20
"""Images of a dry run that are named; the numbers count them all."""
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"  # passes work, and not as well as they could
    FAIL = "fail"  # passes fail, for some image or for all


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Attributes:
        level: How bad it is.
        subject: What was looked at: `configuration`, `crane`, `cache HOST`, `source HOST`.
        text: What was found, without secrets.
        remedy: What to do; None where nothing is to be done, or the text says it.
    """

    level: Level
    subject: str
    text: str
    remedy: str | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One image that is not up to date, or could not be compared.

    Attributes:
        action: As in the report of a dry run: `skipped` or `failed`.
        reason: Why, as there.
        cached_digest: What the cache holds, None for nothing.
        expected_digest: What it should hold, None if that is not known.
        error: Why it could not be compared; None if it could.
    """

    image: str
    tag: str
    action: str
    reason: str
    cached_digest: str | None
    expected_digest: str | None
    error: str | None


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What a pass would do, in numbers of images; `images` names 20 of them at most.

    Attributes:
        would_pull: They would be copied.
        deferred: They would wait, for a quota or a pause.
        already_cached: Nothing is to be done about them.
        failed: They could not be compared.
        not_compared: They were left out, because their source or the cache is not usable.
        images: First those that failed, then those that would be copied or wait.
    """

    would_pull: int
    deferred: int
    already_cached: int
    failed: int
    not_compared: int
    images: list[Change]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The findings in numbers."""

    ok: int
    warn: int
    fail: int
    duration_ms: int


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found, as it is printed."""

    timestamp: str  # RFC 3339, UTC
    cache_registry: str
    summary: Summary
    findings: list[Finding]
    changes: Changes


def make_examination(
    findings: Sequence[Finding],
    changes: Changes,
    *,
    cache_registry: str,
    began: datetime,
    duration: float,
) -> Examination:
    """The report of an examination.

    Args:
        findings: What was found, in the order in which it is told.
        changes: What a pass would do.
        cache_registry: As the configuration has it.
        began: When it began, in UTC.
        duration: Seconds it took.
    """
    levels = Counter(finding.level for finding in findings)
    return Examination(
        timestamp=began.isoformat(),
        cache_registry=cache_registry,
        summary=Summary(
            ok=levels[Level.OK],
            warn=levels[Level.WARN],
            fail=levels[Level.FAIL],
            duration_ms=milliseconds(duration),
        ),
        findings=list(findings),
        changes=changes,
    )


def changes_of(results: Sequence[SyncResult], *, not_compared: int) -> Changes:
    """What a pass would do, by the results of one that copied nothing.

    Args:
        results: Of the images that were compared.
        not_compared: How many were left out.
    """
    failed = [result for result in results if result.action is Action.FAILED]
    skipped = [result for result in results if result.action is Action.SKIPPED]
    waiting = sum(result.reason in {Reason.DEFERRED, Reason.PAUSED} for result in skipped)
    return Changes(
        would_pull=len(skipped) - waiting,
        deferred=waiting,
        already_cached=sum(result.action is Action.ALREADY_CACHED for result in results),
        failed=len(failed),
        not_compared=not_compared,
        images=[_change(result) for result in (*failed, *skipped)[:_LISTED]],
    )


def print_examination(report: Examination, stream: TextIO) -> None:
    """Write the report for people: a line for each finding, then what a pass would do."""
    console = console_for(stream)
    width = max((len(finding.subject) for finding in report.findings), default=0)
    for finding in report.findings:
        console.print(_MARKS[finding.level], style=_STYLES[finding.level], end="  ")
        console.print(f"{finding.subject.ljust(width)}  {finding.text}", soft_wrap=True)
        if finding.remedy:
            console.print(f"{' ' * (width + 8)}-> {finding.remedy}", soft_wrap=True)
    console.print(f"\nA pass: {changes_line(report.changes)}", soft_wrap=True)
    for change in report.changes.images:
        console.print(f"  {_change_line(change)}", soft_wrap=True)
    left = _unnamed(report.changes)
    if left:
        console.print(f"  and {left} more: image-sync check names them all", soft_wrap=True)
    console.print(f"\n{summary_line(report.summary)}", soft_wrap=True)


def summary_line(summary: Summary) -> str:
    """The findings in one line."""
    counts = f"{summary.ok} ok, {counted(summary.warn, 'warning')}, {summary.fail} failed"
    return f"{counts}, in {summary.duration_ms / 1000:.1f} s (nothing was copied or written)"


def changes_line(changes: Changes) -> str:
    """What a pass would do, in one line."""
    counts = [f"{changes.would_pull} to copy", f"{changes.already_cached} already cached"]
    if changes.deferred:
        counts.append(f"{changes.deferred} to wait")
    counts.append(f"{changes.failed} failed")
    if changes.not_compared:
        counts.append(f"{changes.not_compared} not compared")
    return ", ".join(counts)


def _unnamed(changes: Changes) -> int:
    return changes.failed + changes.would_pull + changes.deferred - len(changes.images)


def _change_line(change: Change) -> str:
    name = written(change.image, short_tag(change.tag))
    if change.error:
        return f"{name}  {change.reason}: {change.error}"
    digests = f"{short_digest(change.cached_digest)} -> {short_digest(change.expected_digest)}"
    return f"{name}  {change.reason}: {digests}"


def _change(result: SyncResult) -> Change:
    cached, expected = result.cached_digest, result.expected_digest or result.remote_digest
    return Change(
        image=result.spec.image,
        tag=result.spec.tag,
        action=result.action,
        reason=result.reason,
        cached_digest=str(cached) if cached else None,
        expected_digest=str(expected) if expected else None,
        error=result.error,
    )
