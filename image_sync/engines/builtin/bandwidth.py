"""How many bytes of blobs pass in a second: of all copies together, and for each host.

Smooth: no second has more than the others, for a tenth of one at most may be made up for.
"""

from collections.abc import Mapping, Sequence

from image_sync.model import HostPolicy
from image_sync.runtime.rate import Rate

_CATCH_UP = 0.1
"""Seconds of unused rate that may be spent at once: what a pause of the event loop costs."""
_SLICES = 20
"""Portions in a second, at least: what passes at once on the wire is that small."""
_LEAST = 1024
"""Bytes in a portion: less costs more in turns than it smooths."""


class Bandwidth:
    """The limits of a process.

    Args:
        total: Bytes per second of all copies together, None for no limit.
        policies: What the operator says of hosts, by canonical host.
    """

    def __init__(self, total: int | None, policies: Mapping[str, HostPolicy]) -> None:
        self._total = [Rate(total, _CATCH_UP)] if total else []
        self._hosts = {
            host: Rate(policy.bandwidth, _CATCH_UP)
            for host, policy in policies.items()
            if policy.bandwidth
        }

    def between(self, *hosts: str) -> "Pace":
        """The pace of what passes between some hosts."""
        of_hosts = [self._hosts[host] for host in dict.fromkeys(hosts) if host in self._hosts]
        return Pace(of_hosts + self._total)


class Pace:
    """What holds for the bytes of one blob.

    Args:
        rates: Those of single hosts first: who waits for one of them keeps nobody else from the
            rate that all have in common.

    Attributes:
        portion: Bytes that pass at once at most, None for any number.
    """

    def __init__(self, rates: Sequence[Rate]) -> None:
        self._rates = rates
        slowest = min((rate.per_second for rate in rates), default=None)
        self.portion = None if slowest is None else max(_LEAST, int(slowest / _SLICES))

    async def take(self, count: int) -> None:
        """Return when that many bytes more may pass."""
        for rate in self._rates:
            await rate.take(count)
