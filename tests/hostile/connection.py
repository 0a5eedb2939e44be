"""One accepted connection: reading requests, sending bytes, and the ways to end it.

What is sent belongs in `response.py` and `behaviours/`.
"""

import asyncio
import socket
import struct

import anyio

from tests.hostile.gate import Gate
from tests.hostile.message import BadRequest, Request

_READ_BYTES = 64 * 1024  # one read of the socket
_HEAD_BYTES = 64 * 1024  # more than any head of an honest client
_TLS_HANDSHAKE = 0x16  # record type of a ClientHello: RFC 8446, section 5.1
_LINGER_NONE = struct.pack("ii", 1, 0)  # l_onoff, l_linger in seconds: close sends RST


class Hangup(Exception):  # noqa: N818 - an event, not a mistake
    """The client ended the connection."""


class Connection:
    """The server's end of one TCP or TLS connection."""

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self.closed = False
        self.record: bytearray | None = None  # set: every byte received, decrypted
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._body_pending = False
        writer.transport.set_write_buffer_limits(high=0)  # so that `send` waits for the kernel

    async def read_head(self) -> bytes:
        """The bytes of the next request up to and with its empty line.

        Raises:
            Hangup: There is no further request.
            BadRequest: It is too long, or a TLS handshake.
        """
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            await self._fill()
            if self._buffer[0] == _TLS_HANDSHAKE:
                raise BadRequest("a TLS handshake on a plain HTTP port")
            if len(self._buffer) > _HEAD_BYTES:
                raise BadRequest("head too long")
        self._body_pending = True
        return self._take(end + 4)

    async def read_something(self) -> None:
        """Wait until bytes of any kind have come.

        Raises:
            Hangup: None came.
        """
        await self._fill()

    async def read_body(self, request: Request, most: int | None = None) -> None:
        """Fill `request.body`, unless that has happened already.

        With `most`, stop when so many bytes of it are there; the connection is of no use then.
        """
        if not self._body_pending:
            return
        if (request.headers.get("Expect") or "").lower() == "100-continue":
            await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if (request.headers.get("Transfer-Encoding") or "").lower() == "chunked":
            await self._read_chunks(request.body, most)
        else:
            length = int(request.headers.get("Content-Length") or 0)
            await self._move(length if most is None else min(most, length), request.body)
        self._body_pending = False

    async def send(self, data: bytes | memoryview) -> None:
        """Send bytes; returns when the kernel has taken them.

        Raises:
            Hangup: The client is gone.
        """
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError as error:
            raise Hangup from error

    async def hold(self, gate: Gate) -> None:
        """Stay at a gate as long as the client stays connected.

        Raises:
            Hangup: The client is gone.
        """
        gone = False

        async def watch() -> None:
            nonlocal gone
            try:
                while True:
                    await self._fill()
            except Hangup:
                gone = True
                group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            await gate.hold()
            group.cancel_scope.cancel()
        if gone:
            raise Hangup

    def close(self) -> None:
        """End in order: what was sent arrives, then FIN."""
        self.closed = True
        self._writer.close()

    def reset(self) -> None:
        """End at once with RST; what the client has not read yet may be lost."""
        self.closed = True
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        self._writer.transport.abort()

    def abort(self) -> None:
        """End at once and drop what was not sent yet."""
        self.closed = True
        self._writer.transport.abort()

    async def _fill(self) -> None:
        try:
            data = await self._reader.read(_READ_BYTES)
        except (OSError, EOFError) as error:  # ssl.SSLError is an OSError
            raise Hangup from error
        if not data:
            raise Hangup
        if self.record is not None:
            self.record += data
        self._buffer += data

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            await self._fill()
        return self._take(end + 2)

    async def _move(self, count: int, into: bytearray) -> None:
        while count > 0:
            if not self._buffer:
                await self._fill()
            piece = self._take(min(count, len(self._buffer)))
            into += piece
            count -= len(piece)

    async def _read_chunks(self, into: bytearray, most: int | None = None) -> None:
        while size := int((await self._line()).split(b";")[0], 16):
            if most is not None and len(into) + size >= most:
                await self._move(most - len(into), into)
                return
            await self._move(size, into)
            await self._line()
        while await self._line() != b"\r\n":
            pass
