"""Content of an upload as it passes: counted, or put together in chunks."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable

from image_sync.http import closing


class EndedEarlyError(Exception):
    """Content had fewer bytes than were announced, and must not look complete."""


class Pieces:
    """Content that is counted on its way.

    Attributes:
        given: Bytes that went on.
        ended: True if that was all.
    """

    def __init__(self, content: AsyncIterable[bytes], expected: int | None = None) -> None:
        """Content as it comes.

        Args:
            content: What is sent.
            expected: Bytes that it must have; None for as many as it has.
        """
        self.given = 0
        self.ended = False
        self._content = content
        self._expected = expected

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        async with closing(self._content) as content:
            async for piece in content:
                self.given += len(piece)
                yield piece
        if self._expected is not None and self.given < self._expected:
            raise EndedEarlyError
        self.ended = True


async def regrouped(
    content: AsyncIterable[bytes], size: Callable[[], int], total: int
) -> AsyncGenerator[bytes, None]:
    """Content in chunks; what does not fill one is left out, unless it ends the blob.

    Args:
        content: The bytes.
        size: Gives the bytes of the next chunk.
        total: Bytes of the content if it is complete.
    """
    kept, left = bytearray(), total
    async with closing(content) as pieces:
        async for piece in pieces:
            kept += piece
            while len(kept) >= size():
                chunk = bytes(kept[: size()])
                del kept[: len(chunk)]
                left -= len(chunk)
                yield chunk
    if kept and len(kept) == left:
        yield bytes(kept)
