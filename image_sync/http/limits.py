"""How much is asked of a host at once, and how fast.

Slots are counted per host and side, so that a request to the cache never waits for a slot that
its own source holds on the same host. Streamed uploads have slots of their own: one lasts as long
as its content takes to come, and whoever only asks must not wait for that. The rate counts per
host.
"""

from collections.abc import Mapping

import anyio

from image_sync.errors import Side
from image_sync.http.clock import Clock
from image_sync.model import HostPolicy

CONCURRENCY = 32
"""Requests in flight per host where nothing is configured: measured, more gain nothing at 40 ms
round trip on two cores."""
_BURST = 1.0  # seconds of unused rate that may be spent at once


class Bucket:
    """A token bucket whose waiters queue, so that one that is cancelled takes no token along."""

    def __init__(self, rate: float, clock: Clock) -> None:
        self._interval = 1.0 / rate  # seconds between two requests
        self._clock = clock
        self._burst = max(0.0, _BURST - self._interval)
        self._next = clock.monotonic() - self._burst
        self._turn = anyio.Lock(fast_acquire=True)

    async def take(self) -> None:
        """Return when one more request may go."""
        async with self._turn:
            while (wait := self._next - self._clock.monotonic()) > 0:
                await self._clock.sleep(wait)
            earliest = self._clock.monotonic() - self._burst
            self._next = max(self._next, earliest) + self._interval


class Limits:
    """Slots and rates of every host."""

    def __init__(self, policies: Mapping[str, HostPolicy], clock: Clock) -> None:
        self._policies = policies
        self._clock = clock
        self._slots: dict[tuple[str, Side], anyio.Semaphore] = {}
        self._streams: dict[tuple[str, Side], anyio.Semaphore] = {}
        self._buckets: dict[str, Bucket | None] = {}

    def slots(self, host: str, side: Side) -> anyio.Semaphore:
        """What a request acquires before it goes and releases when its answer is closed."""
        return self._of(host, side, self._slots)

    def streams(self, host: str, side: Side) -> anyio.Semaphore:
        """The same for a request whose content comes from somewhere else while it is sent."""
        return self._of(host, side, self._streams)

    def bucket(self, host: str) -> Bucket | None:
        """The rate of a host, None if it has no limit."""
        if host not in self._buckets:
            rate = self._policy(host).requests_per_second
            self._buckets[host] = Bucket(rate, self._clock) if rate else None
        return self._buckets[host]

    def _of(
        self, host: str, side: Side, known: dict[tuple[str, Side], anyio.Semaphore]
    ) -> anyio.Semaphore:
        slots = known.get((host, side))
        if slots is None:
            count = self._policy(host).concurrency or CONCURRENCY
            slots = known[host, side] = anyio.Semaphore(count, max_value=count, fast_acquire=True)
        return slots

    def _policy(self, host: str) -> HostPolicy:
        return self._policies.get(host) or HostPolicy()
