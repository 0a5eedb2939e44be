"""The bytes of a blob between its source and an upload: a bounded queue that hashes what passes.

The two sides run in tasks of their own. The target's side decides when the source is opened: it
holds its slot by then, so that nobody waits for a slot at the target while holding one at a source.
The last piece is given out only when the hash is right, so wrong bytes never complete an upload.
"""

from collections import deque

import anyio

from image_sync.engines.builtin.hashing import Hashing

ROOM = 1024 * 1024
"""Bytes that wait in a pipe, give or take a piece: what a connection of 200 Mbit/s brings in 40 ms,
so that a target that pauses for a round trip does not stop the source."""


class Pipe:
    """One run of a blob's bytes.

    Args:
        hashing: Takes what passes.
        start: The first byte that is given out.

    Attributes:
        begins: The first byte that is to be put in; the hash may need some before `start`.
        failure: Why it ended early, None if it did not.
        wanted: Set when somebody asks for bytes.
    """

    def __init__(self, hashing: Hashing, start: int) -> None:
        hashing.rewind(start)
        self._hashing = hashing
        self.begins = hashing.position
        self._skips = start - hashing.position
        self._pieces: deque[bytes] = deque()
        self._waiting = 0  # bytes in the queue
        self._ended = False
        self._closed = False
        self._changed = anyio.Event()
        self.failure: Exception | None = None
        self.wanted = anyio.Event()

    async def put(self, piece: bytes) -> None:
        """Add the next bytes when there is room for them."""
        while self._waiting >= ROOM:
            await self._changed.wait()
        self._pieces.append(piece)
        self._waiting += len(piece)
        self._wake()

    def end(self, failure: Exception | None = None) -> None:
        """Nothing more comes; what waits is given out still."""
        self.failure = failure
        self._ended = True
        self._wake()

    def close(self) -> None:
        """Give out nothing more, whoever still asks."""
        self._closed = True
        self._wake()

    def __aiter__(self) -> "Pipe":
        return self

    async def __anext__(self) -> bytes:
        self.wanted.set()
        while True:
            while not (self._pieces or self._ended or self._closed):
                await self._changed.wait()
            if self._closed or not self._pieces:
                raise StopAsyncIteration
            piece = self._pieces.popleft()
            self._waiting -= len(piece)
            self._wake()
            self._hashing.update(piece)
            self._hashing.check()
            if self._skips < len(piece):
                piece, self._skips = piece[self._skips :], 0
                return piece
            self._skips -= len(piece)

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()
