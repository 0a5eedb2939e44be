"""Answers that break off: FIN or RST before, inside or in place of a body."""

import msgspec
from typing_extensions import override

from tests.hostile.behaviours.delivered import Delivered
from tests.hostile.connection import Connection
from tests.hostile.fault import Exchange
from tests.hostile.response import Response


class Truncated(Delivered):
    """FIN after `after` bytes of the body.

    With `declared` the full Content-Length was promised (row 22); without it there is none, and
    the short body looks like a success (row 23).
    """

    def __init__(self, after: int, *, declared: bool = True) -> None:
        self._after = after
        self._declared = declared

    @override
    async def deliver(self, response: Response, connection: Connection) -> None:
        headers = response.headers.replacing("Connection", "close")
        if not self._declared:
            headers = headers.without("Content-Length")
        head = msgspec.structs.replace(response, headers=headers).head
        await connection.send(head + response.body[: self._after])
        connection.close()


class Reset(Delivered):
    """RST after `after` bytes of the body (row 20), or before any byte of the answer (row 19).

    The request has had its effect. Of a long body the client may see less than `after`: RST drops
    what the client's window had no room for.
    """

    def __init__(self, after: int | None = None) -> None:
        self._after = after

    @override
    async def deliver(self, response: Response, connection: Connection) -> None:
        if self._after is not None:
            await connection.send(response.head + response.body[: self._after])
        connection.reset()


class Dropped(Delivered):
    """FIN in place of an answer; the request has had its effect.

    On a PUT of a manifest: stored, and the answer is lost (row 54).
    """

    @override
    async def deliver(self, response: Response, connection: Connection) -> None:
        connection.close()


class Refused:
    """FIN or RST in place of an answer; the request has had no effect (row 19).

    The head of the request was read, its body was not: a client that is still sending sees RST.
    """

    async def __call__(self, exchange: Exchange) -> Response:
        """An answer that is never sent."""
        return Response(0, delivery=self)

    async def deliver(self, response: Response, connection: Connection) -> None:
        """Cut the connection."""
        connection.reset()
