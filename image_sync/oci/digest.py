"""Content digests: OCI image spec 1.1, descriptor.md, section Digests.

A `Digest` exists only in its canonical spelling, so it is safe in a URL path, a file name and an
argument vector. Not here: which algorithms a configuration may name (`config/`).
"""

import hashlib
import re
from typing import Self

import msgspec

from image_sync.oci.quoting import quoted

_HEX_LENGTH = {"sha256": 64, "sha512": 128}  # the registered algorithms of the image spec
_HEX = re.compile(r"[0-9a-f]+")


class Digest(msgspec.Struct, frozen=True, order=True):
    """`ALGORITHM:HEX`, validated."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """The digest that a text spells.

        Raises:
            ValueError: It is not a canonical sha256 or sha512 digest.
        """
        algorithm, _, value = text.partition(":")
        length = _HEX_LENGTH.get(algorithm)
        if length is None or len(value) != length or not _HEX.fullmatch(value):
            raise ValueError(
                f"{quoted(text)} is not a digest: expected sha256: and 64, or sha512: and 128, "
                "lower-case hexadecimal digits"
            )
        return cls(algorithm, value)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Self:
        """The digest of some bytes."""
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())

    def matches(self, content: bytes) -> bool:
        """True if the bytes have this digest."""
        return type(self).of(content, self.algorithm) == self

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"
