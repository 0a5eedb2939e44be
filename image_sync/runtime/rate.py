"""A rate that nobody exceeds: of requests to a host, of bytes of blobs.

Not here: which rates there are, and who has to keep them.
"""

from collections.abc import Awaitable, Callable

import anyio

_MOMENT = 1e-6
"""Seconds that are not waited for: timers are no more exact."""


class Rate:
    """A token bucket whose waiters queue: one that is cancelled takes nothing along.

    Args:
        per_second: How much may pass in a second.
        burst: Seconds of unused rate that may be spent at once, beside what passes anyway.
        now: Tells the time in seconds, on a clock that never jumps.
        sleep: Waits some seconds.
    """

    def __init__(
        self,
        per_second: float,
        burst: float,
        now: Callable[[], float] = anyio.current_time,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.per_second = per_second
        self._burst = burst
        self._now = now
        self._sleep = sleep
        self._free = float("-inf")  # when all that passed so far is through
        self._turn = anyio.Lock(fast_acquire=True)

    async def take(self, count: int = 1) -> None:
        """Return when that much more may pass: as soon as what passed before is through."""
        async with self._turn:
            while (wait := self._free - self._now()) > _MOMENT:
                await self._sleep(wait)
            begins = max(self._free, self._now() - self._burst)
            self._free = begins + count / self.per_second
