"""What is answered, and how it gets onto the wire.

A `Response` is status, header fields and body as the honest registry meant them; its `Delivery`
may cut, stall or mangle them on the way. The deliveries that misbehave belong in `behaviours/`.
"""

import json
from typing import Protocol

import msgspec

from tests.hostile.connection import Connection
from tests.hostile.message import Headers, field_lines, status_line


class Response(msgspec.Struct, frozen=True):
    """An answer. Content-Length stands in `headers` and is not computed, so that it can lie."""

    status: int
    headers: Headers = Headers()
    body: bytes = b""
    delivery: "Delivery | None" = None  # None: whole and at once

    @property
    def head(self) -> bytes:
        """Status line, header fields and the empty line."""
        return status_line(self.status) + field_lines(self.headers) + b"\r\n"

    @property
    def wants_close(self) -> bool:
        """Whether the answer says that it ends the connection."""
        return (self.headers.get("Connection") or "").lower() == "close"

    async def send(self, connection: Connection) -> None:
        """Put it onto the wire, in its own way."""
        if self.delivery is None:
            await connection.send(self.head + self.body)
        else:
            await self.delivery.deliver(self, connection)
        if self.wants_close:
            connection.close()


class Delivery(Protocol):
    """A way to put an answer onto the wire. It may end the connection."""

    async def deliver(self, response: Response, connection: Connection) -> None:
        """Send it."""


def response(
    status: int, body: bytes = b"", *fields: tuple[str, str], media_type: str | None = None
) -> Response:
    """An answer with a true Content-Length."""
    kind = (("Content-Type", media_type),) if media_type else ()
    return Response(status, Headers((*kind, ("Content-Length", str(len(body))), *fields)), body)


def error(status: int, code: str, message: str = "", *fields: tuple[str, str]) -> Response:
    """An answer with an error body as in the OCI distribution spec 1.1, section Error Codes."""
    entry = {"code": code, "message": message or code.lower().replace("_", " "), "detail": None}
    body = json.dumps({"errors": [entry]}).encode()
    return response(status, body, *fields, media_type="application/json")
