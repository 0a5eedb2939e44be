"""Bytes that are made for HTTP parsers (row 62). Two Content-Lengths: `fields.WithExtraField`."""

from typing_extensions import override

from tests.hostile.behaviours.delivered import Delivered
from tests.hostile.connection import Connection
from tests.hostile.fault import Exchange
from tests.hostile.message import status_line
from tests.hostile.response import Response


class InformationalStorm(Delivered):
    """`count` interim answers before the real one; None: without end (row 62)."""

    def __init__(self, count: int | None = None, *, status: int = 103) -> None:
        self._count = count
        self._interim = status_line(status) + b"\r\n"

    @override
    async def deliver(self, response: Response, connection: Connection) -> None:
        left = self._count
        while left is None or left > 0:
            await connection.send(self._interim)
            left = None if left is None else left - 1
        await connection.send(response.head + response.body)


class RawBytes:
    """These bytes in place of an answer, then FIN: no HTTP at all, a torn status line (row 62)."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __call__(self, exchange: Exchange) -> Response:
        """An answer that is only bytes."""
        await exchange.connection.read_body(exchange.request)
        return Response(0, delivery=self)

    async def deliver(self, response: Response, connection: Connection) -> None:
        """Send the bytes."""
        await connection.send(self._data)
        connection.close()
