"""Images as metrics: what came of them."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from image_sync.events import ImageFinished, ImageVerified, TagMoved
from image_sync.model import Action, Condition, ImageSpec, SyncResult
from image_sync.observe.metrics.series import NONE, counter, gauge
from image_sync.oci import Reference


class Images:
    """Images: what came of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._failing: set[Reference] = set()
        self._known = gauge(registry, "images", "Configured images.")
        gauge(
            registry, "images_failing", "Images that failed when they were last tried."
        ).set_function(lambda: len(self._failing))
        self._results = counter(registry, "results_total", "Results of images.", "action", "reason")
        self._errors = counter(
            registry, "errors_total", "Errors in results of images.", "kind", "side"
        )
        self._copied = counter(registry, "copied_bytes_total", "Bytes that copies moved.")
        self._reused = counter(
            registry, "reused_bytes_total", "Bytes that copies need not move: they were there."
        )
        self._moved = counter(registry, "tags_moved_total", "Tags of the cache that moved.")
        verified = counter(
            registry, "verifications_total", "Images examined in the cache.", "condition"
        )
        self._verified = {each: verified.labels(each.value) for each in Condition}

    def __call__(self, event: ImageFinished | ImageVerified | TagMoved) -> None:
        """Count what came of an image."""
        match event:
            case ImageFinished(result=result):
                self._count(result)
            case ImageVerified(verified=verified):
                self._verified[verified.condition].inc()
            case TagMoved():
                self._moved.inc()

    def adopt(self, specs: Sequence[ImageSpec]) -> None:
        """Take over what is configured; an image that is so no more fails no more."""
        self._known.set(len(specs))
        self._failing &= {spec.target_reference for spec in specs}

    def _count(self, result: SyncResult) -> None:
        self._results.labels(result.action.value, result.reason.value).inc()
        self._copied.inc(result.bytes_copied or 0)
        self._reused.inc(result.bytes_reused or 0)
        if result.error_kind is not None:
            side = result.error_side.value if result.error_side else NONE
            self._errors.labels(result.error_kind.value, side).inc()
        if result.action is Action.FAILED:
            self._failing.add(result.spec.target_reference)
        elif result.action is not Action.SKIPPED:
            self._failing.discard(result.spec.target_reference)
