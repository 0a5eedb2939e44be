"""One contender's claim to a Lease: a single try to take or renew it, and giving it back.

When to try, and what follows, is `election.py`'s. A write whose answer did not come may have
happened or not: the next try reads first, and the API's version keeps a late one from harm.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum, auto
from math import ceil

import msgspec

from image_sync.kubernetes.record import Leases, Record
from image_sync.kubernetes.sight import Sight

_LOOKS = 2  # in one try: a conflict is looked into at once


class Standing(Enum):
    """Whose a Lease is after a try."""

    OURS = auto()
    THEIRS = auto()
    UNKNOWN = auto()


class Claim:
    """A claim; one try at a time.

    Args:
        leases: The Lease.
        identity: Who claims it.
        duration: Seconds for which a renewal holds.
        clock: Tells the time in seconds, on a clock that never jumps.
        wall: Tells the time of day, for those who read the Lease.
    """

    def __init__(
        self,
        leases: Leases,
        identity: str,
        duration: float,
        clock: Callable[[], float],
        wall: Callable[[], datetime],
    ) -> None:
        self._leases = leases
        self._identity = identity
        self._duration = ceil(duration)
        self._clock = clock
        self._wall = wall
        self._sight = Sight(identity)
        self._ours: Record | None = None  # as we wrote it last, if it is certain that we did
        self._tried = False  # whether the Lease may name us
        self.renewed = float("-inf")
        """When the last request was sent by which the Lease is ours, in seconds of the clock."""

    @property
    def other(self) -> str:
        """Who else held it last; empty if nobody is known."""
        return self._sight.holder if self._sight.holder != self._identity else ""

    @property
    def wait(self) -> float:
        """Seconds until it may be taken unless it changes."""
        return self._sight.wait(self._clock())

    async def take(self) -> Standing:
        """Take the Lease if it is free, or renew it if it is ours.

        Raises:
            ApiError: Nobody can tell whose it is.
        """
        for _ in range(_LOOKS):
            record = self._ours or await self._look()
            if self._ours is None and self.wait > 0:
                self._tried = False
                return Standing.THEIRS
            if await self._write(self._next(record)):
                return Standing.OURS
        return Standing.UNKNOWN

    async def release(self) -> None:
        """Give the Lease back, if it may be ours.

        Raises:
            ApiError: Nobody can tell whether that worked.
        """
        for _ in range(_LOOKS if self._tried else 0):
            record = self._ours or await self._leases.read()
            if record is None or record.holder != self._identity:
                return
            # As client-go does; the API refuses a duration of 0 (measured: Kubernetes 1.36).
            free = msgspec.structs.replace(record, holder="", duration=1, renewed=self._time())
            self._ours = None
            if await self._leases.write(free):
                self._tried = False
                return

    async def _look(self) -> Record | None:
        record = await self._leases.read()
        self._sight.look(record, self._clock())
        return record

    async def _write(self, record: Record) -> bool:
        self._ours, self._tried = None, True
        sent = self._clock()
        written = await self._leases.write(record)
        if written is None:
            return False
        self._ours, self.renewed = written, sent
        self._sight.look(written, self._clock())
        return True

    def _next(self, record: Record | None) -> Record:
        now = self._time()
        renewed = msgspec.structs.replace(
            record or Record(), holder=self._identity, duration=self._duration, renewed=now
        )
        if record is not None and record.holder == self._identity:
            return renewed
        transitions = record.transitions + 1 if record is not None else 0
        return msgspec.structs.replace(renewed, acquired=now, transitions=transitions)

    def _time(self) -> str:
        """Now, as Kubernetes' MicroTime."""
        return self._wall().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
