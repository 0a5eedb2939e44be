"""A server that must not be told secrets: it keeps every byte it receives.

For tests that a credential does not leave its origin: put a sink at the other end of a redirect,
a realm, a Location or a Link, and look whether it saw the planted secret.
"""

import base64
import binascii
import re
import ssl
from urllib.parse import unquote_to_bytes

from typing_extensions import override

from tests.hostile.connection import Connection
from tests.hostile.message import Request
from tests.hostile.response import Response, response
from tests.hostile.server import Server

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{4,}")


class Sink(Server):
    """Answers every request with `reply`; 404 at first."""

    def __init__(self, address: str = "127.0.0.3", *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(address, tls=tls)
        self.reply = response(404, b"nothing here\n", media_type="text/plain")
        self.streams: list[bytearray] = []  # bytes received, one stream for each connection

    @override
    def answer(self, request: Request) -> Response:
        return self.reply

    @override
    async def _serve(self, connection: Connection) -> None:
        connection.record = bytearray()
        self.streams.append(connection.record)
        await super()._serve(connection)

    @property
    def received(self) -> bytes:
        """Everything that came, in the order of connections."""
        return b"".join(self.streams)

    def saw(self, secret: str) -> bool:
        """Whether a secret came as it is, percent-encoded, or inside of base64."""
        wanted, received = secret.encode(), self.received
        texts = [received, unquote_to_bytes(received)]
        texts += [_decoded(run) for text in tuple(texts) for run in _BASE64.findall(text)]
        return any(wanted in text for text in texts)


def _decoded(run: bytes) -> bytes:
    padded = run + b"=" * (-len(run) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_" if b"-" in run or b"_" in run else None)
    except binascii.Error:
        return b""
