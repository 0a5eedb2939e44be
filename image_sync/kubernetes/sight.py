"""What a contender saw of a Lease, and since when: whether it may be taken.

The rule is client-go's (k8s.io/client-go v0.34, tools/leaderelection): a Lease has expired when it
did not change for its duration, on the clock of whoever looks. What clocks elsewhere say, and so
the times in the Lease, decide nothing.
"""

from typing import NamedTuple

from image_sync.kubernetes.record import Record


class _Seen(NamedTuple):
    version: str
    holder: str
    duration: int  # seconds
    since: float  # seconds on our clock


class Sight:
    """A Lease as one contender sees it.

    Args:
        identity: Who looks.
    """

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self._seen: _Seen | None = None

    @property
    def holder(self) -> str:
        """Who held it last; empty if nobody is known."""
        return self._seen.holder if self._seen else ""

    def look(self, record: Record | None, now: float) -> None:
        """Note what it says.

        A Lease that was deleted counts as changed, not as free: who holds it may not know yet.

        Args:
            record: None if there is none.
            now: Seconds, not before the answer came.
        """
        before = self._seen
        if record is not None:
            seen = _Seen(record.version, record.holder, record.duration, now)
        else:
            seen = _Seen("", self.holder, before.duration if before else 0, now)
        if before is None or before.version != seen.version:
            self._seen = seen

    def wait(self, now: float) -> float:
        """Seconds until it may be taken unless it changes; 0.0 or less if it may be now."""
        seen = self._seen
        if seen is None or seen.holder in {"", self._identity}:
            return 0.0
        return seen.since + seen.duration - now
