"""Blobs on their way in: OCI distribution spec 1.1, section Pushing blobs.

An upload is a file that grows and the hash of what is in it. It belongs to one repository and to
this process: one that ended takes its uploads along, and their files are collected.
"""

import hashlib
import os
import time
from collections.abc import Callable
from uuid import uuid4

import anyio

from image_sync.embedded.refusal import Code, RefusedError
from image_sync.embedded.repository import Repository
from image_sync.oci import Digest
from image_sync.runtime.files import make_folder_durably

OPEN = 256
"""Uploads at once: each is an open descriptor, of which a process often has 1,024, and as many for
connections. The builtin engine has a few uploads for each of its copies."""
LINGERING = 60.0
"""Seconds after which an upload that nobody went on with may make room for another."""
IDLE = 3600.0
"""Seconds after which an upload that nobody went on with is given up: Zot's `gcDelay`."""
LARGEST = 1 << 40
"""Bytes of a blob; more is a mistake, and would fill the disk."""
_PIECE = 1 << 20
"""Bytes that are read at once where a file is hashed again."""


class Upload:
    """One blob on its way in.

    Used by one request at a time, which holds `turn`. What writes blocks: to be called in threads.

    Attributes:
        id: Its name, which nobody can guess.
        repository: Where it will be.
        size: Bytes that came.
        turn: Held by the request that works on it.
        used_at: When a request had it last, on a clock that never jumps.
    """

    def __init__(self, repository: Repository, largest: int = LARGEST) -> None:
        self.id = uuid4().hex
        self.repository = repository
        self.size = 0
        self.turn = anyio.Lock()
        self.used_at = 0.0
        self._largest = largest
        self._path = repository.blobs.uploads / self.id
        self._hash = hashlib.sha256()
        make_folder_durably(self._path.parent)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW
        self._file = os.open(self._path, flags, 0o644)

    def append(self, content: bytes) -> None:
        """Take some bytes more.

        Raises:
            RefusedError: It would be too large.
            OSError: They cannot be written: none of them came.
        """
        if self.size + len(content) > self._largest:
            raise RefusedError(Code.SIZE_INVALID, f"a blob may have {self._largest} bytes at most")
        left = memoryview(content)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            os.ftruncate(self._file, self.size)  # or what is hashed is not what is in the file
            raise
        self._hash.update(content)
        self.size += len(content)

    def finish(self, digest: Digest) -> None:
        """Make it a blob of its repository; it is over whatever comes of it.

        Raises:
            RefusedError: Its bytes have another digest.
            OSError: They cannot be kept.
        """
        try:
            if self._digest(digest.algorithm) != digest.hex:
                raise RefusedError(
                    Code.DIGEST_INVALID, f"the {self.size} bytes that came are not {digest}"
                )
            os.fsync(self._file)
            self.repository.blobs.take(digest, self._path)
        finally:
            self.drop()

    def drop(self) -> None:
        """Give it up; nothing if it is over."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._path.unlink(missing_ok=True)

    def _digest(self, algorithm: str) -> str:
        """The hash of what came; only sha256 is known without reading it once more."""
        if algorithm == self._hash.name:
            return self._hash.hexdigest()
        again, offset = hashlib.new(algorithm), 0
        while piece := os.pread(self._file, _PIECE, offset):
            again.update(piece)
            offset += len(piece)
        return again.hexdigest()


class Uploads:
    """The uploads of a registry; of the event loop's thread alone.

    Args:
        most: How many may be open.
        idle: Seconds after which one that nobody goes on with is given up.
        clock: Seconds that never jump.
    """

    def __init__(
        self,
        most: int = OPEN,
        idle: float = IDLE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._idle = idle
        self._clock = clock
        self._open: dict[str, Upload] = {}

    def begin(self, repository: Repository) -> Upload:
        """Another upload.

        Raises:
            RefusedError: There are too many.
        """
        if len(self._open) >= self._most:
            self._make_room()
        if len(self._open) >= self._most:
            text = f"{self._most} uploads are open: finish or cancel some"
            raise RefusedError(Code.TOOMANYREQUESTS, text, headers={"Retry-After": "60"})
        upload = Upload(repository)
        upload.used_at = self._clock()
        self._open[upload.id] = upload
        return upload

    def find(self, repository: str, name: str) -> Upload:
        """An open upload.

        Raises:
            RefusedError: There is none of that name in the repository.
        """
        upload = self._open.get(name)
        if upload is None or upload.repository.name != repository:
            raise RefusedError(
                Code.BLOB_UPLOAD_UNKNOWN, f"{repository} has no such upload: begin anew"
            )
        self.note(upload)
        return upload

    def note(self, upload: Upload) -> None:
        """A request has it, or had it until now."""
        upload.used_at = self._clock()

    def end(self, upload: Upload) -> None:
        """It is finished, or nobody may go on with it."""
        self._open.pop(upload.id, None)
        upload.drop()

    def expire(self) -> int:
        """Give up those that nobody went on with; tells how many."""
        stale = self._resting(self._idle)
        for upload in stale:
            self.end(upload)
        return len(stale)

    def _make_room(self) -> None:
        """Give up the one that nobody went on with for the longest time."""
        for upload in self._resting(min(LINGERING, self._idle))[:1]:
            self.end(upload)

    def _resting(self, seconds: float) -> list[Upload]:
        """Those that no request had for so long, the longest first."""
        before = self._clock() - seconds
        known = self._open.values()
        resting = [each for each in known if each.used_at < before and not each.turn.locked()]
        return sorted(resting, key=lambda each: each.used_at)

    def close(self) -> None:
        """Give up all of them."""
        for upload in list(self._open.values()):
            self.end(upload)
