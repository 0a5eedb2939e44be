"""The files with the content of one repository: `blobs/ALGORITHM/HEX` of an image layout.

OCI image spec 1.1, image-layout.md, section Blobs. A file appears under its name whole, synced and
with the bytes that its name says, or not at all; one that is written anew replaces what was there,
so that what a disk has damaged is mended by pushing it again. All of it blocks: to be called in
threads, but for `size`, `touch` and `open`, which are one look at the file system, and `read`: a
manifest has some kilobytes as a rule, and 4 MiB at most.

What is being written is in `.uploads`: Zot gives up collecting where something else than content is
beside content.

Not here: what refers to what (`repository.py`), and how bytes come (`uploads.py`).
"""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from image_sync.oci import Digest
from image_sync.runtime.files import (
    link_durably,
    make_folder_durably,
    move_durably,
    write_atomic,
)

BLOBS, UPLOADS = "blobs", ".uploads"


class Blobs:
    """The content of a repository.

    Args:
        folder: The layout.

    Attributes:
        uploads: The folder for what is being written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / BLOBS
        self.uploads = folder / UPLOADS

    def prepare_uploads(self) -> Path:
        """The folder for what is being written, which is there from now on."""
        make_folder_durably(self.uploads)
        return self.uploads

    def path(self, digest: Digest) -> Path:
        """Where the content with that digest is, if it is there."""
        return self._folder / digest.algorithm / digest.hex

    def size(self, digest: Digest) -> int | None:
        """Bytes of what is there, None if nothing is."""
        try:
            found = self.path(digest).lstat()
        except FileNotFoundError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def open(self, digest: Digest) -> int:
        """A descriptor to read it with, which the caller closes.

        Raises:
            FileNotFoundError: It is not there.
        """
        if self.size(digest) is None:  # a link leads out of the layout: as good as nothing
            raise FileNotFoundError(self.path(digest))
        return os.open(self.path(digest), os.O_RDONLY | os.O_NOFOLLOW)

    def read(self, digest: Digest) -> bytes | None:
        """All of a manifest, None if it is not there or not what its name says."""
        try:
            with open(self.open(digest), "rb") as file:  # noqa: PTH123 - takes over the descriptor
                content = file.read()
        except FileNotFoundError:
            return None
        return content if digest.matches(content) else None

    def write(self, digest: Digest, content: bytes) -> None:
        """Keep some bytes, whose digest the caller has computed."""
        write_atomic(self._place(digest), content, staging=self.uploads)

    def take(self, digest: Digest, file: Path) -> None:
        """Keep a file that is synced, and whose digest the caller has computed."""
        os.utime(file)  # first: its bytes may have come long ago
        move_durably(file, self._place(digest))

    def link(self, digest: Digest, file: Path) -> None:
        """Keep the same file as another repository.

        Raises:
            FileNotFoundError: It is not there.
        """
        os.utime(file, follow_symlinks=False)  # first, or it could be collected between the two
        link_durably(file, self._place(digest), self.uploads)

    def touch(self, digest: Digest) -> None:
        """Note that somebody counts on it from now on."""
        with suppress(FileNotFoundError):
            os.utime(self.path(digest), follow_symlinks=False)

    def age(self, digest: Digest) -> float:
        """Seconds since somebody came to count on it; 0 if it is not there."""
        try:
            return time.time() - self.path(digest).lstat().st_mtime
        except FileNotFoundError:
            return 0.0

    def delete(self, digest: Digest) -> int:
        """Remove it, and tell how many bytes are free by that: none if others hold it, too.

        Raises:
            FileNotFoundError: It is not there.
        """
        path = self.path(digest)
        found = path.lstat()
        path.unlink()
        return found.st_size if found.st_nlink == 1 else 0

    def __iter__(self) -> Iterator[Digest]:
        """All that is there; files of other names are left out."""
        for path in self._folder.glob("*/*"):
            with suppress(ValueError):
                digest = Digest.parse(f"{path.parent.name}:{path.name}")
                if self.size(digest) is not None:
                    yield digest

    def _place(self, digest: Digest) -> Path:
        path = self.path(digest)
        make_folder_durably(path.parent)
        self.prepare_uploads()
        return path
