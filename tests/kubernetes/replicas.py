"""Replicas in virtual time, around a Lease that is kept in memory and reached over bad ways."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import chain, cycle
from typing import NamedTuple

import anyio
import msgspec
from anyio.abc import TaskGroup

from image_sync.errors import ApiError, ErrorKind
from image_sync.events import Event, LeadershipChanged, Warned
from image_sync.kubernetes import Election, Record

DURATION = 15.0  # seconds


class Fate(StrEnum):
    """What becomes of a call."""

    WELL = "well"
    REFUSED = "refused"  # nothing happens, and the caller learns it
    UNHEARD = "unheard"  # it happens, and the caller learns of a failure only
    SILENT = "silent"  # it happens, and the caller never learns it
    LATE = "late"  # it happens after the caller gave up
    LOST = "lost"  # nothing happens, and the caller never learns it


class Way(NamedTuple):
    """One call on its way, with the seconds there and back."""

    fate: Fate = Fate.WELL
    there: float = 0.01
    back: float = 0.01


LATER = 7.0  # seconds that a late call is under way for longer than others


class Shelf:
    """The Lease itself: versions, and no write over another's."""

    def __init__(self) -> None:
        self.record: Record | None = None
        self._versions = 0

    def write(self, record: Record) -> Record | None:
        """As the API does it."""
        now = self.record.version if self.record else ""
        if record.version != now:
            return None
        if record.duration <= 0:
            raise ApiError("it answers 422", ErrorKind.CONFIG, status=422)
        self._versions += 1
        self.record = msgspec.structs.replace(record, version=str(self._versions))
        return self.record


class Access:
    """How one replica reaches the shelf; satisfies `Leases`."""

    def __init__(self, shelf: Shelf, tasks: TaskGroup, ways: Iterable[Way] = ()) -> None:
        self.cut: Way | None = None  # what happens to every call meanwhile
        self.calls = 0
        self._shelf = shelf
        self._tasks = tasks
        self._ways: Iterator[Way] = chain(ways, cycle([Way()]))

    async def read(self) -> Record | None:
        return await self._call(lambda: self._shelf.record)

    async def write(self, record: Record) -> Record | None:
        return await self._call(lambda: self._shelf.write(record))

    async def _call(self, act: Callable[[], Record | None]) -> Record | None:
        self.calls += 1
        way = self.cut or next(self._ways)
        if way.fate is Fate.LATE:
            self._tasks.start_soon(_later, way.there + LATER, act)
        await anyio.sleep(way.there)
        answer = act() if way.fate in {Fate.WELL, Fate.UNHEARD, Fate.SILENT} else None
        await anyio.sleep(way.back)
        if way.fate in {Fate.SILENT, Fate.LATE, Fate.LOST}:
            await anyio.sleep_forever()
        if way.fate in {Fate.REFUSED, Fate.UNHEARD}:
            raise ApiError("cannot connect", ErrorKind.NETWORK)
        return answer


async def _later(seconds: float, act: Callable[[], Record | None]) -> None:
    await anyio.sleep(seconds)
    act()


class Worked(NamedTuple):
    """One stretch of work, in seconds of the virtual clock."""

    who: str
    begun: float
    ended: float


class Diary:
    """All work that was done."""

    def __init__(self) -> None:
        self.done: list[Worked] = []
        self.running: dict[str, float] = {}  # since when, by who
        self._begins = anyio.Event()

    @contextmanager
    def working(self, who: str) -> Iterator[None]:
        """Note a stretch of work; two at once are the end of the test."""
        assert not self.running, f"{who} begins while {self.running} works"
        self.running[who] = begun = anyio.current_time()
        self._begins.set()
        self._begins = anyio.Event()
        try:
            yield
        finally:
            del self.running[who]
            self.done.append(Worked(who, begun, anyio.current_time()))

    async def led(self, by: str) -> None:
        """Return once this one works."""
        while by not in self.running:
            await self._begins.wait()


class Replica:
    """One process: it works, takes some seconds to end, and can be cut off, stopped or crash."""

    def __init__(
        self,
        name: str,
        access: Access,
        diary: Diary,
        *,
        duration: float = DURATION,
        leaving: float = 5.0,
        ahead: float = 0.0,
        worth: float = 1e6,
    ) -> None:
        """Nothing happens before `run`.

        Args:
            name: Its identity.
            access: How it reaches the Lease.
            diary: Where its work is noted.
            duration: Of its Lease, in seconds.
            leaving: Seconds that its work takes to end.
            ahead: Seconds by which its clocks are ahead of others'.
            worth: Seconds of work after which it ends by itself.
        """
        self.name = name
        self.access = access
        self.events: list[Event] = []
        self.scope = anyio.CancelScope()
        self.ended = anyio.Event()
        self._diary = diary
        self._leaving = leaving
        self._worth = worth
        self._election = Election(
            access,
            name,
            duration,
            self.events.append,
            clock=lambda: anyio.current_time() + ahead,
            wall=lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=ahead),
        )

    async def run(self) -> None:
        """Until it ends by itself or is stopped."""
        with self.scope:
            await self._election.run(self._work)
        self.ended.set()

    def stop(self) -> None:
        """Be told to end."""
        self.scope.cancel()

    def crash(self) -> None:
        """End without a word to anybody."""
        self._leaving = 0.0
        self.access.cut = Way(Fate.LOST)
        self.scope.cancel()

    @property
    def leaderships(self) -> list[tuple[bool, str]]:
        """What it told of who leads."""
        return [(e.leads, e.leader) for e in self.events if isinstance(e, LeadershipChanged)]

    @property
    def warnings(self) -> list[str]:
        """What it warned of."""
        return [event.message for event in self.events if isinstance(event, Warned)]

    async def _work(self) -> None:
        with self._diary.working(self.name):
            try:
                await anyio.sleep(self._worth)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(self._leaving)
