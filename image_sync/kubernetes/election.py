"""One of several replicas works, by a Lease; another takes over when it falls silent.

Between two replicas there is never work at the same time, as long as work ends within `LEAVING`
seconds once it is cancelled, clocks run equally fast, and nobody edits the Lease: a leader counts
from when it *sent* its last renewal, another contender from when it *saw* it, which is later. A
machine that stands still and wakes up after its Lease ran out works until its event loop looks at
the clock; that is harmless, because copies go by digest and tags move only to what was verified.

What a single try does is `claim.py`'s, how long things take stands in `terms.py`.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import anyio

from image_sync.errors import ApiError, ErrorKind
from image_sync.events import Emit, LeadershipChanged
from image_sync.kubernetes.claim import Claim, Standing
from image_sync.kubernetes.record import Leases
from image_sync.kubernetes.terms import Terms
from image_sync.kubernetes.trouble import Trouble

_RELEASE = 2.0
"""Seconds for giving the Lease back: if that fails, another takes over once it has run out."""

_SLOW = (
    "see that the control plane is there; a slow one needs a longer settings.lease.duration_secs"
)


class Election:
    """A contender for a Lease.

    Args:
        leases: The Lease.
        identity: What this process calls itself; no other has the same, or had it before.
        duration: Seconds of silence after which another takes over; at least `SHORTEST`.
        emit: Takes the events.
        clock: Tells the time in seconds, on a clock that never jumps.
        wall: Tells the time of day, for those who read the Lease.

    Raises:
        ValueError: The duration is too short.
    """

    def __init__(
        self,
        leases: Leases,
        identity: str,
        duration: float,
        emit: Emit,
        clock: Callable[[], float] = anyio.current_time,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._terms = Terms.of(duration)
        self._identity = identity
        self._emit = emit
        self._clock = clock
        self._claim = Claim(leases, identity, duration, clock, wall)
        self._trouble = Trouble(emit, clock)
        self._told: LeadershipChanged | None = None

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Work whenever this replica leads, until the work returns by itself.

        When the Lease is lost, the work is cancelled, and begun anew when this replica leads again.
        However this ends, it ends after the work, and the Lease is given back.

        Args:
            work: Ends within `LEAVING` seconds once it is cancelled.

        Raises:
            ExceptionGroup: The work's own exception.
        """
        try:
            done = False
            while not done:
                await self._contend()
                done = await self._lead(work)
        finally:
            await self._release()

    async def _contend(self) -> None:
        """Return when this replica leads."""
        while (standing := await self._try(self._terms.patience)) is not Standing.OURS:
            pause = self._terms.pause
            if standing is Standing.THEIRS:
                self._tell(leads=False, leader=self._claim.other)
                pause = max(0.0, min(pause, self._claim.wait))
            await anyio.sleep(pause)

    async def _lead(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Work and renew; False if the Lease was lost before the work was done."""
        self._tell(leads=True, leader=self._identity)
        working = anyio.CancelScope()
        try:
            async with anyio.create_task_group() as tasks:
                # Renewed also while work that is cancelled from outside comes to its end.
                keeping = anyio.CancelScope(shield=True)
                tasks.start_soon(self._keep, keeping, working)
                try:
                    with working:
                        await work()
                finally:
                    keeping.cancel()
        finally:
            self._tell(leads=False, leader=self._claim.other)
        return not working.cancelled_caught

    async def _keep(self, keeping: anyio.CancelScope, working: anyio.CancelScope) -> None:
        with keeping:
            await self._renew()
            working.cancel()

    async def _renew(self) -> None:
        """Return when the Lease is lost, or may be before the work has ended."""
        terms, pause = self._terms, self._terms.renew_every
        while (left := self._left()) > 0:
            await anyio.sleep(min(pause, left))
            if (left := self._left()) <= 0:
                break
            standing = await self._try(min(terms.patience, left))
            if standing is Standing.THEIRS:
                self._trouble.tell(f"the Lease went to {self._claim.other}: copies stop")
                return
            ours = standing is Standing.OURS
            pause = self._left() - terms.renew_within + terms.renew_every if ours else terms.pause
        message = f"the Lease could not be renewed for {terms.renew_within:g} s: copies stop"
        self._trouble.tell(message)

    async def _try(self, patience: float) -> Standing:
        try:
            with anyio.move_on_after(patience):
                return await self._claim.take()
            self._trouble.failed(ApiError("no answer in time", ErrorKind.TIMEOUT, hint=_SLOW))
        except ApiError as error:
            self._trouble.failed(error)
        return Standing.UNKNOWN

    async def _release(self) -> None:
        with anyio.move_on_after(_RELEASE, shield=True):
            try:
                await self._claim.release()
            except ApiError as error:
                self._trouble.failed(error)

    def _left(self) -> float:
        """Seconds until work must begin to end."""
        return self._claim.renewed + self._terms.renew_within - self._clock()

    def _tell(self, *, leads: bool, leader: str) -> None:
        told = LeadershipChanged(leads, leader)
        if told != self._told:
            self._told = told
            self._emit(told)
