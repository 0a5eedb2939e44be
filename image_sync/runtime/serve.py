"""An HTTP server within a block of ours: uvicorn, without its signals, its log and its sockets.

Not here: what is served (`server/`).
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import NamedTuple

import anyio
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from image_sync.errors import ListenError

App = Callable[..., Awaitable[None]]
"""An ASGI application: https://asgi.readthedocs.io/en/latest/specs/main.html."""

PATIENCE = 10.0
"""Seconds that a connection has until its request came and its answer went, and from each answer
to the next: what the slowest of the usual probes has (Prometheus' `scrape_timeout`)."""
_KEEP_ALIVE = 5
"""Seconds that a connection is kept for another request; uvicorn's own."""
_GRACE = 1
"""Seconds that answers under way have when the block ends."""
_HEAD = 16 * 1024
"""Bytes of a request's line and fields; a browser's cookies for one host fit (RFC 6265, 6.1: 4096
each)."""
_CONNECTIONS = 128
"""At once; a scraper, the kubelet and some people need ten."""


class Address(NamedTuple):
    """Where to listen.

    Attributes:
        host: An IP address; empty for every address, of either family where the system has both.
        port: 0 for any that is free.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@asynccontextmanager
async def serving(
    app: App, address: Address, *, patience: float = PATIENCE
) -> AsyncIterator[Address]:
    """Serve for as long as the block lasts, and tell where.

    Connections are taken before the block begins and refused when it has ended; answers under way
    have a second then.

    Args:
        app: What answers.
        address: Where.
        patience: Seconds that a client has for each request with its answer.

    Raises:
        ListenError: The address cannot be had; the block is not entered.
    """
    failure: Exception | None = None
    with _listening(address) as listener:
        server = _Server(_settings(app, patience))
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.serve, [listener])
                try:
                    yield Address(*listener.getsockname()[:2])
                except Exception as error:  # noqa: BLE001 - taken out of the task group, as it is
                    failure = error
                server.should_exit = True
        finally:
            server.close()
    if failure is not None:
        raise failure


def _listening(address: Address) -> socket.socket:
    try:
        return _open(*address)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ListenError(f"cannot listen on {address}: {reason}") from error


def _open(host: str, port: int) -> socket.socket:
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=True)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def _settings(app: App, patience: float) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=partial(_Connection, patience=patience),  # type: ignore[arg-type] # called, no more
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        # Anybody who can connect could fill the log; the application tells of its own failures.
        log_level=logging.CRITICAL,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        workers=1,  # or a variable of other programs decides
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
        h11_max_incomplete_event_size=_HEAD,
    )


class _Server(uvicorn.Server):
    """A server that leaves the signals of the process alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.servers: list[asyncio.base_events.Server] = []

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    def close(self) -> None:
        """Leave nothing open, whatever the end was."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class _Connection(H11Protocol):
    """A connection that is not kept waiting: neither for a request nor to take its answer."""

    def __init__(self, *args: object, patience: float, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type] # uvicorn's own, passed on
        self._patience = patience
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(  # type: ignore[override] # as in uvicorn
        self, transport: asyncio.Transport
    ) -> None:
        """Begin; where there are too many, the one that waits longest makes room."""
        super().connection_made(transport)
        self._wait()
        others = [other for other in self.connections if isinstance(other, _Connection)]
        if len(others) > _CONNECTIONS:
            min(others, key=_Connection.due).transport.abort()

    def on_response_complete(self) -> None:
        """Wait anew, for the client to take the answer and to ask again."""
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    def due(self) -> float:
        """When it is cut off, on the loop's clock."""
        return self._deadline.when() if self._deadline else 0.0

    def _wait(self) -> None:
        self._stop()
        self._deadline = self.loop.call_later(self._patience, self.transport.abort)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
