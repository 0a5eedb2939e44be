"""Content on its way out, moving the request's deadline along while the peer takes it."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import httpx

from image_sync.http.deadlines import Deadlines
from image_sync.runtime.farewell import GRACE

PIECE = 64 * 1024
"""Bytes that go into the socket at once: what asyncio buffers before it makes a writer wait."""


class Upload(httpx.AsyncByteStream):
    """Streams content; the next piece is pulled when the socket has taken the one before.

    While the content's own origin is slow no deadline runs: it has its own. aiohttp reads it in a
    task of its own, which it cancels when the answer is there and does not wait for: `aclose` does.

    Attributes:
        failure: What the content's origin raised, None if it did not.
    """

    def __init__(
        self,
        content: bytes | AsyncIterable[bytes],
        deadlines: Deadlines,
        extend: Callable[[float], None],
    ) -> None:
        self.failure: Exception | None = None
        self._content = content
        self._deadlines = deadlines
        self._extend = extend  # takes a time of the event loop, in seconds
        self._reading: AsyncGenerator[bytes, None] | None = None
        self._pulling = False  # True while it is the content that we wait for
        self._ended = anyio.Event()

    def __aiter__(self) -> AsyncGenerator[bytes, None]:
        self._reading = self._read()
        return self._reading

    async def aclose(self) -> None:
        """Return when the content is not read any more, and has cleaned up after itself.

        The request must be over: whoever reads was told to stop, and only lets go of what it holds.
        """
        if self._reading is None:
            return
        with anyio.move_on_after(GRACE, shield=True):
            if self._pulling:
                await self._ended.wait()
            await self._reading.aclose()

    async def _read(self) -> AsyncGenerator[bytes, None]:
        pieces = _pieces(self._content)
        self._pulling = True
        try:
            async for piece in pieces:
                self._extend(anyio.current_time() + self._deadlines.idle)
                self._pulling = False
                yield piece
                self._pulling = True
                self._extend(float("inf"))
        except Exception as error:
            self.failure = error
            raise
        finally:
            await pieces.aclose()
            self._pulling = False
            self._ended.set()
        self._extend(anyio.current_time() + self._deadlines.headers)


async def _pieces(content: bytes | AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    if isinstance(content, bytes):
        for start in range(0, len(content), PIECE):
            yield content[start : start + PIECE]
        return
    async with closing(content) as reading:
        async for piece in reading:
            yield piece


@asynccontextmanager
async def closing(content: AsyncIterable[bytes]) -> AsyncGenerator[AsyncIterator[bytes], None]:
    """Content to be read, and told when nobody reads it any more, if it is a generator."""
    reading = aiter(content)
    try:
        yield reading
    finally:
        if isinstance(reading, AsyncGenerator):
            await reading.aclose()
