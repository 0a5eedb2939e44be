"""How many bytes of blobs pass in a second: of all copies together, and for each host.

Smooth: no second has more than the others, for a tenth of one at most may be made up for.
"""

from collections.abc import Awaitable, Callable, Mapping

import anyio

from image_sync.model import HostPolicy

_CATCH_UP = 0.1
"""Seconds of unused rate that may be spent at once: what a pause of the event loop costs."""
_SLICES = 20
"""Portions in a second, at least: what passes at once on the wire is that small."""
_LEAST = 1024
"""Bytes in a portion: less costs more in turns than it smooths."""


class _Bucket:
    """One limit; bytes take their time one after the other."""

    def __init__(self, rate: int) -> None:
        self.rate = rate  # bytes per second
        self._free = 0.0  # when the bytes that passed so far are through

    def reserve(self, count: int, now: float) -> float:
        """Seconds until that many bytes more may pass."""
        begins = max(self._free, now - _CATCH_UP)
        self._free = begins + count / self.rate
        return begins - now


class Bandwidth:
    """The limits of a process.

    Args:
        total: Bytes per second of all copies together, None for no limit.
        policies: What the operator says of hosts, by canonical host.
        sleep: Waits some seconds.
    """

    def __init__(
        self,
        total: int | None,
        policies: Mapping[str, HostPolicy],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._total = _Bucket(total) if total else None
        self._hosts = {
            host: _Bucket(policy.bandwidth) for host, policy in policies.items() if policy.bandwidth
        }
        self._sleep = sleep

    def between(self, *hosts: str) -> "Pace":
        """The pace of what passes between some hosts."""
        buckets = [self._total] if self._total else []
        buckets += [self._hosts[host] for host in dict.fromkeys(hosts) if host in self._hosts]
        return Pace(buckets, self._sleep)


class Pace:
    """What holds for the bytes of one blob.

    Attributes:
        portion: Bytes that pass at once at most, None for any number.
    """

    def __init__(self, buckets: list[_Bucket], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._buckets = buckets
        self._sleep = sleep
        slowest = min((bucket.rate for bucket in buckets), default=None)
        self.portion = None if slowest is None else max(_LEAST, slowest // _SLICES)

    async def take(self, count: int) -> None:
        """Return when that many bytes more may pass."""
        if not self._buckets:
            return
        now = anyio.current_time()
        wait = max(bucket.reserve(count, now) for bucket in self._buckets)
        if wait > 0:
            await self._sleep(wait)
