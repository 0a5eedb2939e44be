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
from image_sync.engines.builtin.uploads import Uploads
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

_HOLDERS = 3
"""Repositories in a row that are asked to let a blob be mounted from them: each one that refuses
costs a request, and one more to delete the upload that is opened instead."""


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
        spared: Bytes of the blobs that were there, or came from next door.
    """

    def __init__(self, shared: Shared, request: CopyRequest, means: Means) -> None:
        self.copied = 0
        self.spared = 0
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
        key, flights = self._key(blob.digest), self._shared.flights
        if self._was_seen(blob):
            self.spared += blob.size
            return None
        flight = flights.get(key)
        if flight:
            return flight
        if await self._is_there(blob):
            self.spared += blob.size
        else:
            flight = flights.get(key)  # that was begun meanwhile
            if flight:
                return flight
            with flights.leading(key):
                await self._move(blob)
        self._shared.holders.saw(self._target.repository, blob.digest)
        self._shared.uploads.drop(key)
        return None

    def forget(self, digests: list[Digest]) -> None:
        """Push blobs whatever the registry says that it has: it says that one is not there."""
        self._shared.holders.forget(self._target.repository, digests)
        self._broken.update(digests)

    def _was_seen(self, blob: Descriptor) -> bool:
        seen = self._shared.holders.knows(self._target.repository, blob.digest)
        return seen and blob.digest not in self._broken

    async def _is_there(self, blob: Descriptor) -> bool:
        """True if the repository has a blob, or has got it without a byte of it."""
        if blob.digest in self._broken:
            return False
        return await self._mount(blob) or await self._look(blob) or await self._look_around(blob)

    async def _mount(self, blob: Descriptor) -> bool:
        """Mount a blob from one of the repositories that are known to have it, if one lets us."""
        holders = self._shared.holders
        for _ in range(_HOLDERS):
            holder = self._holder(blob.digest)
            if not holder or not self._may_mount(blob):
                return False
            if await self._mount_from(holder, blob):
                return True
            holders.forget(holder, [blob.digest])  # or may not be mounted from
        return False

    async def _mount_from(self, holder: Repository, blob: Descriptor) -> bool:
        """True if a blob was mounted; if not, the upload that was opened instead is kept.

        A blob that nobody looked at in the other repository is looked at here: it is as short as
        it was there, and nobody looks at it later.
        """
        surely = self._shared.holders.knows(holder, blob.digest)
        session = await self._within(self._into(blob, self._target, holder).open)
        if session is None:
            return surely or await self._confirm(blob)
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

    async def _confirm(self, blob: Descriptor) -> bool:
        """True if the registry has what it says that it has; if not, it is to get all bytes."""
        if await self._look(blob):
            return True
        self._broken.add(blob.digest)
        return False

    async def _look_around(self, blob: Descriptor) -> bool:
        """Mount a blob from an image nearby that lists it.

        Their manifests take some time to read: nobody reads them who is waited for, nor for a blob
        of which most was sent already.
        """
        key, host = self._key(blob.digest), self._target.host
        kept = self._shared.uploads.get(key)
        sent = kept.upload.sent if kept else 0
        takes_longer = blob.size >= _WORTH_LOOKING and blob.size > 2 * sent
        if not takes_longer or not self._may_mount(blob):
            return False
        if self._holder(blob.digest) or self._shared.flights.get(key):
            return False
        await self._within(lambda: self._shared.neighbours.read(host))
        return await self._mount(blob)

    async def _move(self, blob: Descriptor) -> None:
        """Move a blob that nobody else moves."""
        if await self._complete(blob) and await self._mount(blob):
            return
        if not await self._transfer(blob, self._target) and not await self._confirm(blob):
            await self._transfer(blob, self._target)
        self._broken.discard(blob.digest)

    async def _complete(self, blob: Descriptor) -> bool:
        """True if a blob may be mounted from where an upload of it was left, and is finished now.

        One that fails there is no loss here, unless the cache only wants to be left in peace.
        """
        kept = self._shared.uploads.get(self._key(blob.digest))
        if not kept or not kept.upload.sent or not self._may_mount(blob):
            return False
        elsewhere = kept.endpoint
        if elsewhere.repository == self._target.repository:
            return False
        try:
            await self._transfer(blob, elsewhere)
        except RegistryError as error:
            if error.side is Side.SOURCE or error.retry_after is not None:
                raise
            self._shared.uploads.drop(self._key(blob.digest))
            return False
        self._shared.holders.learn(elsewhere.repository, [blob.digest])
        return True

    async def _transfer(self, blob: Descriptor, into: Endpoint) -> bool:
        """Move a blob, with what was left of it there; False if the registry found it by itself."""
        key, uploads = self._key(blob.digest), self._shared.uploads
        upload = uploads.take(key, into.repository)
        transfer = Transfer(
            blob,
            RegistrySource(self._shared.client, self._source, blob),
            self._into(blob, into, whole=upload is None),
            self._means,
            upload,
        )
        try:
            sent = await self._run(transfer, blob)
        finally:
            if transfer.upload:
                transfer.upload.doubtful = True
                uploads.keep(key, into, transfer.upload)
        if sent:
            self._shared.holders.saw(into.repository, blob.digest)
            self.copied += blob.size
        return sent

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
        self,
        blob: Descriptor,
        into: Endpoint,
        holder: Repository | None = None,
        *,
        whole: bool = True,
    ) -> RegistryTarget:
        client, find = self._shared.client, blob.digest not in self._broken
        return RegistryTarget(client, into, blob.digest, holder, find=find, whole=whole)

    def _may_mount(self, blob: Descriptor) -> bool:
        mounts = self._shared.client.ways.mounts(self._target.host)
        return mounts and blob.digest not in self._broken

    def _holder(self, digest: Digest) -> Repository | None:
        return self._shared.holders.elsewhere(self._target.repository, digest)

    def _key(self, digest: Digest) -> Key:
        return self._target.host, digest
