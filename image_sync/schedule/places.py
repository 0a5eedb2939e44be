"""Places for work: so many in all, no group above its share, and given away while one waits.

Several lanes may share their places: each counts what it holds, and all see what is free.
"""

from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import anyio

_RESTING = 8
"""Works that rest at once for each place, at most: a resting one is in memory all the same."""


class Capacity:
    """How many places there are, for all lanes that share it.

    Args:
        total: How many; more may be held after it was lowered, until they are given back.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.held: Counter[str] = Counter()  # by group
        self._told: dict[Callable[[], None], None] = {}

    @property
    def free(self) -> int:
        """How many nobody holds; negative where more are held than there are now."""
        return self.total - self.held.total()

    @contextmanager
    def telling(self, changed: Callable[[], None]) -> Iterator[None]:
        """Have something called, for the time of a block, whenever a place is given back."""
        self._told[changed] = None
        try:
            yield
        finally:
            del self._told[changed]

    def take(self, group: str) -> None:
        """One place is held."""
        self.held[group] += 1

    def release(self, group: str) -> None:
        """One is free again."""
        self.held[group] -= 1
        for changed in list(self._told):
            changed()


class Places:
    """The places of a lane.

    Args:
        capacity: How many there are, and who holds them.
        share: How many of them one group may hold.
        changed: Called when another group may have a turn.
    """

    def __init__(
        self, capacity: Capacity, share: Callable[[str], int], changed: Callable[[], None]
    ) -> None:
        self._capacity = capacity
        self._share = share
        self._changed = changed
        self._held = 0
        self._resting = 0
        self._returning: deque[tuple[str, anyio.Event]] = deque()

    @property
    def free(self) -> int:
        """How many nobody holds."""
        return self._capacity.free

    @property
    def is_full(self) -> bool:
        """True if no place is free."""
        return self.free <= 0

    @property
    def taken(self) -> int:
        """How many of this lane are held, or were given away to come back to."""
        return self._held + self._resting

    @property
    def are_missed(self) -> bool:
        """True if somebody who rests will want one again."""
        return bool(self._resting or self._returning)

    def admits(self, group: str) -> bool:
        """True if a group may hold one place more, where there is one."""
        return self._capacity.held[group] < self._share(group)

    def take(self, group: str) -> "Place":
        """A place for a group that is admitted."""
        self._hold(group)
        return Place(self, group)

    def readmit(self) -> None:
        """Give free places to those that rested, before anybody new gets one."""
        for waiting in list(self._returning):
            group, admitted = waiting
            if self.is_full:
                return
            if self.admits(group):
                self._returning.remove(waiting)
                self._hold(group)
                admitted.set()

    @asynccontextmanager
    async def resting(self, place: "Place") -> AsyncGenerator[None, None]:
        """A place given away for the time of a block; kept where too many rest already."""
        if self._resting >= _RESTING * self._capacity.total:
            yield
            return
        self._resting += 1
        self.release(place)
        try:
            yield
        finally:
            self._resting -= 1
            await self._come_back(place)

    async def _come_back(self, place: "Place") -> None:
        waiting = (place.group, anyio.Event())
        self._returning.append(waiting)
        self._changed()
        try:
            await waiting[1].wait()
        finally:
            place.held = waiting[1].is_set()
            if not place.held:
                self._returning.remove(waiting)

    def release(self, place: "Place") -> None:
        """Give a place back, if it is held."""
        if place.held:
            place.held = False
            self._held -= 1
            self._capacity.release(place.group)

    def _hold(self, group: str) -> None:
        self._held += 1
        self._capacity.take(group)


class Place:
    """One place, while a key is worked on.

    Attributes:
        group: Whose it is.
        held: False while its holder rests.
    """

    def __init__(self, places: Places, group: str) -> None:
        self._places = places
        self.group = group
        self.held = True

    def resting(self) -> AbstractAsyncContextManager[None]:
        """Give the place to others meanwhile; at the end of the block, wait to have one again."""
        return self._places.resting(self)
