"""The hash of a blob that arrives in order, and may be taken back to an earlier byte."""

import hashlib
from typing import Protocol, Self

from image_sync.oci import Descriptor

_SPACING = 16 * 1024 * 1024
"""Bytes between two states that are kept: what is read again at most when the cache lost some."""
_MOST = 256
"""States kept of one blob, of about 500 bytes each; a larger blob has them further apart."""


class WrongBytes(Exception):  # noqa: N818 - a verdict on the source
    """All bytes came, and are not those of the digest; the text is the digest that they have."""


class _State(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def copy(self) -> Self: ...
    def hexdigest(self) -> str: ...


class Hashing:
    """What the bytes of a blob so far hash to.

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
        """Take the next bytes."""
        self._state.update(data)
        self.position += len(data)
        self.furthest = max(self.furthest, self.position)
        if self.position - self._kept[-1][0] >= self._spacing:
            self._kept.append((self.position, self._state.copy()))

    def rewind(self, offset: int) -> None:
        """Go back so far that the bytes from some offset on may be taken again; maybe further."""
        if self.position == offset:
            return
        while self._kept[-1][0] > offset:
            self._kept.pop()
        self.position, state = self._kept[-1]
        self._state = state.copy()
