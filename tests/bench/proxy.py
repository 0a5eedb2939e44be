"""A TCP proxy that adds latency and takes no throughput away: `ADDRESS HOST:PORT DELAY_MS`.

Whatever arrives is passed on DELAY_MS later, in each direction, however much is under way. The
handshake of TCP is not delayed, so a new connection costs one round trip less than in a real
network. It prints its port and runs until it is killed.
"""

import asyncio
import socket
import sys
from collections import deque

from typing_extensions import override

_BACKLOG = 1024  # connections that a burst of processes may open at once


class _Side(asyncio.Protocol):
    """One of the two connections: what comes in here goes out at the peer, `delay` s later."""

    def __init__(self, delay: float) -> None:
        self.peer: _Side
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
    address, _, port = upstream.rpartition(":")
    listener.setblocking(False)
    while True:
        accepted, _ = await loop.sock_accept(listener)
        near, far = _Side(delay), _Side(delay)
        near.peer, far.peer = far, near
        try:
            await loop.create_connection(lambda far=far: far, address, int(port))  # type: ignore[misc]
        except OSError:
            accepted.close()
            continue
        await loop.connect_accepted_socket(lambda near=near: near, accepted)  # type: ignore[misc]


def main(address: str, upstream: str, delay_ms: str) -> None:
    """Listen, print the port, forward until killed."""
    with socket.create_server((address, 0), backlog=_BACKLOG) as listener:
        print(listener.getsockname()[1], flush=True)  # noqa: T201 - how the parent learns it
        asyncio.run(forward(listener, upstream, float(delay_ms) / 1000))


if __name__ == "__main__":
    main(*sys.argv[1:])
