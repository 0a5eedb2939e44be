"""Pushes blobs and pulls them, with as little work of its own as Python allows."""

import hashlib
import http.client
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import msgspec

from tests.bench.push import PushError

_DEADLINE_SECONDS = 120.0  # for one wait: a blob that is synced on a slow disk
_SENT = 32 * 1024  # bytes of a chunk: what Go's io.Copy hands on, so crane and docker
_RECEIVED = 1 << 20  # bytes that are read at once
_REPOSITORY = "bench/pieces"


class Blob(msgspec.Struct, frozen=True):
    """Pieces of memory, which other blobs may share."""

    pieces: tuple[bytes, ...]
    digest: str

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum(map(len, self.pieces))


def made(pieces: Sequence[bytes]) -> Blob:
    """The blob of some pieces."""
    sha256 = hashlib.sha256()
    for piece in pieces:
        sha256.update(piece)
    return Blob(tuple(pieces), f"sha256:{sha256.hexdigest()}")


def push(host: str, blobs: Sequence[Blob], at_once: int) -> None:
    """Push blobs as most clients do: POST, PATCH in chunks, PUT.

    Raises:
        PushError: One was refused.
    """
    _each(_push, host, blobs, at_once)


def pull(host: str, blobs: Sequence[Blob], at_once: int) -> None:
    """Pull blobs and throw them away; that they are right is the tests' business.

    Raises:
        PushError: One is not there, or has another size.
    """
    _each(_pull, host, blobs, at_once)


def _each(
    what: Callable[[http.client.HTTPConnection, Blob], None],
    host: str,
    blobs: Sequence[Blob],
    at_once: int,
) -> None:
    """Share blobs out to connections, each with a thread."""

    def some(number: int) -> None:
        connection = http.client.HTTPConnection(host, timeout=_DEADLINE_SECONDS)
        try:
            for blob in blobs[number::at_once]:
                what(connection, blob)
        finally:
            connection.close()

    with ThreadPoolExecutor(at_once) as pool:
        for done in [pool.submit(some, number) for number in range(at_once)]:
            done.result()


def _push(connection: http.client.HTTPConnection, blob: Blob) -> None:
    upload = _asked(connection, "POST", f"/v2/{_REPOSITORY}/blobs/uploads/", None, 202)
    upload = _asked(connection, "PATCH", upload, _chunks(blob), 202)
    sign = "&" if "?" in upload else "?"
    _asked(connection, "PUT", f"{upload}{sign}digest={blob.digest}", None, 201)


def _chunks(blob: Blob) -> Iterator[memoryview]:
    for piece in [memoryview(each) for each in blob.pieces]:
        yield from (piece[start : start + _SENT] for start in range(0, len(piece), _SENT))


def _asked(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    body: Iterator[memoryview] | None,
    expected: int,
) -> str:
    """The path and query of the answer's Location."""
    headers = {"Content-Length": "0"} if body is None else {"Transfer-Encoding": "chunked"}
    connection.request(method, target, body, headers, encode_chunked=body is not None)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != expected:
        raise PushError(f"{method} {target}: {answer.status} {text[:200]!r}")
    location = urlsplit(answer.headers["Location"])
    return f"{location.path}?{location.query}" if location.query else location.path


def _pull(connection: http.client.HTTPConnection, blob: Blob) -> None:
    target = f"/v2/{_REPOSITORY}/blobs/{blob.digest}"
    connection.request("GET", target)
    answer = connection.getresponse()
    buffer, size = bytearray(_RECEIVED), 0
    while got := answer.readinto(buffer):
        size += got
    if answer.status != http.client.OK or size != blob.size:
        raise PushError(f"GET {target}: {answer.status}, {size} bytes, not {blob.size}")
