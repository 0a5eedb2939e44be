"""How each registry wants its uploads, learnt from what it refused.

In memory, per host: what a registry refused once it is not offered again by this process. What
counts as a refusal is decided in `sessions.py` and `upload.py`.
"""

from enum import StrEnum
from http import HTTPStatus

import msgspec

from image_sync.oci import Digest

CHUNK = 4 * 1024 * 1024
"""Bytes of a chunk where a registry wants chunks and does not say how large: the least size that
object stores behind registries take is 5 MB at most, and smaller ones say so themselves."""
SHORTEST_CHUNK = 64 * 1024
"""Bytes of a chunk below which nobody's limit on bodies is taken for serious; the common small one,
nginx's client_max_body_size, is 1 MiB."""
SMALL = 2 * 1024 * 1024
"""Bytes of a blob that is sent again from its beginning if it breaks off: on a link of 50 MB/s it
takes as long as the round trip of 40 ms that a request of its own costs."""
LONGEST_CHUNK = 32 * 1024 * 1024
"""Bytes of a chunk that we are ready to keep in memory."""


class Way(StrEnum):
    """How the bytes of a blob get into a session."""

    STREAM = "stream"
    """One PATCH without a length: whatever arrived before its end is there."""
    CHUNKS = "chunks"
    """PATCHes with length and place, each held in memory until it has arrived."""
    WHOLE = "whole"
    """All of it in the PUT that ends the upload; nothing of it is there before."""


NEXT_WAY: dict[tuple[Way, int], Way] = {
    (Way.STREAM, HTTPStatus.BAD_REQUEST): Way.CHUNKS,
    (Way.STREAM, HTTPStatus.LENGTH_REQUIRED): Way.CHUNKS,
    (Way.STREAM, HTTPStatus.REQUEST_ENTITY_TOO_LARGE): Way.CHUNKS,
    (Way.STREAM, HTTPStatus.NOT_IMPLEMENTED): Way.CHUNKS,  # chunked coding: RFC 9112, section 6.1
    (Way.STREAM, HTTPStatus.METHOD_NOT_ALLOWED): Way.WHOLE,
    (Way.CHUNKS, HTTPStatus.NOT_IMPLEMENTED): Way.WHOLE,
    (Way.CHUNKS, HTTPStatus.METHOD_NOT_ALLOWED): Way.WHOLE,
}
"""What a refused PATCH says of the way it was sent."""


class Wanted(msgspec.Struct, frozen=True):
    """A blob that an upload is opened for.

    Attributes:
        digest: Which one.
        replaces: True if the repository may have something else of that name: then a blob that is
            found there does not say that what was sent arrived.
        whole: False to have even a small one sent so that it can go on after a failure.
    """

    digest: Digest
    replaces: bool = False
    whole: bool = True


class Ways:
    """What every host was found to want.

    Args:
        small: Bytes up to which a blob goes in one request.
    """

    def __init__(self, small: int = SMALL) -> None:
        self._small = small
        self._ways: dict[str, Way] = {}
        self._chunks: dict[str, int] = {}
        self._mountless: set[str] = set()
        self._searchless: set[str] = set()

    def way(self, host: str) -> Way:
        """How a host is to be sent to."""
        return self._ways.get(host, Way.STREAM)

    def way_for(self, host: str, size: int) -> Way:
        """How a blob of some bytes is to be sent to a host: a small one in one request."""
        way = self.way(host)
        return Way.WHOLE if way is Way.STREAM and size <= self._small else way

    def change(self, host: str, way: Way) -> None:
        """Send to a host in another way from now on."""
        self._ways[host] = way

    def chunk(self, host: str) -> int:
        """Bytes of a chunk that a host takes, as far as is known."""
        return self._chunks.get(host, CHUNK)

    def shrink(self, host: str, size: int) -> None:
        """Send chunks of at most this many bytes to a host from now on."""
        self._chunks[host] = min(size, self.chunk(host))

    def split(self, host: str, refused: int) -> bool:
        """Send chunks to a host that took a blob of so many bytes not whole; False if it must be.

        Args:
            host: The host.
            refused: Bytes.
        """
        if self.way(host) is Way.WHOLE or refused <= SHORTEST_CHUNK:
            return False
        self.change(host, Way.CHUNKS)
        self.shrink(host, refused // 2)
        return True

    def mounts(self, host: str) -> bool:
        """False if a host refused to mount from a repository that it was told."""
        return host not in self._mountless

    def forgo_mounts(self, host: str) -> None:
        """Name a host no repositories to mount from any more."""
        self._mountless.add(host)

    def searches(self, host: str) -> bool:
        """False if a host refused to look for blobs in its repositories by itself."""
        return host not in self._searchless

    def forgo_searches(self, host: str) -> None:
        """Have a host look for no blobs any more."""
        self._searchless.add(host)
