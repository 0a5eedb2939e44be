"""Bodies whose bytes are not those that the digest or the length promised.

Not here: bodies that break off or crawl (`ending.py`, `pace.py`).
"""

import gzip
import zlib

import msgspec

from tests.hostile.connection import Connection
from tests.hostile.fault import Exchange
from tests.hostile.message import Headers
from tests.hostile.response import Response

_CHUNK_BYTES = 64 * 1024  # of an endless body


def with_body(answer: Response, body: bytes, *fields: tuple[str, str]) -> Response:
    """An answer with another body, its true Content-Length, and more fields."""
    headers = answer.headers.replacing("Content-Length", str(len(body)))
    for name, value in fields:
        headers = headers.replacing(name, value)
    return msgspec.structs.replace(answer, headers=headers, body=body)


class WrongBytes:
    """The right length, one bit flipped: in the middle, or in the first byte (row 27)."""

    def __init__(self, *, first: bool = False) -> None:
        self._first = first

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer, flipped."""
        answer = await exchange.proceed()
        flipped = bytearray(answer.body)
        if flipped:
            flipped[0 if self._first else len(flipped) // 2] ^= 1
        return with_body(answer, bytes(flipped))


class TooLong:
    """More bytes than the descriptor says, and a Content-Length that admits it (row 24)."""

    def __init__(self, extra: int = 1) -> None:
        self._extra = extra  # bytes

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer and some zeros."""
        answer = await exchange.proceed()
        return with_body(answer, answer.body + bytes(self._extra))


class Endless:
    """The honest body, then zeros in chunks until the client hangs up (rows 24 and 37)."""

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer, to be sent without end."""
        answer = await exchange.proceed()
        headers = answer.headers.without("Content-Length")
        headers = headers.adding("Transfer-Encoding", "chunked")
        return msgspec.structs.replace(answer, headers=headers, delivery=self)

    async def deliver(self, response: Response, connection: Connection) -> None:
        """Send it; ends by `Hangup` only."""
        await connection.send(response.head)
        if response.body:
            await connection.send(_chunk(response.body))
        zeros = _chunk(bytes(_CHUNK_BYTES))
        while True:
            await connection.send(zeros)


class Gzipped:
    """Content-Encoding: gzip although identity was asked for (row 28)."""

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer, compressed."""
        answer = await exchange.proceed()
        body = gzip.compress(answer.body, mtime=0)
        return with_body(answer, body, ("Content-Encoding", "gzip"))


class GzipBomb:
    """A small compressed body that unpacks to `unpacked` zero bytes (row 28)."""

    def __init__(self, unpacked: int = 64 * 1024 * 1024) -> None:
        packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        zeros = bytes(1024 * 1024)
        pieces = [packer.compress(zeros) for _ in range(unpacked // len(zeros))]
        self._packed = b"".join((*pieces, packer.flush()))

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer with the bomb for a body."""
        return with_body(await exchange.proceed(), self._packed, ("Content-Encoding", "gzip"))


class Document:
    """These bytes in place of a manifest: the documents of `documents.py` (rows 31, 32, 40-42).

    The digest in the header stays the honest one unless `digest` names another.
    """

    def __init__(self, content: bytes, *, digest: str | None = None) -> None:
        self._content = content
        self._fields = () if digest is None else (("Docker-Content-Digest", digest),)

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer with the document for a body."""
        return with_body(await exchange.proceed(), self._content, *self._fields)


class Chunked:
    """The honest body without Content-Length, in chunks: legal, and often forgotten."""

    def __init__(self, size: int = 1000) -> None:
        self._size = size  # bytes in a chunk

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer, framed otherwise."""
        answer = await exchange.proceed()
        starts = range(0, len(answer.body), self._size)
        chunks = [_chunk(answer.body[start : start + self._size]) for start in starts]
        headers: Headers = answer.headers.without("Content-Length")
        return msgspec.structs.replace(
            answer,
            headers=headers.adding("Transfer-Encoding", "chunked"),
            body=b"".join((*chunks, b"0\r\n\r\n")),
        )


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
