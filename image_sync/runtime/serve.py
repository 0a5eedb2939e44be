"""An HTTP server within a block of ours: uvicorn, without its signals, its log and its sockets.

Not here: what is served (`server/`).
"""

import asyncio
import ipaddress
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import NamedTuple

import anyio
import h11
import msgspec
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from image_sync.errors import ListenError
from image_sync.runtime.certificate import Certificate, context_of

App = Callable[..., Awaitable[None]]
"""An ASGI application: https://asgi.readthedocs.io/en/latest/specs/main.html."""

_LAST_WORDS = 1.0
"""Seconds that applications have to end after they were cancelled."""
_LOOKS = 10
"""Times within a profile's patience that a connection is looked at: so precise is its end."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What clients may ask of a server, and how long each may keep it waiting.

    Attributes:
        patience: Seconds that a connection has until its request came and its answer went, and from
            each answer to the next.
        renewed: Whether patience begins anew with every byte of a body that comes and every byte of
            an answer that is taken, and lasts while the application works; to a tenth. A request's
            line and fields are due as a whole all the same.
        keep_alive: Seconds that a connection is kept for another request.
        grace: Seconds that answers under way have when the block ends.
        head: Bytes of a request's line and fields.
        connections: At once; with one more, the one that waits longest makes room.
        certificate: What the server shows; it speaks TLS then.
    """

    patience: float
    renewed: bool
    keep_alive: float
    grace: float
    head: int
    connections: int
    certificate: Certificate | None = None


PAGES = Profile(
    patience=10,  # what the slowest of the usual probes has (Prometheus' `scrape_timeout`)
    renewed=False,
    keep_alive=5,  # uvicorn's own
    grace=1,
    head=16 * 1024,  # a browser's cookies for one host fit (RFC 6265, 6.1: 4096 each)
    connections=128,  # a scraper, the kubelet and some people need ten
)
"""For probes, metrics and pages."""

REGISTRY = Profile(
    patience=60,  # nginx's own between two reads or writes
    renewed=True,
    keep_alive=60,  # longer than aiohttp's client keeps its own: 15
    grace=5,
    head=32 * 1024,  # tokens; as much as nginx takes (4 of 8 KiB)
    connections=256,  # forty clients with six each
)
"""For blobs of any size."""


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


def is_loopback(address: Address) -> bool:
    """True if only this machine can reach it."""
    return bool(address.host) and ipaddress.ip_address(address.host).is_loopback


@asynccontextmanager
async def serving(app: App, address: Address, profile: Profile = PAGES) -> AsyncIterator[Address]:
    """Serve for as long as the block lasts, and tell where.

    Connections are taken before the block begins and refused when it has ended; answers under way
    have the profile's grace then.

    Args:
        app: What answers.
        address: Where.
        profile: What clients may ask.

    Raises:
        ListenError: The address cannot be had or the certificate not be used; the block is not
            entered.
    """
    failure: Exception | None = None
    tls = context_of(profile.certificate) if profile.certificate else None
    with _listening(address) as listener:
        server = _Server(_settings(app, profile, tls))
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.serve, [listener])
                try:
                    yield Address(*listener.getsockname()[:2])
                except Exception as error:  # noqa: BLE001 - taken out of the task group, as it is
                    failure = error
                server.should_exit = True
        finally:
            await server.close()
    if failure is not None:
        raise failure


def _listening(address: Address) -> socket.socket:
    try:
        return _open(*address)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ListenError(f"cannot listen on {address}: {reason}") from error


