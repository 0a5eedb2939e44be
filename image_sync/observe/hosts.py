"""What the registries said or did out of the ordinary: pauses, quotas, outages.

A registry counts as down from the opening of its circuit until it answers for itself again, with
anything below 500. Who is refused meanwhile is the business of `http/`.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from http import HTTPStatus

from image_sync import events
from image_sync.observe.states import HostState, Pause, Quota

_HostEvent = events.RequestFinished | events.HostPaused | events.PullQuota | events.CircuitOpened


class Hosts:
    """The registries of which something is known.

    Args:
        monotonic: Seconds that never jump.
        wall: The moment, in UTC.
    """

    def __init__(self, monotonic: Callable[[], float], wall: Callable[[], datetime]) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._known: dict[str, _Host] = {}

    def __call__(self, event: _HostEvent) -> None:
        """Take note of one event."""
        match event:
            case events.RequestFinished(host=name, status=status):
                host = self._known.get(name)
                if host and status is not None and status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    host.down_since = None
            case events.HostPaused():
                until = self._monotonic() + event.seconds
                self._host(event.host).pauses[event.pulls_only] = until, event.why
            case events.PullQuota():
                self._host(event.host).quota = Quota(event.limit, event.remaining)
            case events.CircuitOpened():
                host = self._host(event.host)
                host.down_since = host.down_since or self._wall()
                host.asked_again = self._monotonic() + event.seconds

    def keep(self, hosts: Collection[str]) -> None:
        """Forget all others: they are not configured any more."""
        self._known = {name: host for name, host in self._known.items() if name in hosts}

    def told(self) -> list[HostState]:
        """Those of which something is known, by name."""
        now = self._monotonic()
        return [host.told(name, now) for name, host in sorted(self._known.items())]

    def _host(self, name: str) -> "_Host":
        return self._known.setdefault(name, _Host())


class _Host:
    """One registry."""

    __slots__ = ("asked_again", "down_since", "pauses", "quota")

    def __init__(self) -> None:
        self.pauses: dict[bool, tuple[float, str]] = {}  # until when and why, by `pulls_only`
        self.quota: Quota | None = None
        self.down_since: datetime | None = None
        self.asked_again = 0.0  # monotonic seconds

    def told(self, name: str, now: float) -> HostState:
        down = self.down_since is not None
        return HostState(
            host=name,
            pause=self._pause(now, pulls_only=False),
            pull_pause=self._pause(now, pulls_only=True),
            quota=self.quota,
            down_since=self.down_since,
            asked_again_in=max(0.0, self.asked_again - now) if down else 0.0,
        )

    def _pause(self, now: float, *, pulls_only: bool) -> Pause | None:
        until, why = self.pauses.get(pulls_only, (now, ""))
        return Pause(until - now, why) if until > now else None
