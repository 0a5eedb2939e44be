"""A TCP proxy that adds latency and takes no throughput away: `ADDRESS HOST:PORT DELAY_MS`.

Whatever arrives is passed on DELAY_MS later, in each direction, however much is under way. The
handshake of TCP is not delayed, so a new connection costs one round trip less than in a real
network. It prints its port and runs until it is killed. To each line on its standard input it
answers with the bytes that the server has sent so far, whether anybody took them or not, less the
heads of HTTP responses.
"""

import asyncio
import socket
import sys
from collections import deque

from typing_extensions import override

_BACKLOG = 1024  # connections that a burst of processes may open at once


class _Bodies:
    """How many bytes came in that are no heads of HTTP/1.1 responses.

    A server begins an answer when it has read the question, which is asked when the answer before
    has been taken: so a head is at the start of what arrives. One that is cut counts as a body.
    """

    def __init__(self) -> None:
        self.bytes = 0

    def add(self, data: bytes) -> None:
        head = data.find(b"\r\n\r\n") + 4 if data.startswith(b"HTTP/1.") else 0
        self.bytes += len(data) - (head if head > 3 else 0)


class _Side(asyncio.Protocol):
    """One of the two connections: what comes in here goes out at the peer, `delay` s later."""

    def __init__(self, delay: float, count: _Bodies) -> None:
        self.peer: _Side
        self._count = count
        self._delay = delay
        self._transport: asyncio.Transport
        # One entry for each timer. Timers that are due at once run in no certain order, so each
        # takes the oldest entry, not one of its own. b"" is FIN, None the end of the connection.
        self._under_way: deque[bytes | None] = deque()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("TCP gives a transport for both directions")
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self._count.add(data)
        self._pass_on_later(data)

    @override
    def eof_received(self) -> bool:
        self._pass_on_later(b"")
        return True  # the other direction stays open

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._pass_on_later(None)

    @override
    def pause_writing(self) -> None:
        self.peer._transport.pause_reading()

    @override
    def resume_writing(self) -> None:
        self.peer._transport.resume_reading()

    def _pass_on_later(self, data: bytes | None) -> None:
        self._under_way.append(data)
        asyncio.get_running_loop().call_later(self._delay, self._pass_on)

    def _pass_on(self) -> None:
        data, outgoing = self._under_way.popleft(), self.peer._transport
        if data is None:
            outgoing.close()
        elif not outgoing.is_closing():
            if data:
                outgoing.write(data)
            else:
                outgoing.write_eof()


async def forward(listener: socket.socket, upstream: str, delay: float) -> None:
    """Serve a listening socket: everything to HOST:PORT, `delay` seconds each way."""
    loop = asyncio.get_running_loop()
    questions, answers = _Bodies(), _Bodies()
    loop.add_reader(sys.stdin, _tell, answers)
    address, _, port = upstream.rpartition(":")
    listener.setblocking(False)
    while True:
        accepted, _ = await loop.sock_accept(listener)
        near, far = _Side(delay, questions), _Side(delay, answers)
        near.peer, far.peer = far, near
        try:
            await loop.create_connection(lambda far=far: far, address, int(port))  # type: ignore[misc]
        except OSError:
            accepted.close()
            continue
        await loop.connect_accepted_socket(lambda near=near: near, accepted)  # type: ignore[misc]


def _tell(answers: _Bodies) -> None:
    if sys.stdin.readline():
        print(answers.bytes, flush=True)  # noqa: T201 - the parent reads it
    else:
        asyncio.get_running_loop().remove_reader(sys.stdin)


def main(address: str, upstream: str, delay_ms: str) -> None:
    """Listen, print the port, forward until killed."""
    with socket.create_server((address, 0), backlog=_BACKLOG) as listener:
        print(listener.getsockname()[1], flush=True)  # noqa: T201 - the parent reads it
        asyncio.run(forward(listener, upstream, float(delay_ms) / 1000))


if __name__ == "__main__":
    main(*sys.argv[1:])
