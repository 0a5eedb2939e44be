"""The hash of a blob that arrives in order, and may be taken back to an earlier byte."""

import hashlib
from typing import Protocol, Self

from image_sync.oci import Descriptor

_SPACING = 16 * 1024 * 1024
"""Bytes between two states that are kept: what is read again at most when the cache lost some."""
_MOST = 256
"""States kept of one blob, of about 500 bytes each; a larger blob has them further apart."""


class WrongBytes(Exception):  # noqa: N818 - a verdict on the source
    """What came is not the blob, or not what came before; the text says what it is instead."""


class _State(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def copy(self) -> Self: ...
    def hexdigest(self) -> str: ...


class Hashing:
    """What the bytes of a blob so far hash to.

    An upload keeps the bytes that it was given first, also where they are read again for the hash.
    So the end of each earlier reading is remembered, with the hash there, and the later one must
    come to the same: else the hash would be right and the upload wrong. That is about 200 bytes for
    each time an upload broke and was not read past that point again.

    Args:
        blob: Which one.
        spacing: Bytes between two states that are kept, at least.

    Attributes:
        position: Bytes that were hashed.
        furthest: The most it has ever been.
    """

    def __init__(self, blob: Descriptor, spacing: int = _SPACING) -> None:
        self._blob = blob
        self._state: _State = hashlib.new(blob.digest.algorithm)
        self._spacing = max(spacing, blob.size // _MOST)
        self._kept: list[tuple[int, _State]] = [(0, self._state.copy())]
        self._ends: dict[int, str] = {}  # of earlier readings, and their hashes there
        self.position = 0
        self.furthest = 0

    def check(self) -> None:
        """Judge the bytes once all of them were hashed.

        Raises:
            WrongBytes: They are not those of the blob.
        """
        if self.position == self._blob.size and self._state.hexdigest() != self._blob.digest.hex:
            raise WrongBytes(f"{self._blob.digest.algorithm}:{self._state.hexdigest()}")

    def update(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            WrongBytes: They were others when they were read before.
        """
        if self._ends:
            data = self._compare(data)
        self._add(data)

    def rewind(self, offset: int) -> None:
        """Go back so far that the bytes from some offset on may be taken; maybe further."""
        if self.position <= offset:
            return
        if offset:
            self._ends[self.position] = self._state.hexdigest()
        else:
            self._ends.clear()
        while self._kept[-1][0] > offset:
            self._kept.pop()
        self.position, state = self._kept[-1]
        self._state = state.copy()

    def _add(self, data: bytes) -> None:
        self._state.update(data)
        self.position += len(data)
        self.furthest = max(self.furthest, self.position)
        if self.position - self._kept[-1][0] >= self._spacing:
            self._kept.append((self.position, self._state.copy()))

    def _compare(self, data: bytes) -> bytes:
        """Take bytes up to the last end among them; the rest."""
        for end in sorted(self._ends):
            size = end - self.position
            if size > len(data):
                break
            self._add(data[:size])
            data = data[size:]
            if self._state.hexdigest() != self._ends.pop(end):
                raise WrongBytes(f"the first {end} bytes were others when they were read again")
        return data
