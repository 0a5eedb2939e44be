"""Answers that are right and do not come, or come too slowly (rows 25 and 26)."""

import anyio
from typing_extensions import override

from tests.hostile.behaviours.delivered import Delivered
from tests.hostile.connection import Connection
from tests.hostile.fault import Exchange
from tests.hostile.gate import Gate
from tests.hostile.response import Response

_PIECE_BYTES = 64 * 1024  # what a client that is alive takes within any patience


class Stalled(Delivered):
    """Nothing more after `after` bytes of the body, or nothing at all, until the gate opens (25).

    A gate that nobody opens holds until the client hangs up or the server ends.
    """

    def __init__(self, after: int | None = None, *, gate: Gate | None = None) -> None:
        self.gate = gate or Gate()
        self._after = after

    @override
    async def deliver(self, response: Response, connection: Connection) -> None:
        whole = response.head + response.body
        sent = 0 if self._after is None else len(response.head) + self._after
        if sent:
            await connection.send(whole[:sent])
        await connection.hold(self.gate)
        await connection.send(whole[sent:])


class Drip(Delivered):
    """One byte each `interval` seconds, which beats a time-out per read (row 25).

    The head comes at once unless `head` is set; then it drips too.
    """

    def __init__(self, interval: float, *, head: bool = False) -> None:
        self._interval = interval
        self._head = head

    @override
    async def deliver(self, response: Response, connection: Connection) -> None:
        whole = response.head + response.body
        start = 0 if self._head else len(response.head)
        await connection.send(whole[:start])
        for position in range(start, len(whole)):
            await connection.send(whole[position : position + 1])
            await anyio.sleep(self._interval)


class Unread:
    """The request's body stays in the sockets until the gate opens (row 26).

    Then the answer is honest. Meanwhile the client cannot send more than the sockets hold.
    """

    def __init__(self, gate: Gate | None = None) -> None:
        self.gate = gate or Gate()

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer, late."""
        await self.gate.hold()
        return await exchange.proceed()


class Impatient(Delivered):
    """RST once the client has taken nothing for `patience` seconds, as servers do (row 26).

    A client that takes all of it in time gets all of it.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.lost = Gate()  # reached when it has cut a connection

    @override
    async def deliver(self, response: Response, connection: Connection) -> None:
        whole = memoryview(response.head + response.body)
        for start in range(0, len(whole), _PIECE_BYTES):
            with anyio.move_on_after(self._patience) as waiting:
                await connection.send(whole[start : start + _PIECE_BYTES])
            if waiting.cancelled_caught:
                connection.reset()
                self.lost.open()
                await self.lost.hold()
                return


class Held:
    """The request waits at the gate before it has any effect; then the answer is honest.

    For tests that need an order: this HEAD is answered only after that one.
    """

    def __init__(self, gate: Gate | None = None) -> None:
        self.gate = gate or Gate()

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer, late."""
        await exchange.connection.read_body(exchange.request)
        await exchange.connection.hold(self.gate)
        return await exchange.proceed()
