"""Content on its way out, moving the request's deadline along while the peer takes it."""

from collections.abc import AsyncIterable, AsyncIterator, Callable

import anyio
import httpx

from image_sync.http.deadlines import Deadlines

PIECE = 64 * 1024
"""Bytes that go into the socket at once: what asyncio buffers before it makes a writer wait."""


class Upload(httpx.AsyncByteStream):
    """Streams content; the next piece is pulled when the socket has taken the one before.

    While the content's own origin is slow no deadline runs: it has its own.

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

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in _pieces(self._content):
                self._extend(anyio.current_time() + self._deadlines.idle)
                yield piece
                self._extend(float("inf"))
        except Exception as error:
            self.failure = error
            raise
        self._extend(anyio.current_time() + self._deadlines.headers)


async def _pieces(content: bytes | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    if isinstance(content, bytes):
        for start in range(0, len(content), PIECE):
            yield content[start : start + PIECE]
        return
    async for piece in content:
        yield piece
