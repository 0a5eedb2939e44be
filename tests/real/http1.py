"""Just enough of HTTP/1.1 (RFC 9112) to pass messages on byte for byte.

Reads heads, finds where bodies end, copies them with their framing. It trusts its peers
to be a real client and a real server; faults are `tests/hostile`'s.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from anyio.streams.buffered import BufferedByteReceiveStream

# Bytes. Go's server takes 1 MiB of headers, Node's 16 KiB; ours are below 8 KiB.
_MAX_HEAD: Final = 65536
# Bytes of one chunk-size line or trailer line.
_MAX_LINE: Final = 8192
# Bytes read at once.
_PIECE: Final = 65536

# The first byte of a TLS record that carries a handshake (RFC 8446, section 5.1).
_TLS_HANDSHAKE: Final = b"\x16"

Sink = Callable[[bytes], Awaitable[None]]


class Framing(StrEnum):
    """Bodies whose length is not in the head (RFC 9112, section 6.3)."""

    CHUNKED = "chunked"
    UNTIL_CLOSE = "until close"


# Bytes, or how the end shows.
BodyLength = int | Framing


class Head(NamedTuple):
    """A start line and the fields below it, names as written."""

    start: str
    fields: tuple[tuple[str, str], ...]

    @property
    def method(self) -> str:
        """Of a request."""
        return self.start.split(" ", 2)[0]

    @property
    def target(self) -> str:
        """Of a request: path and query."""
        return self.start.split(" ", 2)[1]

    @property
    def status(self) -> int:
        """Of a response."""
        return int(self.start.split(" ", 2)[1])

    def get(self, name: str) -> str | None:
        """The first field of that lower-case name."""
        return self.headers().get(name)

    def headers(self) -> Mapping[str, str]:
        """The fields by lower-case name; of several with one name the first."""
        return {name.lower(): value for name, value in reversed(self.fields)}

    def closes(self) -> bool:
        """Whether the sender ends the connection after this message."""
        return (self.get("connection") or "").lower() == "close"

    def request_body(self) -> BodyLength:
        """How long the body of this request is."""
        if "chunked" in (self.get("transfer-encoding") or "").lower():
            return Framing.CHUNKED
        return int(self.get("content-length") or 0)

    def response_body(self, method: str) -> BodyLength:
        """How long the body of this response to `method` is."""
        if method == "HEAD" or self.status in {204, 304} or self.is_interim():
            return 0
        if "chunked" in (self.get("transfer-encoding") or "").lower():
            return Framing.CHUNKED
        length = self.get("content-length")
        return Framing.UNTIL_CLOSE if length is None else int(length)

    def is_interim(self) -> bool:
        """Whether another response follows (1xx)."""
        return self.status < 200

    def encode(self) -> bytes:
        """The head as it goes over the wire."""
        lines = [self.start, *(f"{name}: {value}" for name, value in self.fields), "", ""]
        return "\r\n".join(lines).encode("latin-1")


class NotHttpError(Exception):
    """The peer began a TLS handshake where plain HTTP is spoken."""


async def read_head(reader: BufferedByteReceiveStream) -> Head:
    """The next head.

    Raises:
        NotHttpError: somebody took this for a TLS server.
        anyio.EndOfStream: and the others of anyio, when there is none.
    """
    first = await reader.receive_exactly(1)
    if first == _TLS_HANDSHAKE:
        raise NotHttpError
    raw = first + await reader.receive_until(b"\r\n\r\n", _MAX_HEAD)
    start, *lines = raw.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Head(start, tuple((name, value.strip()) for name, _, value in pairs))


async def pump_body(reader: BufferedByteReceiveStream, length: BodyLength, sink: Sink) -> None:
    """Copy one body with its framing into `sink`, piece by piece."""
    if length is Framing.CHUNKED:
        await _pump_chunks(reader, sink)
    elif length is Framing.UNTIL_CLOSE:
        async for piece in reader:
            await sink(piece)
    else:
        await _pump_bytes(reader, int(length), sink)


async def discard(_piece: bytes) -> None:
    """A sink for bodies that nobody wants."""


async def _pump_bytes(reader: BufferedByteReceiveStream, left: int, sink: Sink) -> None:
    while left:
        piece = await reader.receive(min(left, _PIECE))
        left -= len(piece)
        await sink(piece)


async def _pump_chunks(reader: BufferedByteReceiveStream, sink: Sink) -> None:
    while True:
        line = await reader.receive_until(b"\r\n", _MAX_LINE)
        await sink(line + b"\r\n")
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        await _pump_bytes(reader, size + 2, sink)  # with the CRLF behind it
    while trailer := await reader.receive_until(b"\r\n", _MAX_LINE):
        await sink(trailer + b"\r\n")
    await sink(b"\r\n")
