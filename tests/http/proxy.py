"""A forward proxy on a socket: CONNECT and absolute-form requests (RFC 9110, section 9.3.6)."""

import asyncio
from types import TracebackType
from typing import Self

import anyio


class Proxy:
    """Passes everything on to where it is asked to go, and remembers what it was asked."""

    def __init__(self, *, refuse: bool = False) -> None:
        self.heads: list[bytes] = []  # of requests made to the proxy itself
        self.host = ""
        self._refuse = refuse
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.host = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        method, target = head.split(b" ", 2)[:2]
        if self._refuse:
            writer.write(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            writer.close()
            return
        if method == b"CONNECT":
            authority, first = target.decode(), b""
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            authority, slash, path = target.removeprefix(b"http://").decode().partition("/")
            first = head.replace(target, f"{slash}{path}".encode(), 1)
        host, _, port = authority.rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        far_writer.write(first)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_pump, reader, far_writer)
            tasks.start_soon(_pump, far_reader, writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # one end is gone, and so will be the other
    writer.close()
