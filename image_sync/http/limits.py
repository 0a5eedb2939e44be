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
from image_sync.runtime.rate import Rate

CONCURRENCY = 32
"""Requests in flight per host where nothing is configured: measured, more gain nothing at 40 ms
round trip on two cores."""
_BURST = 1.0  # seconds of unused rate that may be spent at once
_NOTHING_SAID = HostPolicy()


class Limits:
    """Slots and rates of every host."""

    def __init__(self, policies: Mapping[str, HostPolicy], clock: Clock) -> None:
        self._policies = policies
        self._clock = clock
        self._slots: dict[tuple[str, Side], anyio.CapacityLimiter] = {}
        self._streams: dict[tuple[str, Side], anyio.CapacityLimiter] = {}
        self._rates: dict[str, Rate | None] = {}

    def adopt(self, policies: Mapping[str, HostPolicy]) -> None:
        """Keep to other policies from now on; slots that are held stay so."""
        before, self._policies = self._policies, policies
        for known in (self._slots, self._streams):
            for (host, _), slots in known.items():
                slots.total_tokens = self._count(host)
        for host, rate in list(self._rates.items()):
            per_second = self._policy(host).requests_per_second
            if rate and per_second:
                rate.per_second = per_second  # also for those that wait for their turn in it
            elif per_second != before.get(host, _NOTHING_SAID).requests_per_second:
                del self._rates[host]

    def slots(self, host: str, side: Side) -> anyio.CapacityLimiter:
        """What a request acquires before it goes and releases when its answer is closed."""
        return self._of(host, side, self._slots)

    def streams(self, host: str, side: Side) -> anyio.CapacityLimiter:
        """The same for a request whose content comes from somewhere else while it is sent."""
        return self._of(host, side, self._streams)

    def rate(self, host: str) -> Rate | None:
        """The rate of a host, None if it has no limit."""
        if host not in self._rates:
            per_second = self._policy(host).requests_per_second
            self._rates[host] = self._make_rate(per_second) if per_second else None
        return self._rates[host]

    def _make_rate(self, per_second: float) -> Rate:
        burst = max(0.0, _BURST - 1.0 / per_second)  # beside the one that passes anyway
        return Rate(per_second, burst, self._clock.monotonic, self._clock.sleep)

    def _of(
        self, host: str, side: Side, known: dict[tuple[str, Side], anyio.CapacityLimiter]
    ) -> anyio.CapacityLimiter:
        slots = known.get((host, side))
        if slots is None:
            slots = known[host, side] = anyio.CapacityLimiter(self._count(host))
        return slots

    def _count(self, host: str) -> int:
        return self._policy(host).concurrency or CONCURRENCY

    def _policy(self, host: str) -> HostPolicy:
        return self._policies.get(host, _NOTHING_SAID)
