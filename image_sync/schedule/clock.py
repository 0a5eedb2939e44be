"""Where a schedule gets its time from."""

import time
from datetime import UTC, datetime
from typing import Protocol

import anyio


class Clock(Protocol):
    """Two clocks: one never jumps, the other is what calendars speak of."""

    def monotonic(self) -> float:
        """Seconds that never go back, since some moment."""

    def now(self) -> datetime:
        """The time of day, in UTC; it may be set."""


class MachineClock:
    """The event loop's clock and the machine's."""

    def monotonic(self) -> float:
        """Seconds of the event loop."""
        return anyio.current_time()

    def now(self) -> datetime:
        """The machine's time."""
        return datetime.fromtimestamp(time.time(), UTC)
