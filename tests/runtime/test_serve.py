"""An HTTP server for the length of a block: whose sockets, signals and patience are ours."""

import logging
import signal
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import closing

import anyio
import pytest
from msgspec.structs import replace

from image_sync.errors import ListenError
from image_sync.runtime import serve
from image_sync.runtime.serve import PAGES, Address, serving
from tests.server.asking import ask, connect, exchange, read_all, request

pytestmark = pytest.mark.anyio

ANY = Address("127.0.0.1", 0)
HASTY = replace(PAGES, patience=0.2)
Send = Callable[[MutableMapping[str, object]], Awaitable[None]]


async def hello(_scope: object, _receive: object, send: Send) -> None:
    """An application that answers."""
    fields = [(b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"hello"})


async def broken(_scope: object, _receive: object, _send: Send) -> None:
    """An application that fails."""
    raise RuntimeError("planted")


async def stuck(_scope: object, _receive: object, _send: Send) -> None:
    """An application that never answers."""
    await anyio.sleep_forever()


async def test_it_answers_within_the_block_and_not_after() -> None:
    """The listener is open before the block begins, and closed when it has ended."""
    async with serving(hello, ANY) as address:
        assert (await ask(address, "/")).body == b"hello"
    with pytest.raises(OSError, match="connection"):
        await connect(address)


async def test_its_port_is_free_again_at_once() -> None:
    """A new process need not wait for connections of the old one."""
    async with serving(hello, ANY) as address:
        await ask(address, "/")
    async with serving(hello, address) as again:
        assert again == address
        assert (await ask(again, "/")).status == 200


async def test_a_port_that_is_taken_is_an_error_of_ours() -> None:
    """It says which and why, and the block is not entered."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        taken = Address(*other.getsockname())
        with pytest.raises(ListenError) as caught:
            async with serving(hello, taken):
                pytest.fail("the block was entered")
    assert str(caught.value) == f"cannot listen on {taken}: Address already in use"
    assert "settings.server.listen" in caught.value.hint


async def test_an_address_of_another_machine_is_an_error_of_ours() -> None:
    """192.0.2.0/24 is nobody's (RFC 5737)."""
    with pytest.raises(ListenError, match=r"192\.0\.2\.1:0"):
        async with serving(hello, Address("192.0.2.1", 0)):
            pytest.fail("the block was entered")


async def test_every_address_means_both_families() -> None:
    """A Pod may have an address of either."""
    async with serving(hello, Address("", 0)) as address:
        assert (await ask(Address("127.0.0.1", address.port), "/")).status == 200
        if socket.has_dualstack_ipv6():
            assert (await ask(Address("::1", address.port), "/")).status == 200


async def test_signals_stay_with_the_process() -> None:
    """A server that took SIGTERM would end before copies do."""
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    async with serving(hello, ANY) as address:
        await ask(address, "/")
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


async def test_the_failure_of_a_block_is_told_as_it_is() -> None:
    """Not wrapped in a group, and the listener is closed."""
    with pytest.raises(KeyError, match="planted"):
        async with serving(hello, ANY) as address:
            raise KeyError("planted")
    with pytest.raises(OSError, match="connection"):
        await connect(address)


async def test_a_cancelled_block_leaves_nothing_open() -> None:
    """Connections are cut, the listener is closed."""
    with anyio.CancelScope() as scope:
        async with serving(hello, ANY) as address:
            stream = await connect(address)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
            await anyio.sleep_forever()
    async with stream:
        with anyio.fail_after(1):
            await _rest(stream)
    with pytest.raises(OSError, match="connection"):
        await connect(address)


async def test_an_answer_that_never_comes_holds_the_end_for_a_second() -> None:
    """Then its connection is cut."""
    async with serving(stuck, ANY) as address:
        stream = await connect(address)
        await stream.send(request("/"))
        await anyio.wait_all_tasks_blocked()
        began = anyio.current_time()
    assert anyio.current_time() - began < 3  # a second of grace, and uvicorn's ticks
    async with stream:
        with anyio.fail_after(1):
            assert b"hello" not in await _rest(stream)


async def _rest(stream: anyio.abc.SocketStream) -> bytes:
    try:
        return await read_all(stream)
    except anyio.BrokenResourceError:
        return b""


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a", id="half-a-request"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", id="no-body"),
    ],
)
async def test_a_client_that_says_too_little_is_cut_off(sent: bytes) -> None:
    """And others are answered meanwhile."""
    async with serving(hello, ANY, HASTY) as address, await connect(address) as slow:
        await slow.send(sent)
        assert (await ask(address, "/")).status == 200
        with anyio.fail_after(2):
            await _rest(slow)


async def test_a_client_that_does_not_take_its_answer_is_cut_off() -> None:
    """What is left of the answer is dropped."""
    size = 20_000_000  # bytes; more than sockets hold

    async def long(_scope: object, _receive: object, send: Send) -> None:
        fields = [(b"content-length", str(size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": bytes(size)})

    async with serving(long, ANY, HASTY) as address, await connect(address) as slow:
        await slow.send(request("/"))
        await anyio.sleep(0.4)
        with anyio.fail_after(2):
            assert len(await _rest(slow)) < size


async def test_too_many_connections_cost_the_oldest() -> None:
    """A probe that comes anew is answered all the same."""
    async with serving(hello, ANY) as address, await connect(address) as oldest:
        crowd = [await connect(address) for _ in range(128)]
        with anyio.fail_after(2):
            await _rest(oldest)
        assert (await ask(address, "/")).status == 200
        for each in crowd:
            await each.aclose()


async def test_fields_without_end_are_refused() -> None:
    """A request's head has a bound."""
    async with serving(hello, ANY) as address, await connect(address) as stream:
        await stream.send(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000)
        with anyio.fail_after(2):
            answer = await _rest(stream)
        assert not answer.startswith(b"HTTP/1.1 200")


async def test_nothing_that_clients_do_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Or anybody who can connect could fill the log."""
    with caplog.at_level(logging.DEBUG):
        async with serving(hello, ANY) as address:
            await ask(address, "/")
            assert (await exchange(address, b"\0\r\n\r\n")).status == 400
        async with serving(broken, ANY) as address:
            assert (await ask(address, "/")).status == 500
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", ""])
def test_small_answers_do_not_wait_for_an_acknowledgement(host: str) -> None:
    """Head and body are sent apart: Nagle's algorithm would hold the body back for 40 ms."""
    with serve._listening(Address(host, 0)) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
