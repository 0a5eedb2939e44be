"""One image on its way through a pass, and its result as far as it is known."""

from image_sync.model import Action, ImageSpec, Reason, SyncResult, Verdict
from image_sync.oci import Digest
from image_sync.sync.check import Checked
from image_sync.sync.plan import Copy, Decision, Fail, Keep


class Item:
    """One image on its way through a pass."""

    __slots__ = ("attempts", "began", "checked", "doubted", "result", "spec", "spent", "waited")

    def __init__(self, spec: ImageSpec) -> None:
        self.spec = spec
        self.checked: Checked | None = None
        self.attempts = 0
        self.doubted: Digest | None = None  # a Y that the source turned out not to have
        self.result: SyncResult | None = None
        self.began: float | None = None  # when the work at hand began, on the clock
        self.spent = 0.0  # seconds of work before that
        self.waited = 0.0  # seconds of pauses


def known_result(item: Item, now: float) -> SyncResult:
    """What is known of an image so far, as a result that says nothing was done."""
    checked = item.checked
    decision = checked.decision if checked else None
    return SyncResult(
        spec=item.spec,
        verdict=_verdict(decision),
        action=Action.SKIPPED,
        reason=Reason.DEFERRED,
        remote_digest=checked.remote_digest if checked else None,
        cached_digest=checked.cached_digest if checked else None,
        expected_digest=decision.expected if isinstance(decision, Keep | Copy) else None,
        target_failed=checked is not None and checked.target_failed,
        attempts=item.attempts,
        duration=item.spent + (now - item.began if item.began is not None else 0.0),
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
