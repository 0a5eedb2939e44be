"""The bytes of blobs on their way out, and whether they are still what was pushed.

Whoever reads a blob whole has it hashed on the way, the first time in the life of a process: the
last piece goes only if the hash is right. So a blob that a disk has damaged is never served whole,
and from then on it is as good as absent, until it is pushed again.
"""

import hashlib
import os
from collections.abc import AsyncGenerator, Callable

from anyio import to_thread

from image_sync.embedded.ranges import Part
from image_sync.embedded.refusal import Code, RefusedError
from image_sync.embedded.repository import Repository
from image_sync.oci import Digest

_PIECE = 1 << 20
"""Bytes that are read at once, and in memory for each answer."""
_Identity = tuple[int, int, Digest]


class DamagedBlobError(Exception):
    """A blob has other bytes than its digest says: its answer is broken off."""


class OpenBlob:
    """A blob that is open to be read.

    Args:
        repository: Where it is.
        digest: Its digest.
        file: A descriptor, which belongs to this from now on.

    Attributes:
        size: Its bytes.
        identity: Of its file, as long as that exists.
        changed_at: When its file was made, or renamed, linked or touched; nanoseconds.
    """

    def __init__(self, repository: Repository, digest: Digest, file: int) -> None:
        found = os.fstat(file)
        self.repository = repository
        self.digest = digest
        self.size = found.st_size
        self.identity: _Identity = found.st_dev, found.st_ino, digest
        self.changed_at = found.st_ctime_ns
        self._file = file

    async def pieces(self, part: Part) -> AsyncGenerator[bytes, None]:
        """Some of its bytes.

        Raises:
            DamagedBlobError: They are not there any more.
        """
        start, stop = part
        while start < stop:
            piece = await to_thread.run_sync(os.pread, self._file, min(_PIECE, stop - start), start)
            if not piece:
                raise DamagedBlobError(f"the file of {self.digest} has become shorter")
            start += len(piece)
            yield piece

    def close(self) -> None:
        """Read no more; nothing if it is closed."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Reading:
    """Opens blobs, and knows which of them were seen whole.

    Args:
        found_damaged: Told of a repository's name and a digest.
    """

    def __init__(self, found_damaged: Callable[[str, Digest], None]) -> None:
        self._found_damaged = found_damaged
        self._sound: set[_Identity] = set()
        self._damaged: dict[_Identity, int] = {}

    def open(self, repository: Repository, digest: Digest) -> OpenBlob:
        """A blob, which the caller closes.

        Raises:
            RefusedError: It is not there, or damaged.
        """
        try:
            blob = OpenBlob(repository, digest, repository.blobs.open(digest))
        except FileNotFoundError:
            raise _unknown(repository, digest) from None
        if self._damaged.get(blob.identity) == blob.changed_at:
            blob.close()
            raise _unknown(repository, digest)
        return blob

    async def send(self, blob: OpenBlob, part: Part | None) -> AsyncGenerator[bytes, None]:
        """The bytes of a blob, or a part of them.

        Raises:
            DamagedBlobError: They are not what its digest says.
        """
        if part or blob.identity in self._sound:
            async for piece in blob.pieces(part or Part(0, blob.size)):
                yield piece
        else:
            async for piece in self._hashed(blob):
                yield piece

    async def _hashed(self, blob: OpenBlob) -> AsyncGenerator[bytes, None]:
        found, held = hashlib.new(blob.digest.algorithm), b""
        async for piece in blob.pieces(Part(0, blob.size)):
            if held:
                yield held
            await to_thread.run_sync(found.update, piece)
            held = piece
        if found.hexdigest() != blob.digest.hex:
            self._damaged[blob.identity] = blob.changed_at
            self._found_damaged(blob.repository.name, blob.digest)
            raise DamagedBlobError(f"{blob.repository.name} has {blob.digest} damaged")
        self._sound.add(blob.identity)
        yield held


def _unknown(repository: Repository, digest: Digest) -> RefusedError:
    return RefusedError(Code.BLOB_UNKNOWN, f"{repository.name} has no blob {digest}")
