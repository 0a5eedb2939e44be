"""Whether files changed, told by what is in them."""

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

_MOST = 8 * 1024 * 1024
"""Bytes that are read of a file: as many as anybody here reads of one."""


def fingerprint(paths: Iterable[Path]) -> bytes:
    """What differs when one of some files does; one that cannot be read differs from all others."""
    seen = hashlib.sha256()
    for path in paths:
        try:
            content = hashlib.sha256(_read(path)).digest()
        except (OSError, ValueError):  # a name may be none, with a zero byte in it
            content = b""
        seen.update(b"%s %d " % (os.fsencode(path), len(content)) + content)
    return seen.digest()


def _read(path: Path) -> bytes:
    # Non-blocking: a pipe in the place of a file must not hold a thread for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return file.read(_MOST) if regular else b""
