"""A blob's bytes on their way from the source into a pipe, however often the source breaks.

What broke off is asked for again from the byte where it stopped; whoever takes the bytes does not
notice. What becomes of them is `transfer.py`'s business.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing

import msgspec

from image_sync.engines.builtin.allowance import Allowance, OutOfTime
from image_sync.engines.builtin.bandwidth import Pace
from image_sync.engines.builtin.pipe import Pipe
from image_sync.engines.builtin.sides import Source
from image_sync.engines.builtin.strikes import Strikes
from image_sync.errors import ErrorKind, RegistryError
from image_sync.oci import Descriptor
from image_sync.registry.errors import is_transient, requested_pause
from image_sync.runtime.retry import LONGEST_PAUSE, TRIES, Backoff

_ASKINGS = 2
"""For a blob that is missing: fault row 15 allows one more."""
_RESTARTS = 2
"""Of a source that cannot send the rest of a blob alone: fault row 21."""


class Means(msgspec.Struct, frozen=True):
    """What a transfer works with.

    Attributes:
        allowance: The attempt's time.
        pace: How fast bytes may pass.
        moved: Told how many bytes more came from the source.
        sleep: Waits some seconds, between tries.
    """

    allowance: Allowance
    pace: Pace
    moved: Callable[[int], None]
    sleep: Callable[[float], Awaitable[None]]


class Rests:
    """How long to wait after each failure in a row.

    Args:
        sleep: Waits some seconds.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._sleep = sleep
        self._backoff = Backoff(first=0.5, longest=LONGEST_PAUSE)

    async def after(self, count: int, error: RegistryError) -> None:
        """Wait after that many failures; longer where a registry asks for it."""
        await self._sleep(max(self._backoff.delay(count), requested_pause(error)))


class Feed:
    """The source's side of a transfer.

    Args:
        blob: Which one.
        source: Where it comes from.
        means: What the transfer works with.
        furthest: Bytes that came in earlier attempts.
    """

    def __init__(self, blob: Descriptor, source: Source, means: Means, furthest: int) -> None:
        self._blob = blob
        self._source = source
        self._means = means
        self._missing = 0
        self._breaks = Strikes(TRIES, furthest)
        self._rests = Rests(means.sleep)

    async def fill(self, pipe: Pipe) -> None:
        """Fill a pipe once somebody wants bytes; it is told what stopped that."""
        await pipe.wanted.wait()
        try:
            await self._means.allowance.within(lambda: self._fetch(pipe))
        except (RegistryError, OutOfTime) as error:
            pipe.end(error)
        else:
            pipe.end()

    async def _fetch(self, pipe: Pipe) -> None:
        position, size, last = pipe.begins, self._blob.size, b""
        while position < size:
            try:
                async with aclosing(self._source.read(position)) as pieces:
                    async for piece in pieces:
                        position += len(piece)
                        self._means.moved(len(piece))
                        if position == size:
                            last = piece  # kept back until it is sure that no more comes
                        else:
                            await self._put(pipe, piece)
            except RegistryError as error:
                if position < size or not is_transient(error):
                    await self._after_break(error, position)
        await self._put(pipe, last)

    async def _put(self, pipe: Pipe, piece: bytes) -> None:
        for portion in _portions(piece, self._means.pace.portion):
            await self._means.pace.take(len(portion))
            await pipe.put(portion)

    async def _after_break(self, error: RegistryError, position: int) -> None:
        """Wait before the source is asked again; its error, if it is not to be."""
        if error.kind is ErrorKind.BLOB_MISSING:
            self._missing += 1
            if self._missing >= _ASKINGS:
                raise error
        elif not is_transient(error) or self._is_enough(position):
            raise error
        await self._rests.after(self._breaks.count, error)

    def _is_enough(self, position: int) -> bool:
        """Count a break; True if there were too many, or too many beginnings."""
        return self._breaks.out(position) or self._source.restarts >= _RESTARTS


def _portions(piece: bytes, size: int | None) -> Iterator[bytes]:
    if size is None or len(piece) <= size:
        yield piece
        return
    for start in range(0, len(piece), size):
        yield piece[start : start + size]
