"""One upload session: OCI distribution spec 1.1, section Pushing a blob in chunks.

A session knows how many bytes the registry has acknowledged, and takes more from there in the way
the registry wants. It keeps nothing that it could send again: after a failure it says where to go
on, and whoever has the bytes does. How it is opened is in `upload.py`, which ways there are in
`ways.py`.
"""

from collections.abc import AsyncIterable
from contextlib import aclosing, suppress
from http import HTTPStatus

from image_sync.errors import ErrorKind, RegistryError
from image_sync.model import Endpoint
from image_sync.registry.answer import Answer
from image_sync.registry.client import RegistryClient
from image_sync.registry.errors import ABANDONED, is_transient, upload_lost
from image_sync.registry.pieces import EndedEarlyError, Pieces, regrouped
from image_sync.registry.place import Place, least_chunk, told
from image_sync.registry.ways import LONGEST_CHUNK, NEXT_WAY, SHORTEST_CHUNK, Wanted, Way
from image_sync.registry.withdrawal import withdraw

_TAKEN = frozenset({HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT})
_TOLD = frozenset({HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT})
_SILENT = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
)
"""What registries answer that do not tell where an upload stands."""
_AS_MUCH = frozenset(
    {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
)
"""What a registry that takes nothing at present answers to a PUT as to a PATCH (fault row 51)."""
_AMBIGUOUS = 1
"""Bytes that `Range: 0-0` stands for; some registries say it for none, too."""


class UploadSession:
    """A blob on its way into one repository.

    Attributes:
        offset: Bytes that the registry acknowledged: where the next content begins.
    """

    def __init__(
        self, client: RegistryClient, endpoint: Endpoint, wanted: Wanted, opened: Answer
    ) -> None:
        """The session that the answer to a POST opens.

        Raises:
            RegistryError: It names no place.
        """
        self.offset = 0
        self._client = client
        self._endpoint = endpoint
        self._digest = wanted.digest
        self._wanted = wanted
        self._place = Place(endpoint, opened)
        self._least = least_chunk(opened)
        self._sent = 0  # bytes that the registry may have at most
        self._size = 0  # of the blob, as soon as something of it is sent
        self._patchless = False  # True: a PATCH was answered as if there were no such place
        self._spent = False  # True: no bytes may follow, and it is not known to be a blob
        self._cancelled = False
        self._done = False  # True: it is a blob

    @property
    def holds(self) -> int:
        """Bytes of content that `append` keeps in memory: a chunk, or none."""
        chunked = self._client.ways.way(self._endpoint.host) is Way.CHUNKS
        return self._chunk if chunked else 0

    async def append(self, content: AsyncIterable[bytes], size_left: int) -> None:
        """Send bytes; what of them the registry has is in `offset` then.

        Content that ends early ends the sending and is no error: a stream is acknowledged as far
        as it went, chunks as far as they were full, and a blob that goes whole not at all.

        Args:
            content: The bytes from `offset` on, in pieces. It is read by another task, which is
                cancelled when the registry wants no more; it has ended when this returns.
            size_left: Bytes from `offset` to the end of the blob.

        Raises:
            RegistryError: It broke: `upload_lost` and `upload_broken` say what may help.
            Exception: Whatever the content raised.
        """
        if self._spent:
            raise await self._give_up()
        self._size = self.offset + size_left
        if not size_left:
            return  # the PUT at the end says it all
        match self._way():
            case Way.STREAM:
                await self._stream(content)
            case Way.CHUNKS:
                await self._chunks(content)
            case Way.WHOLE:
                await self._whole(content, size_left)

    async def settle(self) -> int | None:
        """How many bytes the registry has, after a failure; None if the session is of no use.

        Asking renews what a registry wants to know of us, too.

        Raises:
            RegistryError: It did not say.
        """
        if self._spent:
            return await self._settle_whole()
        answer = await self._client.calls.repeated(self._endpoint, self._place.request("GET"))
        if answer.status in _TOLD:
            return await self._take_up(answer)
        error = answer.error(self._endpoint)
        if not upload_lost(error):
            if answer.status not in _SILENT:
                raise error
            await self.cancel()
        self._spent = True
        return None

    async def finish(self) -> None:
        """Make a blob of what was sent; a lost answer is settled by a HEAD, if that can tell.

        Raises:
            RegistryError: The registry did not take it, or lost the session (`upload_lost`).
        """
        if self._done:
            return
        if self._spent:
            raise await self._give_up()
        request = self._place.put(self._digest, b"", size=self.offset)

        async def once(tries: int) -> RegistryError | None:
            try:
                answer = await self._client.calls.once(self._endpoint, request, tries=tries)
            except RegistryError as error:
                if is_transient(error) and await self._arrived(self.offset):
                    return None
                raise
            if answer.status in _TAKEN:
                return None
            refusal = answer.error(self._endpoint)
            if upload_lost(refusal) and tries > 1 and await self._arrived(self.offset):
                return None
            return refusal  # not raised in here: a session that is lost stays lost

        refusal = await self._client.calls.retry(once)
        if refusal is not None:
            raise refusal
        self._done = True

    async def put(self, content: bytes, tries: int = 1) -> None:
        """Send all of a small blob and make it one.

        Raises:
            RegistryError: The registry did not take it.
        """
        request = self._place.put(self._digest, content, size=len(content))
        answer = await self._client.calls.once(self._endpoint, request, tries=tries)
        if answer.status not in _TAKEN:
            raise answer.error(self._endpoint)
        self._done = True

    async def cancel(self) -> None:
        """Tell the registry, whether it listens or not, that no more comes; again if cut off."""
        if self._done or self._cancelled:
            return
        self._spent = True
        with suppress(RegistryError):
            await withdraw(self._client.calls, self._endpoint, self._place)
        self._cancelled = True

    @property
    def _chunk(self) -> int:
        return max(self._least, self._client.ways.chunk(self._endpoint.host))

    def _way(self) -> Way:
        ways, host = self._client.ways, self._endpoint.host
        return ways.way_for(host, self._size) if self._wanted.whole else ways.way(host)

    async def _stream(self, content: AsyncIterable[bytes]) -> None:
        pieces = Pieces(content)
        try:
            answer = await self._client.calls.streamed(self._endpoint, self._place.patch(pieces))
        finally:
            self._sent = max(self._sent, self.offset + pieces.given)
        if answer.status not in _TAKEN:
            raise self._refusal(answer, Way.STREAM)
        self._acknowledge(answer, self.offset + pieces.given, complete=pieces.ended)

    async def _chunks(self, content: AsyncIterable[bytes]) -> None:
        if self._chunk > LONGEST_CHUNK:
            message = f"it wants chunks of {self._chunk} bytes, more than are kept in memory"
            raise self._place.error(message, ErrorKind.BLOB_REFUSED)
        left = self._size - self.offset
        async with aclosing(regrouped(content, lambda: self._chunk, left)) as chunks:
            async for chunk in chunks:
                await self._send_chunk(chunk)

    async def _send_chunk(self, chunk: bytes) -> None:
        """One chunk, in several if the registry takes none that large."""
        start = 0
        while start < len(chunk):
            part = chunk[start : start + self._chunk]
            end = self.offset + len(part)
            self._sent = max(self._sent, end)
            request = self._place.patch(part, {"Content-Range": f"{self.offset}-{end - 1}"})
            answer = await self._client.calls.once(self._endpoint, request)
            if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                self._shrink(answer, len(part))
                continue
            if answer.status not in _TAKEN:
                raise self._refusal(answer, Way.CHUNKS)
            self._acknowledge(answer, end)
            start += len(part)

    def _shrink(self, answer: Answer, refused: int) -> None:
        """Send half of what was too large, down to what a chunk must have."""
        if refused <= max(self._least, SHORTEST_CHUNK):
            raise answer.error(self._endpoint)
        self._client.ways.shrink(self._endpoint.host, max(SHORTEST_CHUNK, refused // 2))

    async def _whole(self, content: AsyncIterable[bytes], size_left: int) -> None:
        pieces = Pieces(content, expected=size_left)
        request = self._place.put(self._digest, pieces, size=self._size, length=size_left)
        self._spent = True  # whatever happens: a part of it may be there
        try:
            answer = await self._client.calls.streamed(self._endpoint, request)
        except EndedEarlyError:
            return
        if answer.status in _AS_MUCH:  # it is not the way that it refuses
            self._client.ways.change(self._endpoint.host, Way.STREAM)
        too_large = answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if too_large and self._client.ways.split(self._endpoint.host, size_left):
            raise await self._give_up()
        if answer.status not in _TAKEN:
            raise answer.error(self._endpoint)
        self._complete()

    async def _settle_whole(self) -> int | None:
        if not self._size or not await self._arrived(self._size):
            await self.cancel()
            return None
        self._complete()
        return self.offset

    def _complete(self) -> None:
        self._done, self._spent, self.offset = True, False, self._size

    async def _take_up(self, answer: Answer) -> int | None:
        """Go on from what a registry says that it has."""
        self._place.move(answer)
        if self._patchless:
            self._client.ways.change(self._endpoint.host, Way.WHOLE)
            self._patchless = False
        there = (told(answer) or 0) if self._sent else 0
        if there > self._sent or there == _AMBIGUOUS:
            await self.cancel()
            return None
        self.offset = there
        return there

    async def _arrived(self, size: int) -> bool:
        """True if the repository has the blob now, and that is our doing."""
        if self._wanted.replaces:
            return False
        return await self._client.head_blob(self._endpoint, self._digest) in {size, -1}

    def _acknowledge(self, answer: Answer, end: int, *, complete: bool = True) -> None:
        """Note that everything up to `end` is there.

        Raises:
            RegistryError: The registry does not say so.
        """
        self._place.move(answer)
        there = told(answer)
        # Zot 2.1 counts what came in this request alone, if it was a stream (measured).
        if not complete or there not in {None, _AMBIGUOUS, end, end - self.offset}:
            message = f"it took {there} bytes of {end}" if complete else "it did not wait for all"
            raise self._place.error(message, ErrorKind.UNAVAILABLE)
        self.offset = end

    def _refusal(self, answer: Answer, way: Way) -> RegistryError:
        """The error for a PATCH that was not taken; the next one may go another way."""
        error = answer.error(self._endpoint)
        if upload_lost(error):
            return error
        self._patchless = answer.status == HTTPStatus.NOT_FOUND
        following = NEXT_WAY.get((way, answer.status))
        if following is None:
            return error
        self._client.ways.change(self._endpoint.host, following)
        message = f"it takes no PATCH as {way}: {error.message}"
        return answer.lie(self._endpoint, message, ErrorKind.UNAVAILABLE)

    async def _give_up(self) -> RegistryError:
        await self.cancel()
        return self._place.error("this upload cannot go on", ErrorKind.UNAVAILABLE, ABANDONED)
