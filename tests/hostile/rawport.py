"""A port on which nothing speaks HTTP: for what comes before a request could be read.

TLS where plain HTTP is expected and the reverse, silence, and a reset right after accept.
"""

from enum import StrEnum
from types import TracebackType
from typing import Self, assert_never

from tests.hostile.connection import Connection
from tests.hostile.gate import Gate
from tests.hostile.listener import Listener

# What Go's net/http says to a plain request on its TLS port: the usual face of such a registry.
HTTPS_ONLY = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"


class Manner(StrEnum):
    """What the port does once something arrived."""

    REPLY = "reply"  # send `reply`, then FIN
    SILENT = "silent"  # nothing, until the client or the test ends (fault row 25)
    RESET = "reset"  # RST (fault row 19)


class RawPort:
    """Listens, keeps what it receives, and does one thing."""

    def __init__(
        self,
        address: str = "127.0.0.1",
        *,
        manner: Manner = Manner.REPLY,
        reply: bytes = HTTPS_ONLY,
    ) -> None:
        self.received = bytearray()
        self.gate = Gate()  # held by silent connections; open it to let them close
        self._listener = Listener(self._serve, address)
        self._manner = manner
        self._reply = reply

    @property
    def host(self) -> str:
        """HOST:PORT."""
        return self._listener.host

    async def __aenter__(self) -> Self:
        await self._listener.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._listener.stop()

    async def _serve(self, connection: Connection) -> None:
        connection.record = self.received
        await connection.read_something()
        match self._manner:
            case Manner.REPLY:
                await connection.send(self._reply)
            case Manner.SILENT:
                await connection.hold(self.gate)
            case Manner.RESET:
                connection.reset()
            case _:
                assert_never(self._manner)
