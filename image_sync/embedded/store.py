"""All repositories of a registry, in one folder: the one that Zot calls its root directory.

`ROOT/NAME/` is an OCI image layout. A lock keeps a second process of ours out. Names are validated
before they become paths, and none may be that of a layout's own files, so that a repository never
lies within what belongs to another.
"""

import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from image_sync.embedded.blobs import BLOBS
from image_sync.embedded.refusal import Code, RefusedError
from image_sync.embedded.repository import INDEX, LAYOUT, Collected, Repository
from image_sync.errors import StoreError, StoreInUseError
from image_sync.oci import Digest
from image_sync.oci.reference import parse_path
from image_sync.runtime.files import make_folder_durably

_LOCK = ".image-sync.lock"
_COLLECTED = ".image-sync.collected"
"""A file that is touched whenever what nothing needs is removed."""
_UNWRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC}
_TRIES, _BETWEEN = 3, 0.005
"""How often the lock is tried, and seconds between: a look takes microseconds."""
_LONGEST_ADDRESS = 64
"""Bytes; an IPv6 address with its port has 47."""
_RESERVED = frozenset({BLOBS, INDEX, LAYOUT, "cache.db", "meta.db"})
"""What is in a layout, or Zot's own beside them, and would be a valid component of a name."""


class Store:
    """The repositories below a folder.

    Args:
        root: The folder; it exists.
        lock: A descriptor of its lock file, which is held.

    Raises:
        StoreError: A repository in it cannot be read.
    """

    def __init__(self, root: Path, lock: int) -> None:
        self.root = root
        self._lock = lock
        self._making = threading.Lock()
        self._closed = False
        self._repositories = {
            name: Repository(name, root / name) for name in sorted(_names(root, root))
        }

    def announce(self, address: str) -> None:
        """Tell other processes of ours where it is served; where that cannot be written, nobody."""
        with suppress(OSError):  # a full disk, or one that is only read
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, address.encode("ascii"), 0)

    def close(self) -> None:
        """Have nothing changed any more, for the folder may be another process's from now on.

        It waits for changes that are being made in threads, which may outlast what began them.
        """
        with self._making:
            self._closed = True
            for each in self._repositories.values():
                each.close()

    def names(self) -> list[str]:
        """The repositories that have a manifest, in the order of their bytes."""
        found = list(self._repositories.values())
        return sorted(each.name for each in found if not each.is_empty)

    def find(self, name: str) -> Repository:
        """A repository.

        Raises:
            RefusedError: It is not here, or that is no name.
        """
        repository = self._repositories.get(_checked(name))
        if repository is None:
            raise RefusedError(Code.NAME_UNKNOWN, f"there is no repository {name}")
        return repository

    def ensure(self, name: str) -> Repository:
        """A repository, which is made if it is not here. It blocks.

        Raises:
            RefusedError: That is no name.
        """
        known = self._repositories.get(_checked(name))
        if known is not None:
            return known
        with self._making:  # or the second would begin anew what the first has pushed into
            if name not in self._repositories:
                if self._closed:
                    raise RefusedError(Code.DENIED, "the registry is ending", status=503)
                _refuse_strange(self.root, name)
                self._repositories[name] = Repository.create(name, self.root / name)
            return self._repositories[name]

    def holder(self, digest: Digest, name: str | None = None) -> Repository | None:
        """A repository that has a blob: that of the name, or any."""
        known = list(self._repositories.values())
        asked = [self._repositories[name]] if name in self._repositories else known
        return next((each for each in asked if each.blobs.size(digest) is not None), None)

    def share(self, digest: Digest, fresh: Repository) -> None:
        """Have all repositories with a blob hold the same file: the one that came last.

        It has just been hashed, so what a disk had damaged elsewhere is mended by that, too.
        """
        path = fresh.blobs.path(digest)
        for each in list(self._repositories.values()):
            if each is not fresh and each.blobs.size(digest) is not None:
                with suppress(OSError):  # another file system: each has its own then
                    each.blobs.link(digest, path)

    def collect(self, grace: float) -> Collected:
        """Remove what nothing needs, and files of uploads that a former process left; it blocks.

        Args:
            grace: Seconds for which everything stays that somebody counted on last.
        """
        (self.root / _COLLECTED).touch()  # first: where it fails, too, the next time is in a day
        total = Collected()
        for repository in list(self._repositories.values()):
            found = repository.collect(grace)
            total = Collected(*(a + b for a, b in zip(total, found, strict=True)))
            _remove_old(repository.blobs.uploads, grace)
        return total

    def since_collected(self) -> float:
        """Seconds since what nothing needs was removed last, or since the folder was made."""
        marker = self.root / _COLLECTED
        if not marker.exists():
            marker.touch()
        return time.time() - marker.stat().st_mtime


