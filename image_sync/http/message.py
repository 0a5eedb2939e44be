"""Requests and responses of `Http`: what is asked of a registry, and its answer while it is open.

Authorization, retries and the meaning of statuses are the caller's (`registry/`).
"""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from contextlib import aclosing

import httpx
import msgspec

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.http.clock import Clock
from image_sync.http.deadlines import Deadlines, Floor, TooSlow
from image_sync.http.errors import Asked
from image_sync.http.pauses import parse_retry_after
from image_sync.model import TlsPolicy

MAX_ASIDE = 64 * 1024
"""Bytes that are read of a body that is only for information, as that of a refusal is."""
_DIGITS = 18  # of a length: far beyond any disk, and cheap to convert


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked.

    Attributes:
        side: Which side of an image it is for.
        host: Canonical host of the registry it is made for; limits, pauses, quota and circuit
            count there, wherever the request goes.
        tls: How that registry must prove itself.
        target: `/v2/…` on that registry, or an absolute URL that it named (realm, Location, Link).
        headers: Header fields; Accept-Encoding and User-Agent are added.
        content: The body; a streamed one cannot be sent twice.
        content_length: Bytes of a streamed body, where known; without it the body goes chunked.
        repository: Repository path, so that one broken repository does not open the circuit.
        spends_pull: True for a manifest GET: refused while the host's pull quota is paused.
        patience: Seconds more than usual that the answer may take once everything was sent.
        tries: Which try of the request this is, from 1; goes into `RequestFinished`.
    """

    side: Side
    host: str
    tls: TlsPolicy
    method: str
    target: str
    headers: Mapping[str, str] = {}
    content: bytes | AsyncIterable[bytes] | None = None
    content_length: int | None = None
    repository: str = ""
    spends_pull: bool = False
    patience: float = 0.0
    tries: int = 1

    def __repr__(self) -> str:
        # Headers, query and content can hold secrets.
        return f"Request({self.side}, {self.host}, {self.method} {self.path})"

    @property
    def is_stream(self) -> bool:
        """True if the content comes from somewhere while it is sent, so it cannot be sent twice."""
        return not isinstance(self.content, bytes | None)

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


class Response:
    """An answer whose body is still on its way; it closes with the `async with` that gave it.

    Attributes:
        status: HTTP status.
        headers: Header fields; names compare without case.
        url: The URL that answered, absolute and whole: relative references start from it.
        redirected: True if another origin answered than the one that was asked.
    """

    __slots__ = ("_asked", "_clock", "_deadlines", "_raw", "headers", "redirected", "status", "url")

    def __init__(
        self,
        raw: httpx.Response,
        asked: Asked,
        *,
        redirected: bool,
        deadlines: Deadlines,
        clock: Clock,
    ) -> None:
        headers: Mapping[str, str] = raw.extensions["headers"]
        self.status = raw.status_code
        self.headers = headers
        self.url = asked.url
        self.redirected = redirected
        self._raw = raw
        self._asked = asked
        self._deadlines = deadlines
        self._clock = clock

    def __repr__(self) -> str:
        return f"Response({self.status}, {self._asked!r})"

    @property
    def retry_after(self) -> float | None:
        """Seconds that it asks to be left alone for, None if it does not."""
        headers = self.headers
        now = self._clock.wall()
        return parse_retry_after(headers.get("Retry-After"), headers.get("Date"), now)

    async def start(self) -> bytes:
        """At most 64 KiB of a body that is only for information; less if it breaks off.

        What the answer means stands in its status, whatever becomes of the body.
        """
        body = bytearray()
        try:
            async with aclosing(self.chunks()) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) >= MAX_ASIDE:
                        break
        except RegistryError:
            return bytes(body)  # what came is all there is to say
        return bytes(body[:MAX_ASIDE])

    async def read(self, limit: int) -> bytes:
        """The whole body.

        Args:
            limit: Bytes that it may have at most.

        Raises:
            RegistryError: It is longer (BAD_CONTENT), or breaks as with `chunks`.
        """
        body = bytearray()
        # HEADs announce a body that never comes.
        if self._asked.method != "HEAD" and _announced(self.headers) > limit:
            raise self._too_long(limit)
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > limit:
                    raise self._too_long(limit)
        return bytes(body)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The raw bytes of the body as they come, once.

        A body without a length that ends early looks complete: whoever knows its size counts.

        Raises:
            RegistryError: It ended before its announced length (TRUNCATED), stalled or trickled
                (TIMEOUT), or the connection failed.
        """
        stream = self._raw.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError("answers of the transport stream asynchronously")
        floor, clock = Floor(self._deadlines), self._clock.monotonic
        try:
            began = clock()
            async for chunk in stream:
                floor.arrived(len(chunk), clock() - began)
                yield chunk
                began = clock()
        except httpx.TransportError as error:
            raise self._asked.failure(error) from error
        except TooSlow as error:
            raise self._asked.error(ErrorKind.TIMEOUT, f"too slow: {error}") from None

    async def aclose(self) -> None:
        """Give the connection back if the body has arrived, close it otherwise.

        What the request sent is not read any more afterwards.
        """
        release: Callable[[], None] = self._raw.extensions["release"]
        release()
        content: httpx.AsyncByteStream | httpx.ByteStream = self._raw.extensions["content"]
        if not isinstance(content, httpx.ByteStream):
            await content.aclose()

    def _too_long(self, limit: int) -> Exception:
        return self._asked.error(
            ErrorKind.BAD_CONTENT, f"its body has more than {limit} bytes", status=self.status
        )


def _announced(headers: Mapping[str, str]) -> int:
    text = headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else 0
