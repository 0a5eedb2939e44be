"""A client that shows what is on the wire: bytes received, and how the connection ended.

For tests of the servers here. It runs in a thread, so that no event loop reads ahead for it.
"""

import http.client
import socket
from enum import StrEnum

import anyio.to_thread
import msgspec

_DEADLINE_SECONDS = 10.0  # for one read; a test that hits it is broken


class Ending(StrEnum):
    """How the server ended the connection."""

    FIN = "fin"
    RST = "rst"


class Heard(msgspec.Struct, frozen=True):
    """Everything that came until the end."""

    data: bytes
    ending: Ending

    @property
    def head(self) -> bytes:
        """Up to the first empty line."""
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        """After the first empty line."""
        return self.data.partition(b"\r\n\r\n")[2]


class Answered(msgspec.Struct, frozen=True):
    """What http.client understood."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str:
        return next(value for key, value in self.fields if key.lower() == name.lower())


def dial(host: str) -> socket.socket:
    """A connection to HOST:PORT."""
    address, _, port = host.rpartition(":")
    return socket.create_connection((address, int(port)), timeout=_DEADLINE_SECONDS)


async def hear(host: str, sent: bytes, *, limit: int = 1 << 30) -> Heard:
    """Send bytes and listen until the server ends it, or `limit` bytes have come."""

    def talk() -> Heard:
        with dial(host) as connection:
            connection.sendall(sent)
            data = bytearray()
            while len(data) < limit:
                try:
                    piece = connection.recv(65536)
                except ConnectionResetError:
                    return Heard(bytes(data), Ending.RST)
                if not piece:
                    break
                data += piece
            return Heard(bytes(data), Ending.FIN)

    return await anyio.to_thread.run_sync(talk, abandon_on_cancel=True)


def get(target: str, *fields: str, method: str = "GET") -> bytes:
    """A request as bytes, that ends its connection."""
    lines = (f"{method} {target} HTTP/1.1", "Host: h", "Connection: close", *fields)
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


async def ask(
    host: str,
    method: str,
    target: str,
    body: bytes | None = None,
    fields: dict[str, str] | None = None,
) -> Answered:
    """The answer to one request on a connection of its own."""

    def talk() -> Answered:
        connection = http.client.HTTPConnection(host, timeout=_DEADLINE_SECONDS)
        try:
            connection.request(method, target, body=body, headers=fields or {})
            answer = connection.getresponse()
            return Answered(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    return await anyio.to_thread.run_sync(talk, abandon_on_cancel=True)
