"""Passes as metrics: how they ended, how long they took, and when."""

from prometheus_client import CollectorRegistry

from image_sync.events import PassFinished, PassPlanned
from image_sync.observe.metrics.series import Clock, counter, durations, moment

_PASS_SECONDS = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600)
_OUTCOMES = ("success", "partial", "failure", "interrupted")


class Passes:
    """Passes: how they ended, how long they took, and when."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        ended = counter(registry, "passes_total", "Passes that ended.", "result")
        self._ended = {outcome: ended.labels(outcome) for outcome in _OUTCOMES}
        self._duration = durations(registry, "pass", "How long passes took.", _PASS_SECONDS)
        self._last = moment(registry, "last_pass", "When a pass last ended, however it did.")
        self._success = moment(
            registry, "last_success", "When a pass last ended without a failed image."
        )
        self._next = moment(registry, "next_pass", "When the next pass begins.")

    def __call__(self, event: PassFinished | PassPlanned) -> None:
        """Count a pass that ended, or note when the next begins."""
        now = self._clock()
        if isinstance(event, PassPlanned):
            self._next.set(now + event.seconds)
            return
        outcome = "interrupted" if event.interrupted else _outcome(event)
        self._ended[outcome].inc()
        self._duration.observe(event.duration)
        self._last.set(now)
        if outcome == "success":
            self._success.set(now)


def _outcome(event: PassFinished) -> str:
    tally = event.tally
    if not tally.failed:
        return "partial" if event.unfinished else "success"
    return "partial" if tally.pulled or tally.already_cached else "failure"
