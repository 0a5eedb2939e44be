"""How each blob of one image gets into its repository: seen there, mounted, or moved.

In order of cost: what was seen there lately, one request to mount it from a repository known to
have it, one to look, and then the bytes. They are moved by one image at a time for a whole cache;
the others are told whose flight to wait for.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from image_sync.engines.base import CopyRequest
from image_sync.engines.builtin.bandwidth import Bandwidth
from image_sync.engines.builtin.feed import Means
from image_sync.engines.builtin.flights import Flight, Flights, Key
from image_sync.engines.builtin.hashing import Hashing
from image_sync.engines.builtin.holders import Holders
from image_sync.engines.builtin.neighbours import Neighbours
from image_sync.engines.builtin.pipe import ROOM
from image_sync.engines.builtin.sides import RegistrySource, RegistryTarget
from image_sync.engines.builtin.transfer import Cramped, Transfer, Upload
from image_sync.engines.builtin.uploads import Kept, Uploads
from image_sync.engines.builtin.window import Window
from image_sync.errors import RegistryError, Side
from image_sync.model import Endpoint
from image_sync.oci import Descriptor, Digest, Repository
from image_sync.registry import RegistryClient

_BUFFERS = 1536 * 1024
"""Bytes of a blob that are held beside the pipe, at most: two connections' buffers, a piece that
is being read, one that is being sent, and the one that is kept back (measured: 2.5 MB with the
pipe's, where the cache is slow)."""
_WORTH_LOOKING = 1024 * 1024
"""Bytes of a blob for which the manifests of other images are read: it takes longer than those."""


class Shared(msgspec.Struct, frozen=True):
    """What all copies of a process have in common; `sleep` waits some seconds, between tries."""

    client: RegistryClient
    window: Window
    bandwidth: Bandwidth
    flights: Flights
    holders: Holders
    neighbours: Neighbours
    uploads: Uploads
    sleep: Callable[[float], Awaitable[None]]


class Blobs:
    """The blobs of one image.

    Args:
        shared: What is shared with other copies.
        request: The image.
        means: What its transfers work with.

    Attributes:
        copied: Bytes of the blobs that were moved.
    """

    def __init__(self, shared: Shared, request: CopyRequest, means: Means) -> None:
        self.copied = 0
        self._shared = shared
        self._source = request.source
        self._target = request.target
        self._broken = set(request.repair)
        self._means = means
        self._within = means.allowance.within

    async def bring(self, blob: Descriptor) -> Flight | None:
        """Have the repository hold a blob; or the flight that is to be waited for.

        Raises:
            RegistryError: It could not be had.
            OutOfTime: There was not enough time.
        """
        if await self._is_there(blob):
            return None
        key = self._key(blob.digest)
        flight = self._shared.flights.get(key)
        if flight:
            return flight
        with self._shared.flights.leading(key):
            await self._move(blob)
        return None

    def forget(self, digests: list[Digest]) -> None:
        """Push blobs whatever the registry says that it has: it says that one is not there."""
        self._shared.holders.forget(self._target.repository, digests)
        self._broken.update(digests)

    async def _is_there(self, blob: Descriptor) -> bool:
        holders, repository = self._shared.holders, self._target.repository
        if blob.digest in self._broken:
            return False
        if holders.knows(repository, blob.digest):
            return True
        there = await self._mount(blob) or await self._look(blob)
        if there:
            holders.saw(repository, blob.digest)
            self._shared.uploads.drop(self._key(blob.digest))
        return there

    async def _mount(self, blob: Descriptor) -> bool:
        """Mount a blob where that may be had for one request."""
        holder = self._holder(blob.digest)
        if not holder or not self._shared.client.ways.mounts(self._target.host):
            return False
        session = await self._within(self._into(self._target, blob.digest, holder).open)
        if session is None:
            return True
        self._shared.holders.forget(holder, [blob.digest])  # or may not be mounted from
        upload = Upload(session, Hashing(blob))
        self._shared.uploads.keep(self._key(blob.digest), self._target, upload)
        return False

    async def _look(self, blob: Descriptor) -> bool:
        """True if the repository has a blob, of the right size as far as it says."""
        client, target = self._shared.client, self._target
        size = await self._within(lambda: client.head_blob(target, blob.digest))
        if size not in {None, blob.size, -1}:  # a registry that looks by itself would find it
            self._broken.add(blob.digest)
        return size in {blob.size, -1}

    async def _move(self, blob: Descriptor) -> None:
        """Move a blob that nobody else moves."""
        broken = blob.digest in self._broken
        kept = self._shared.uploads.take(self._key(blob.digest))
        if kept and kept.endpoint.repository != self._target.repository:
            await self._complete(blob, kept)
            kept = None
        holder = None if broken else await self._find(blob)
        await self._transfer(blob, self._target, holder, kept.upload if kept else None)
        self._broken.discard(blob.digest)

    async def _complete(self, blob: Descriptor, kept: Kept) -> None:
        """Finish an upload of another repository; one that fails there is no loss here."""
        try:
            await self._transfer(blob, kept.endpoint, None, kept.upload)
        except RegistryError as error:
            if error.side is Side.SOURCE:
                raise
            self._shared.uploads.drop(self._key(blob.digest))

    async def _find(self, blob: Descriptor) -> Repository | None:
        """A repository to mount from; where none is known, images nearby are looked through."""
        holder = self._holder(blob.digest)
        if holder is None and blob.size >= _WORTH_LOOKING:
            await self._within(lambda: self._shared.neighbours.read(self._target.host))
            holder = self._holder(blob.digest)
        return holder

    async def _transfer(
        self, blob: Descriptor, into: Endpoint, holder: Repository | None, upload: Upload | None
    ) -> None:
        transfer = Transfer(
            blob,
            RegistrySource(self._shared.client, self._source, blob),
            self._into(into, blob.digest, holder),
            self._means,
            upload,
        )
        try:
            sent = await self._run(transfer, blob)
        finally:
            if transfer.upload:
                transfer.upload.doubtful = True
                self._shared.uploads.keep(self._key(blob.digest), into, transfer.upload)
        self._shared.holders.saw(into.repository, blob.digest)
        if sent:
            self.copied += blob.size

    async def _run(self, transfer: Transfer, blob: Descriptor) -> bool:
        """Run a transfer with room for what it holds."""
        window = self._shared.window
        while True:
            room = min(blob.size, ROOM + transfer.chunk) + _BUFFERS
            taken = await self._within(partial(window.take, room))
            try:
                return await transfer.run()
            except Cramped as cramped:
                transfer.chunk = cramped.chunk
            finally:
                window.give_back(taken)

    def _into(
        self, endpoint: Endpoint, digest: Digest, holder: Repository | None
    ) -> RegistryTarget:
        broken = digest in self._broken
        return RegistryTarget(self._shared.client, endpoint, digest, holder, find=not broken)

    def _holder(self, digest: Digest) -> Repository | None:
        return self._shared.holders.elsewhere(self._target.repository, digest)

    def _key(self, digest: Digest) -> Key:
        return self._target.host, digest