def _open(host: str, port: int) -> socket.socket:
    dual = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual or ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, dualstack_ipv6=dual)
    # asyncio does it for sockets that say TCP, which these do not: a small answer would wait 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _settings(app: App, profile: Profile, tls: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=partial(_Connection, profile=profile),  # type: ignore[arg-type] # called, no more
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
        timeout_keep_alive=profile.keep_alive,  # type: ignore[arg-type] # any number will do
        timeout_graceful_shutdown=profile.grace,  # type: ignore[arg-type] # any number will do
        h11_max_incomplete_event_size=profile.head,
        ssl_context_factory=(lambda _config, _default: tls) if tls else None,
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

    async def close(self) -> None:
        """Leave nothing open and nothing running, whatever the end was."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            if isinstance(connection, _Connection):
                connection.cut()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            if not task.cancelling():  # a second time would interrupt what it does about the first
                task.cancel()
        if tasks:
            with anyio.CancelScope(shield=True):
                await asyncio.wait(tasks, timeout=_LAST_WORDS)


class _Connection(H11Protocol):
    """A connection that is not kept waiting: neither for a request nor to take its answer."""

    def __init__(self, *args: object, profile: Profile, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type] # uvicorn's own, passed on
        self._profile = profile
        self._since = 0.0  # on the loop's clock
        self._unsent = 0  # bytes, when last looked
        self._next_look: asyncio.TimerHandle | None = None

    def connection_made(  # type: ignore[override] # as in uvicorn
        self, transport: asyncio.Transport
    ) -> None:
        """Begin; where there are too many, the one that waits longest makes room."""
        self._socket = _below_tls(transport)
        super().connection_made(transport)
        self._wait_anew()
        self._look()
        others = [other for other in self.connections if isinstance(other, _Connection)]
        if len(others) > self._profile.connections:
            min(others, key=_Connection.standing).cut()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        if self._profile.renewed and not self._is_between_requests():
            self._wait_anew()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request; where its answer has begun already, end the connection."""
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.cut()

    def pause_writing(self) -> None:
        """Begin to wait until the client has taken more."""
        super().pause_writing()
        if self._profile.renewed:
            self._wait_anew()

    def resume_writing(self) -> None:
        """Go on: the client has taken more."""
        super().resume_writing()
        if self._profile.renewed:
            self._wait_anew()

    def on_response_complete(self) -> None:
        """Wait anew, for the client to take the answer and to ask again."""
        super().on_response_complete()
        self._wait_anew()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        if self._next_look is not None:
            self._next_look.cancel()
        super().connection_lost(exc)

    def cut(self) -> None:
        """End it at once; a TLS connection that was closed twice can do so only from below."""
        self._socket.abort()

    def standing(self) -> tuple[bool, float]:
        """Order of making room: those that wait before those that are served, the longest first."""
        return not self._is_waiting(), self._since

    def _wait_anew(self) -> None:
        self._since = self.loop.time()

    def _look(self) -> None:
        """Cut it if it waited too long, or look again later."""
        if self._profile.renewed:
            before, self._unsent = self._unsent, self._count_unsent()
            if self._unsent < before or not self._is_waiting():
                self._wait_anew()
        left = self._since + self._profile.patience - self.loop.time()
        if left <= 0:
            self.cut()
        else:
            pause = min(left, self._profile.patience / _LOOKS)
            self._next_look = self.loop.call_later(pause, self._look)

    def _is_between_requests(self) -> bool:
        cycle = self.cycle
        return cycle is None or cycle.response_complete  # type: ignore[redundant-expr] # none yet

    def _is_waiting(self) -> bool:
        """Whether it is the client's turn, not the application's."""
        if not self._profile.renewed or self._is_between_requests() or self.flow.write_paused:
            return True
        cycle = self.cycle
        is_ours = cycle.body or self.flow.read_paused or cycle.waiting_for_100_continue
        return cycle.more_body and not is_ours

    def _count_unsent(self) -> int:
        """Bytes of answers that the client has yet to take, the kernel's not counted."""
        size = self._socket.get_write_buffer_size()
        if self._socket is not self.transport and not self.transport.is_closing():
            size += self.transport.get_write_buffer_size()
        return size


def _below_tls(transport: asyncio.Transport) -> asyncio.WriteTransport:
    """The transport of a socket; asyncio has no public way to what is below TLS."""
    below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    return below if isinstance(below, asyncio.WriteTransport) else transport
