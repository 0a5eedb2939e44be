"""Closing all connections ends, whatever the peers do."""

import socket

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from image_sync.errors import Side
from image_sync.http import Http, Request
from image_sync.model import TlsPolicy

pytestmark = pytest.mark.anyio

_UNREAD = b"x" * 4_000_000  # more than both sides' kernels buffer


async def _refuse_unread(stream: SocketStream) -> None:
    """Answer an upload at once, and read nothing of it."""
    async with stream:
        while b"\r\n\r\n" not in await stream.receive():
            pass
        await stream.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
        await anyio.sleep_forever()


async def test_a_connection_whose_peer_stopped_reading_does_not_keep_the_process() -> None:
    """An early answer to an upload leaves bytes unsent that nobody takes any more."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    listener.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, _refuse_unread)
        request = Request(
            side=Side.TARGET,
            host=f"127.0.0.1:{port}",
            tls=TlsPolicy.PLAIN,
            method="PUT",
            target="/v2/lab/app/blobs/uploads/1",
            content=_UNREAD,
        )
        with anyio.fail_after(30):
            async with Http(policies={}, emit=lambda _: None) as http, http.send(request) as answer:
                assert answer.status == 404
        tasks.cancel_scope.cancel()
    await listener.aclose()
