"""Work on due keys, so many at once and no group above its share.

A lane owns the tasks it starts. What is waiting holds no place: work that cannot go on puts its key
back with a later due time and returns, and work that waits for other work rests.
"""

from collections.abc import Awaitable, Callable
from typing import Generic

import anyio

from image_sync.schedule.places import Capacity, Place, Places
from image_sync.schedule.queue import DueQueue, Key


class Lane(Generic[Key]):
    """A due queue with a bounded number of places.

    Args:
        capacity: How many keys are worked on at once, with those of other lanes that share it.
        share: How many of them may belong to one group.
        work: What to do with a key in its place; it handles its own failures.
        clock: Seconds; what `due` is measured by.
    """

    def __init__(
        self,
        *,
        capacity: Capacity,
        share: Callable[[str], int],
        work: Callable[[Key, Place], Awaitable[None]],
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._work = work
        self._clock = clock
        self._queue: DueQueue[Key] = DueQueue()
        self._capacity = capacity
        self._places = Places(capacity, share, self.reconsider)
        self._changed = anyio.Event()
        self._closed = False

    @property
    def free(self) -> int:
        """Places that nobody holds now."""
        return self._places.free

    @property
    def busy(self) -> int:
        """How many keys are worked on now, also while they rest."""
        return self._places.taken

    def put(self, key: Key, group: str, delay: float = 0.0) -> None:
        """Have a key worked on, after `delay` seconds."""
        self._queue.put(key, group, self._clock() + delay)
        self._changed.set()

    def put_first(self, key: Key, group: str) -> None:
        """Have a key worked on before all others of its group."""
        self._queue.put(key, group, float("-inf"))
        self._changed.set()

    def close(self) -> None:
        """End `run` once it is idle; nothing may be put any more."""
        self._closed = True
        self._changed.set()

    def reconsider(self) -> None:
        """Look again at who may have a turn: a share has changed, or a place is free."""
        self._changed.set()

    async def run(self) -> None:
        """Work until the lane is closed; cancel it to stop at once."""
        with self._capacity.telling(self.reconsider):
            await self._run()

    async def _run(self) -> None:
        async with anyio.create_task_group() as tasks:
            while not self._closed or self._places.are_missed:
                self._changed = anyio.Event()
                self._places.readmit()
                while not (self._closed or self._places.is_full):
                    taken = self._queue.pop(self._clock(), self._places.admits)
                    if taken is None:
                        break
                    key, group = taken
                    tasks.start_soon(self._turn, key, self._places.take(group))
                await self._wait()

    async def _turn(self, key: Key, place: Place) -> None:
        try:
            await self._work(key, place)
        finally:
            self._places.release(place)

    async def _wait(self) -> None:
        """Until something changed or the next key is due."""
        due = None if self._places.is_full else self._queue.next_due(self._places.admits)
        if due is None:
            await self._changed.wait()
            return
        with anyio.move_on_after(due - self._clock()):
            await self._changed.wait()
