"""An HTTP server on a real socket, owned by an `async with`: recording, faults, keep-alive.

What an honest answer is belongs in its subclasses: `registry.py`, `tokens.py`, `sink.py`.
"""

import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import msgspec

from tests.hostile.connection import Connection
from tests.hostile.fault import Exchange, Fault, Injected, matches
from tests.hostile.listener import Listener
from tests.hostile.message import BadRequest, Request
from tests.hostile.response import Response, response


class Server(ABC):
    """Answers HTTP/1.1 with keep-alive; matching faults come first, in the order of injection."""

    def __init__(
        self, address: str = "127.0.0.1", *, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.requests: list[Request] = []  # every request whose head arrived, in order
        self._listener = Listener(self._serve, address, port=port, tls=tls)
        self._faults: list[Injected] = []

    @abstractmethod
    def answer(self, request: Request) -> Response:
        """The honest answer to a request whose body is read."""

    @property
    def host(self) -> str:
        """HOST:PORT, as in references and configuration."""
        return self._listener.host

    @property
    def url(self) -> str:
        """Scheme and authority, without a final slash."""
        return f"{'https' if self._listener.tls else 'http'}://{self.host}"

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return self._listener.connections

    def inject(self, fault: Fault) -> Injected:
        """Add a fault; what comes back counts its hits."""
        injected = Injected(fault)
        self._faults.append(injected)
        return injected

    def remove(self, injected: Injected) -> None:
        """Take a fault away again."""
        self._faults.remove(injected)

    def asked(self, method: str = "*", path: str = "*", query: str = "*") -> list[Request]:
        """The requests that match, with the patterns of `Fault`."""
        return [request for request in self.requests if matches(request, method, path, query)]

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

    @asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Refuse connections meanwhile and cut the open ones; then listen again (row 50)."""
        await self._listener.stop()
        yield
        await self._listener.start()

    async def _serve(self, connection: Connection) -> None:
        try:
            while not connection.closed:
                await self._exchange(connection)
        except BadRequest as error:
            refusal = response(400, f"{error}\n".encode(), ("Connection", "close"))
            await refusal.send(connection)

    async def _exchange(self, connection: Connection) -> None:
        request = Request.parse(await connection.read_head(), connection.number)
        self.requests.append(request)

        async def honest(asked: Request) -> Response:
            await connection.read_body(asked)
            return self.answer(asked)

        exchange = Exchange(request, connection, honest)
        taken = next((b for f in self._faults if (b := f.take(request)) is not None), None)
        answer = await (taken(exchange) if taken else exchange.proceed())
        if request.method == "HEAD":
            answer = msgspec.structs.replace(answer, body=b"")
        await answer.send(connection)
        if request.wants_close:
            connection.close()
        if not connection.closed:
            await connection.read_body(request)