def served_by(root: Path) -> str | None:
    """Where another process of ours serves a folder, as in `127.0.0.1:5050`; None if none does."""
    try:
        lock = os.open(root / _LOCK, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.read(lock, _LONGEST_ADDRESS).decode("ascii", "replace") or None
    finally:
        os.close(lock)
    return None


@contextmanager
def opened(root: Path, *, make: bool = True) -> Iterator[Store]:
    """A store that no other process of ours has, for the time of a block.

    Args:
        root: Its folder.
        make: Whether it is made if it is not there.

    Raises:
        StoreInUseError: Another process has it.
        StoreError: It cannot be used, or is not there.
    """
    try:
        if make:
            make_folder_durably(root.absolute())
        lock = _open_lock(root, make=make)
    except OSError as error:
        raise StoreError(f"the folder {root} cannot be used: {error.strerror}") from error
    try:
        try:
            _take(lock)
        except OSError as error:
            address = served_by(root)
            where = f" at {address}" if address else ""
            text = f"another image-sync serves the folder {root}{where}: end that one first"
            raise StoreInUseError(text, address) from error
        store = _read(root, lock)
        store.announce("")  # what a process said that was killed
        try:
            yield store
            store.announce("")
        finally:
            store.close()
    finally:
        os.close(lock)


def _take(lock: int) -> None:
    """Lock the lock; not refused because somebody looks just now who has it (`served_by`).

    Raises:
        OSError: Another process has it.
    """
    for _ in range(_TRIES - 1):
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_BETWEEN)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _open_lock(root: Path, *, make: bool) -> int:
    """What is locked: a file, or the folder itself where nothing can be written and nothing has to.

    Raises:
        OSError: The folder is not there, or cannot be written to.
    """
    try:
        return os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        if make or error.errno not in _UNWRITABLE:
            raise
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY)


def _checked(name: str) -> str:
    try:
        parse_path(name)
    except ValueError as error:
        raise RefusedError(Code.NAME_INVALID, str(error)) from error
    reserved = _RESERVED.intersection(name.split("/"))
    if reserved:
        text = f"{', '.join(sorted(reserved))} may not be a part of a repository's name here"
        raise RefusedError(Code.NAME_INVALID, text)
    return name


def _read(root: Path, lock: int) -> Store:
    try:
        return Store(root, lock)
    except OSError as error:
        raise StoreError(f"{error.filename or root} cannot be read: {error.strerror}") from error


def _refuse_strange(root: Path, name: str) -> None:
    """Refuse a name where something else stands: a file, or a link that leads elsewhere."""
    path = root
    for part in name.split("/"):
        path /= part
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            text = f"{path.relative_to(root)} is something else than a repository here"
            raise RefusedError(Code.NAME_INVALID, text)


def _names(root: Path, folder: Path) -> Iterator[str]:
    """The repositories in a folder and below; links are not followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            name = str(path.relative_to(root))
            if not _is_name(name) or not entry.is_dir(follow_symlinks=False):
                continue
            if (path / INDEX).is_file() and (path / LAYOUT).is_file():
                yield name
            yield from _names(root, path)


def _is_name(text: str) -> bool:
    try:
        _checked(text)
    except RefusedError:
        return False
    return True


def _remove_old(folder: Path, seconds: float) -> None:
    with suppress(FileNotFoundError):
        for file in os.scandir(folder):
            with suppress(OSError):  # gone meanwhile, or a folder, which is not ours
                if time.time() - file.stat(follow_symlinks=False).st_mtime > seconds:
                    Path(file.path).unlink()
