"""Time as the modules here see it, so that tests can replace it.

Delays are measured on the monotonic clock; wall time is read only where a registry sent a date
and no clock reading of its own (fault row 58).
"""

import time
from typing import Protocol

import anyio


class Clock(Protocol):
    """Where time comes from."""

    def monotonic(self) -> float:
        """Seconds that never jump."""
        ...

    def wall(self) -> float:
        """Seconds since 1970, UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        ...


class SystemClock:
    """The machine's clocks and the event loop's sleep."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    sleep = staticmethod(anyio.sleep)
