"""Clocks that a test sets."""

from datetime import UTC, datetime, timedelta

import anyio

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class SetClock:
    """Both clocks of a machine.

    Args:
        now: What the time of day is at first.

    Attributes:
        elapsed: Seconds on the clock that cannot be set.
    """

    def __init__(self, now: datetime = EPOCH) -> None:
        self.elapsed = 0.0
        self._now = now

    def monotonic(self) -> float:
        return self.elapsed

    def now(self) -> datetime:
        return self._now

    def pass_by(self, seconds: float) -> None:
        """Both go on."""
        self.elapsed += seconds
        self.set_by(seconds)

    def set_by(self, seconds: float) -> None:
        """Only the time of day does: somebody sets it, or the machine slept."""
        self._now += timedelta(seconds=seconds)


class LoopClock:
    """The loop's time, and a time of day that goes with it.

    Args:
        ahead: Seconds by which somebody set the time of day; negative if it was set back.
    """

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead

    def monotonic(self) -> float:
        return anyio.current_time()

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=anyio.current_time() + self.ahead)
