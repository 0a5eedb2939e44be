"""How many bytes of blobs pass in a second: of all copies together, and for each host.

Smooth: no second has more than the others, for a tenth of one at most may be made up for.
"""

from collections.abc import Iterable, Mapping, Sequence

from image_sync.model import HostPolicy
from image_sync.runtime.rate import Rate

_CATCH_UP = 0.1
"""Seconds of unused rate that may be spent at once: what a pause of the event loop costs."""
_SLICES = 20
"""Portions in a second, at least: what passes at once on the wire is that small."""
_LEAST = 1024
"""Bytes in a portion: less costs more in turns than it smooths."""


class Bandwidth:
    """The limits of a process, which may change while blobs are on their way.

    Args:
        total: Bytes per second of all copies together, None for no limit.
        policies: What the operator says of hosts, by canonical host.
    """

    def __init__(
        self, total: int | None = None, policies: Mapping[str, HostPolicy] | None = None
    ) -> None:
        self._total: Rate | None = None
        self._hosts: dict[str, Rate] = {}
        self.adopt(total, policies or {})

    def adopt(self, total: int | None, policies: Mapping[str, HostPolicy]) -> None:
        """Keep to other limits from now on, also for what is on its way."""
        self._total = _adapted(self._total, total)
        adapted = {
            host: _adapted(self._hosts.get(host), policy.bandwidth)
            for host, policy in policies.items()
        }
        self._hosts = {host: rate for host, rate in adapted.items() if rate}

    def between(self, *hosts: str) -> "Pace":
        """The pace of what passes between some hosts."""
        return Pace(self, hosts)

    def rates(self, hosts: Iterable[str]) -> list[Rate]:
        """What has to be kept between some hosts.

        Those of single hosts first: who waits for one of them keeps nobody else from the rate that
        all have in common.
        """
        of_hosts = [self._hosts[host] for host in dict.fromkeys(hosts) if host in self._hosts]
        return [*of_hosts, self._total] if self._total else of_hosts


class Pace:
    """What holds for the bytes of one blob.

    Args:
        bandwidth: The limits.
        hosts: Between which it passes.
    """

    def __init__(self, bandwidth: Bandwidth, hosts: Sequence[str]) -> None:
        self._bandwidth = bandwidth
        self._hosts = hosts

    @property
    def portion(self) -> int | None:
        """Bytes that pass at once at most, None for any number."""
        rates = self._bandwidth.rates(self._hosts)
        slowest = min((rate.per_second for rate in rates), default=None)
        return None if slowest is None else max(_LEAST, int(slowest / _SLICES))

    async def take(self, count: int) -> None:
        """Return when that many bytes more may pass."""
        for rate in self._bandwidth.rates(self._hosts):
            await rate.take(count)


def _adapted(rate: Rate | None, per_second: int | None) -> Rate | None:
    """A rate as it is wanted now; whoever waits for his turn in it goes on waiting for that."""
    if not per_second:
        return None
    if rate is None:
        return Rate(per_second, _CATCH_UP)
    rate.per_second = per_second
    return rate
