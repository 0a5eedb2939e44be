"""Files that are whole or absent, and private folders that do not outlive their use.

Not here: what stands in the files.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

_PREFIX = "image-sync-"
_LOCK = ".lock"

_in_use: set[Path] = set()
"""The private folders that are in use by this process."""


def write_atomic(
    path: Path, content: bytes, *, mode: int = 0o644, staging: Path | None = None
) -> None:
    """Replace a file so that every reader, also after a crash, sees the old or the new one whole.

    Args:
        path: The file; its folder exists.
        content: All of it.
        mode: Its permissions, exactly; the umask does not count.
        staging: Where it is while it is written, in the same file system; beside it by default.

    Raises:
        OSError: The old file is untouched.
    """
    handle, name = tempfile.mkstemp(dir=staging or path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - takes over the descriptor
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def move_durably(file: Path, path: Path) -> None:
    """Give a synced file another name in the same file system, to stay there after a crash.

    Raises:
        OSError: It has its old name still, or both files are as they were.
    """
    file.replace(path)
    _sync_folder(path.parent)


def link_durably(file: Path, path: Path, staging: Path) -> None:
    """Have a second name for a file, in place of whatever has that name.

    Args:
        file: The file.
        path: Its second name.
        staging: A folder of the same file system, for the moment.

    Raises:
        OSError: That name is as it was.
    """
    temporary = staging / uuid4().hex
    os.link(file, temporary, follow_symlinks=False)
    try:
        temporary.replace(path)  # does nothing if both are names of one file already
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def make_folder_durably(folder: Path) -> None:
    """Make a folder and those above it, to stay there after a crash; nothing if it is there.

    Raises:
        OSError: It could not be made.
    """
    if folder.is_dir():
        return
    if folder.parent != folder and not folder.parent.exists():
        make_folder_durably(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read.

    Raises:
        OSError: It could not be written, or something stands there already.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with open(os.open(path, flags, 0o600), "wb") as file:  # noqa: PTH123 - takes it over
        file.write(content)


@contextmanager
def private_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder that only its owner can enter; removed with all it holds at the end.

    Args:
        parent: Where it is made; the system's folder for temporary files by default.

    Raises:
        OSError: It could not be made.
    """
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))  # mkdtemp: mode 0700
    _in_use.add(folder)
    try:
        lock = _lock(folder)
        try:
            yield folder
        finally:
            os.close(lock)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _in_use.discard(folder)


def remove_private_folders() -> None:
    """Remove every private folder of this process, in use or not: for one that ends at once.

    Safe in a signal handler. Whoever works in them is to be killed first.
    """
    for folder in tuple(_in_use):
        shutil.rmtree(folder, ignore_errors=True)


def sweep_private_folders(parent: Path | None = None) -> int:
    """Remove the private folders of ours whose process was killed; tells how many.

    A folder in use holds a lock that dies with its process, so process ids do not matter: in a
    container every process of ours is number 1.
    """
    swept = 0
    for folder in (parent or Path(tempfile.gettempdir())).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.lstat().st_uid != os.geteuid():
                continue
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
                swept += 1
            finally:
                os.close(lock)
    return swept


def _lock(folder: Path) -> int:
    """The held lock of a folder; it appears under its name only once it is held."""
    fresh = folder / f"{_LOCK}.new"
    lock = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    fresh.rename(folder / _LOCK)
    return lock


def _sync_folder(folder: Path) -> None:
    """Make a rename in it survive a power cut (POSIX keeps it in the folder's own data)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
