"""The relay moves bytes both ways, holds nothing, and says what it met."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from image_sync.engines.relay import Relay, listen, relaying

pytestmark = pytest.mark.anyio

PATIENCE = 30.0  # seconds; no test comes near it


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    """Sends everything back, and the end after it."""

    async def echo(stream: SocketStream) -> None:
        async with stream:
            async for chunk in stream:
                await stream.send(chunk)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.2")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, echo)
        yield listener.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def to_echo() -> AsyncIterator[Relay]:
    async with echo_server() as port, relaying(await listen(), "127.0.0.2", port) as relay:
        with anyio.fail_after(PATIENCE):
            yield relay


async def exchange(relay: Relay, content: bytes) -> bytes:
    """What comes back for some bytes, until the other side ends."""
    received = bytearray()
    async with (
        await anyio.connect_tcp("127.0.0.1", relay.port) as stream,
        anyio.create_task_group() as tasks,
    ):

        async def send() -> None:
            await stream.send(content)
            await stream.send_eof()

        tasks.start_soon(send)
        async for chunk in stream:
            received += chunk
    return bytes(received)


@pytest.mark.parametrize("size", [0, 1, 20_000_000])
async def test_bytes_pass_unchanged_and_are_counted(size: int) -> None:
    """More than any buffer, both ways at once, with the half-closed end passed on."""
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with to_echo() as relay:
        assert await exchange(relay, content) == content
        assert relay.sent == size
        assert relay.host == f"127.0.0.1:{relay.port}"
        assert relay.failure is None


async def test_connections_do_not_mix() -> None:
    """Each has its own way."""
    answers: dict[int, bytes] = {}

    async with to_echo() as relay:

        async def one(number: int) -> None:
            answers[number] = await exchange(relay, b"%d" % number * 1000)

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(one, number)
    assert answers == {number: b"%d" % number * 1000 for number in range(100)}


async def test_a_slow_reader_holds_the_sender_back() -> None:
    """Memory does not grow with what a fast side sends (fault row 26)."""
    async with to_echo() as relay, await anyio.connect_tcp("127.0.0.1", relay.port) as stream:
        with anyio.move_on_after(1.0):
            while True:  # nobody reads what comes back
                await stream.send(b"x" * 1_000_000)
        assert relay.sent < 60_000_000  # what the kernel's socket buffers take, at most


async def test_an_unreachable_cache_is_noted() -> None:
    """The tool sees a closed connection; the reason is here."""
    with socket.create_server(("127.0.0.2", 0)) as closed:
        port = closed.getsockname()[1]
    async with relaying(await listen(), "127.0.0.2", port) as relay:
        with anyio.fail_after(PATIENCE):
            assert await exchange(relay, b"") == b""
        assert relay.failure is not None
        assert f"('127.0.0.2', {port})" in relay.failure


async def test_a_broken_connection_breaks_alone() -> None:
    """A client that resets its connection does not disturb the next one."""
    async with to_echo() as relay:
        stream = await anyio.connect_tcp("127.0.0.1", relay.port)
        await stream.send(b"x" * 100_000)
        raw = stream.extra(SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        await stream.aclose()
        assert await exchange(relay, b"fine") == b"fine"


async def test_the_relay_ends_with_its_block() -> None:
    """Open connections do not outlive it, and its port is closed."""
    async with to_echo() as relay:
        stream = await anyio.connect_tcp("127.0.0.1", relay.port)
        await stream.send(b"x")
        await stream.receive()
    with anyio.fail_after(PATIENCE), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
        await stream.receive()
    await stream.aclose()
    with pytest.raises(OSError, match=r"."):
        await anyio.connect_tcp("127.0.0.1", relay.port)


async def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    """Not wrapped into a group."""
    with pytest.raises(KeyError, match="mine"):
        async with relaying(await listen(), "127.0.0.2", 1):
            raise KeyError("mine")


async def test_cancellation_goes_through_the_block() -> None:
    """A cancelled copy ends its relay."""
    with anyio.CancelScope() as scope:
        async with to_echo():
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
