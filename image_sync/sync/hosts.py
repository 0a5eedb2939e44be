"""What a pass needs to know of hosts: pauses, quotas, and how their connections turned out.

The state lives in `http/`, where no request can go around it; this is a pass's view of it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from image_sync.http import Quota
from image_sync.model import HostPolicy, Security, TlsPolicy

_NO_POLICY = HostPolicy()


class Hosts(Protocol):
    """The state of every registry."""

    def paused(self, host: str, *, pulls: bool = False) -> float:
        """Seconds for which a host is to be left alone; `pulls` asks for manifest GETs."""

    def pause(
        self, host: str, seconds: float | None, why: str, *, pulls_only: bool = False
    ) -> None:
        """Leave a host alone; `None` seconds is the default pause, doubling."""

    def quota(self, host: str) -> Quota | None:
        """How many pulls a host last said are left."""

    def charge(self, host: str, pulls: int) -> None:
        """Count pulls that went around us, by a tool."""

    def security(self, host: str, tls: TlsPolicy) -> Security | None:
        """How connections to a host turned out; None before the first contact."""


class Reserves:
    """Whether a host's pull quota allows some pulls more.

    Args:
        hosts: Knows what is left.
        policies: Say how many are to be left alone (`reserve_pulls`).
    """

    def __init__(self, hosts: Hosts, policies: Mapping[str, HostPolicy]) -> None:
        self._hosts = hosts
        self._policies = policies
        self._promised: Counter[str] = Counter()

    def allows(self, host: str, pulls: int) -> bool:
        """True if so many pulls leave the reserve untouched, or if the host counts none."""
        quota = self._hosts.quota(host)
        reserve = self._policies.get(host, _NO_POLICY).reserve_pulls
        left = quota.remaining - self._promised[host] - pulls if quota else 0
        return quota is None or not reserve or left >= reserve

    @contextmanager
    def promising(self, host: str, pulls: int) -> Iterator[None]:
        """Keep others from pulls that are about to be spent by requests of ours.

        What they spent is in the answers to them, so it is not counted here.

        Args:
            host: Canonical host.
            pulls: Manifest GETs.
        """
        self._promised[host] += pulls
        try:
            yield
        finally:
            self._promised[host] -= pulls

    @contextmanager
    def spending(self, host: str, pulls: int) -> Iterator[None]:
        """Keep others from pulls that a tool is about to spend, and count them at its end.

        Args:
            host: Canonical host.
            pulls: Manifest GETs, as a tool does not tell how many it made.
        """
        with self.promising(host, pulls):
            try:
                yield
            finally:
                self._hosts.charge(host, pulls)
