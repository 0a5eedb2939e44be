"""One image on its way: its manifests are read, its blobs brought, its manifests pushed.

Blobs first, children before parents, the top last, all by digest (docs/design.md, section "Copy
then commit"). What it consists of is read in `parts.py`, how a blob gets there is in `blobs.py`.
"""

from collections.abc import Collection, Sequence
from http import HTTPStatus

import anyio

from image_sync.engines.base import Copied, CopyRequest, Turn
from image_sync.engines.builtin.allowance import Allowance, OutOfTime
from image_sync.engines.builtin.blobs import Blobs, Shared
from image_sync.engines.builtin.feed import Means
from image_sync.engines.builtin.flights import Flight, any_ended
from image_sync.engines.builtin.parts import Document, Parts, read_parts
from image_sync.errors import ErrorKind, RegistryError
from image_sync.oci import Descriptor, Digest
from image_sync.runtime.parallel import for_each

_BLOBS = 16
"""Blobs of one image that are asked for or moved at once; the window bounds their bytes."""
_MANIFESTS = 8
"""Manifests of one image that are pushed at once."""
_REPORT = 1.0
"""Seconds between two reports of progress."""


class ImageCopy:
    """One attempt at one image.

    Args:
        shared: What is shared with other copies.
        request: The image.
        turn: Its place among the copies.

    Attributes:
        moved: Bytes that came from the source.
    """

    def __init__(self, shared: Shared, request: CopyRequest, turn: Turn) -> None:
        self.moved = 0
        self._size = 0  # bytes of all blobs
        self._shared = shared
        self._request = request
        self._turn = turn
        self._reported = anyio.current_time()
        self._allowance = Allowance(request.deadline)
        pace = shared.bandwidth.between(request.source.host, request.target.host)
        means = Means(self._allowance, pace, self._count, shared.sleep)
        self._blobs = Blobs(shared, request, means)
        self._failure: RegistryError | OutOfTime | None = None

    async def run(self) -> Copied:
        """Copy.

        Raises:
            RegistryError: A registry refused or failed.
            OutOfTime: There was not enough time.
        """
        parts = await self._allowance.within(lambda: read_parts(self._shared.client, self._request))
        self._size = parts.size
        await self._bring(parts.blobs)
        try:
            await self._push(parts)
        except RegistryError as error:
            if not _misses_parts(error):
                raise
            # What was seen before is not there any more (fault row 53).
            self._blobs.forget([blob.digest for blob in parts.blobs])
            await self._bring(parts.blobs)
            await self._push(parts)
        copied = self._blobs.copied + parts.read
        return Copied(copied, max(0, parts.size - copied))

    async def _bring(self, blobs: Sequence[Descriptor]) -> None:
        """Have the repository hold all blobs; rest while only others move them."""
        flights: dict[Digest, Flight] = {}

        async def bring(blob: Descriptor) -> None:
            flight = await self._try(blob)
            if flight:
                flights[blob.digest] = flight

        ready = blobs
        while ready:
            await for_each(bring, ready, workers=_BLOBS)
            if self._failure:
                raise self._failure
            await self._await_any(flights.values())
            ready = [blob for blob in blobs if _has_ended(flights.get(blob.digest))]
            for blob in ready:
                del flights[blob.digest]

    async def _await_any(self, flights: Collection[Flight]) -> None:
        if flights and not any(map(_has_ended, flights)):
            async with self._allowance.resting(self._turn.resting()):
                await any_ended(flights)

    async def _try(self, blob: Descriptor) -> Flight | None:
        """Bring a blob; a failure lets the others come to an end in order."""
        try:
            return await self._blobs.bring(blob)
        except OutOfTime as error:
            self._failure = self._failure or error
        except RegistryError as error:
            if not isinstance(self._failure, RegistryError):
                self._failure = error
            self._allowance.end()
        return None

    async def _push(self, parts: Parts) -> None:
        for level in parts.levels:
            await for_each(self._put, level, workers=_MANIFESTS)

    async def _put(self, document: Document) -> None:
        client, target = self._shared.client, self._request.target
        reference = target.repository.digest(document.digest)
        await self._allowance.within(
            lambda: client.put_manifest(target, reference, document.content, document.media_type)
        )

    def _count(self, count: int) -> None:
        self.moved += count
        now = anyio.current_time()
        if now - self._reported >= _REPORT:
            self._reported = now
            self._turn.progress(self.moved, self._size - self._blobs.spared)


def _has_ended(flight: Flight | None) -> bool:
    return flight is not None and flight.ended


def _misses_parts(error: RegistryError) -> bool:
    """True if a registry refused a manifest because something below it is not there.

    Zot says so without a code of its own: 400 MANIFEST_INVALID (measured, v2.1.20).
    """
    if error.method != "PUT":
        return False
    invalid = error.status == HTTPStatus.BAD_REQUEST and "MANIFEST_INVALID" in error.codes
    return invalid or error.kind is ErrorKind.BLOB_MISSING
