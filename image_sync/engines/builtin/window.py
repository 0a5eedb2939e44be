"""The bytes of blobs that are on their way through this process: one bound for all copies.

Memory stays flat whatever is copied. Room is taken before a request is made and never while
holding a slot at a host, so that nobody with room waits for somebody who waits for room.
"""

from collections import deque

import anyio

SIZE = 24 * 1024 * 1024
"""Bytes of room in all. Taken by large blobs on their way into a slow cache they are 34 MB of
memory; beside about 50 MB of the interpreter and its libraries that stays under 100 MB (measured,
the first in tests/engines/builtin/test_memory.py)."""


class Window:
    """Room, given out in the order in which it was asked for.

    Args:
        size: Bytes in all.
    """

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._free = size
        self._waiting: deque[tuple[int, anyio.Event]] = deque()

    @property
    def taken(self) -> int:
        """Bytes that are given out."""
        return self._size - self._free

    async def take(self, count: int) -> int:
        """The bytes that were taken, to be given back; who wants more than all gets all."""
        count = min(count, self._size)
        if not self._waiting and count <= self._free:
            self._free -= count
            return count
        turn = (count, anyio.Event())
        self._waiting.append(turn)
        try:
            await turn[1].wait()
        except BaseException:
            if turn[1].is_set():
                self._free += count
            else:
                self._waiting.remove(turn)
            self._serve()
            raise
        return count

    def give_back(self, count: int) -> None:
        """Let others have what was taken."""
        self._free += count
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            count, admitted = self._waiting.popleft()
            self._free -= count
            admitted.set()
