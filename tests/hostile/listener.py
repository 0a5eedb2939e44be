"""A listening socket and the connections it accepted, owned together.

The only place that starts and ends sockets; what is said on them is the caller's.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from itertools import count

import anyio

from tests.hostile.connection import Connection, Hangup

_PATIENCE_SECONDS = 5.0  # for handlers to end once they were cancelled: they take milliseconds


def closed_port(address: str = "127.0.0.1") -> str:
    """HOST:PORT where nothing listens, so that connecting is refused (fault row 19)."""
    with socket.create_server((address, 0)) as listener:
        return f"{address}:{listener.getsockname()[1]}"


class Listener:
    """Serves each connection in a task that `stop` ends, stalled or not."""

    def __init__(
        self,
        serve: Callable[[Connection], Awaitable[None]],
        address: str,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        self.address = address
        self.port = port  # 0: the kernel's choice, kept from the first start on
        self.tls = tls
        self._serve = serve
        self._patience = patience  # seconds
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], Connection] = {}
        self._numbers = count(1)
        self._bugs: list[Exception] = []

    @property
    def host(self) -> str:
        """HOST:PORT."""
        return f"{self.address}:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._open)

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(
            self._accept, self.address, self.port, ssl=self.tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse new connections and cut the open ones.

        Raises:
            ExceptionGroup: Serving failed meanwhile, by a mistake of ours.
            TimeoutError: A handler does not end, by another one; it is left behind.
        """
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        with anyio.move_on_after(self._patience, shield=True) as ending:
            for task, connection in self._open.items():
                connection.abort()
                task.cancel()
            if self._open:
                await asyncio.wait(self._open)
            await server.wait_closed()
        if self._bugs:
            raise ExceptionGroup(f"{self.host} could not serve", self._bugs)
        if ending.cancelled_caught:
            raise TimeoutError(f"a handler of {self.host} still runs: {[*self._open]}")

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("asyncio runs this in a task of its own")
        connection = Connection(next(self._numbers), reader, writer)
        self._open[task] = connection
        try:
            await self._serve(connection)
        except Hangup:
            pass
        except Exception as error:  # noqa: BLE001 - raised again by `stop`
            self._bugs.append(error)
        finally:
            connection.close()
            del self._open[task]
