"""Work on due keys, so many at once and no group above its share.

A lane owns the tasks it starts. What is waiting holds no place: work that cannot go on puts its key
back with a later due time and returns.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Generic

import anyio

from image_sync.schedule.queue import DueQueue, Key


class Lane(Generic[Key]):
    """A due queue with a bounded number of places.

    Args:
        width: How many keys are worked on at once.
        share: How many of them may belong to one group.
        work: What to do with a key; it handles its own failures.
        clock: Seconds; what `due` is measured by.
    """

    def __init__(
        self,
        *,
        width: int,
        share: Callable[[str], int],
        work: Callable[[Key], Awaitable[None]],
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._width = width
        self._share = share
        self._work = work
        self._clock = clock
        self._queue: DueQueue[Key] = DueQueue()
        self._running: Counter[str] = Counter()
        self._changed = anyio.Event()
        self._closed = False

    def put(self, key: Key, group: str, delay: float = 0.0) -> None:
        """Have a key worked on, after `delay` seconds."""
        self._queue.put(key, group, self._clock() + delay)
        self._changed.set()

    def close(self) -> None:
        """End `run` once it is idle; nothing may be put any more."""
        self._closed = True
        self._changed.set()

    def reconsider(self) -> None:
        """Look again at who may have a turn: a share has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Work until the lane is closed; cancel it to stop at once."""
        async with anyio.create_task_group() as tasks:
            while not self._closed:
                self._changed = anyio.Event()
                while self._running.total() < self._width:
                    taken = self._queue.pop(self._clock(), self._admits)
                    if taken is None:
                        break
                    key, group = taken
                    self._running[group] += 1
                    tasks.start_soon(self._turn, key, group)
                await self._wait()

    async def _turn(self, key: Key, group: str) -> None:
        try:
            await self._work(key)
        finally:
            self._running[group] -= 1
            self._changed.set()

    def _admits(self, group: str) -> bool:
        return self._running[group] < self._share(group)

    async def _wait(self) -> None:
        """Until something changed or the next key is due."""
        due = self._queue.next_due(self._admits) if self._running.total() < self._width else None
        if due is None:
            await self._changed.wait()
            return
        with anyio.move_on_after(due - self._clock()):
            await self._changed.wait()
