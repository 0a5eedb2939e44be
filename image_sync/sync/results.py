"""What came of one image, as a result: a function for each way in which it can end. Pure."""

from typing import TypedDict

from image_sync.errors import EngineError, ErrorKind, ImageSyncError, side_of
from image_sync.model import Action, ImageSpec, Reason, SyncResult, Verdict
from image_sync.oci import Digest
from image_sync.sync.bring import Outcome
from image_sync.sync.item import Item
from image_sync.sync.plan import Copy, Decision, Fail, Keep


def kept(item: Item) -> SyncResult:
    """The cache holds what it should."""
    return SyncResult(**_known(item), action=Action.ALREADY_CACHED, reason=Reason.UNCHANGED)


def deferred(item: Item) -> SyncResult:
    """Going on would spend pulls that are reserved."""
    return SyncResult(**_known(item), action=Action.SKIPPED, reason=Reason.DEFERRED)


def paused(item: Item, error: ImageSyncError, seconds: float) -> SyncResult:
    """A host is to be left alone for so long that nobody waits for it."""
    return SyncResult(
        **_known(item),
        action=Action.SKIPPED,
        reason=Reason.PAUSED,
        error=f"{error} ({error.hint})",
        error_kind=error.kind,
        error_side=side_of(error),
        again_in=seconds,
    )


def planned(item: Item, reason: Reason, cost: int | None) -> SyncResult:
    """A dry run ends where the copy would begin; `cost` is in bytes, None if it is not known."""
    return SyncResult(**_known(item), action=Action.SKIPPED, reason=reason, cost_bytes=cost)


def pulled(item: Item, reason: Reason, outcome: Outcome) -> SyncResult:
    """The cache holds now what it should."""
    return SyncResult(
        **_known(item),
        action=Action.PULLED,
        reason=reason,
        engine=outcome.engine,
        bytes_copied=outcome.bytes_copied,
        bytes_reused=outcome.bytes_reused,
    )


def failed(item: Item, reason: Reason, error: ImageSyncError) -> SyncResult:
    """Something went wrong for good."""
    return SyncResult(
        **_known(item),
        action=Action.FAILED,
        reason=reason,
        engine=error.engine or None if isinstance(error, EngineError) else None,
        error=f"{error} ({error.hint})",
        error_kind=error.kind,
        error_side=side_of(error),
    )


def interrupted(item: Item) -> SyncResult:
    """The pass was stopped first."""
    return SyncResult(
        **_known(item),
        action=Action.FAILED,
        reason=Reason.INTERRUPTED,
        error="the pass was interrupted before this image was done",
        error_kind=ErrorKind.INTERRUPTED,
    )


def out_of_time(item: Item) -> SyncResult:
    """The time of the pass was over first; what stood in the way until then is told, too."""
    last = f"; it failed last with: {item.error} ({item.error.hint})" if item.error else ""
    return SyncResult(
        **_known(item),
        action=Action.FAILED,
        reason=Reason.PASS_TIMEOUT,
        error=f"settings.pass_timeout_secs was over before this image was done{last}",
        error_kind=ErrorKind.TIMEOUT,
    )


class _Known(TypedDict):
    """What does not depend on how it ended."""

    spec: ImageSpec
    verdict: Verdict
    remote_digest: Digest | None
    cached_digest: Digest | None
    expected_digest: Digest | None
    target_failed: bool
    attempts: int
    duration: float


def _known(item: Item) -> _Known:
    checked = item.checked
    decision = checked.decision if checked else None
    return _Known(
        spec=item.spec,
        verdict=_verdict(decision),
        remote_digest=checked.remote_digest if checked else None,
        cached_digest=checked.cached_digest if checked else None,
        expected_digest=decision.expected if isinstance(decision, Keep | Copy) else None,
        target_failed=checked is not None and checked.target_failed,
        attempts=item.attempts,
        duration=item.duration,
    )


def _verdict(decision: Decision | None) -> Verdict:
    match decision:
        case Keep():
            return Verdict.UNCHANGED
        case Copy(verdict=verdict):
            return verdict
        case Fail(reason=Reason.SOURCE_GONE):
            return Verdict.GONE
        case _:
            return Verdict.UNKNOWN
