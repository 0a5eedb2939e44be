"""Large bodies over HTTP: served for as long as bytes move, and no longer."""

import socket
import ssl
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute, TaskStatus
from msgspec.structs import replace

from image_sync.errors import ListenError
from image_sync.runtime.certificate import Certificate
from image_sync.runtime.serve import REGISTRY, Address, serving
from tests.real.tls import Authority
from tests.server.asking import exchange, request

pytestmark = pytest.mark.anyio

ANY = Address("127.0.0.1", 0)
HASTY = replace(REGISTRY, patience=0.2)
STEADY = replace(REGISTRY, patience=0.5)
PIECE = bytes(1024 * 1024)
PIECES = 24  # together more than sockets hold
CHUNKED = "Transfer-Encoding: chunked"

Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def answer(send: Send, body: bytes) -> None:
    """One short answer."""
    fields = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def read_body(receive: Receive) -> list[int]:
    """Sizes of the parts that came; of what is cut short, none."""
    sizes: list[int] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return []
        body = message["body"]
        assert isinstance(body, bytes)
        sizes.append(len(body))
        if not message["more_body"]:
            return sizes


async def take(_scope: object, receive: Receive, send: Send) -> None:
    """An application that takes a body and tells its size."""
    await answer(send, str(sum(await read_body(receive))).encode())


async def give(send: Send, pieces: int = PIECES) -> None:
    """An answer of more than sockets hold."""
    body = PIECE * (PIECES // pieces)
    fields = [(b"content-length", str(len(PIECE) * PIECES).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    for left in reversed(range(pieces)):
        await send({"type": "http.response.body", "body": body, "more_body": left > 0})


@pytest.fixture(params=["clear", "tls"])
def trust(request: pytest.FixtureRequest, authority: Authority) -> ssl.SSLContext | None:
    """What a client believes; None for no TLS."""
    return authority.client_context() if request.param == "tls" else None


@pytest.fixture
def certificate(trust: ssl.SSLContext | None, authority: Authority) -> Certificate | None:
    """What the server shows."""
    return Certificate(*authority.issue()) if trust else None


async def connect(address: Address, trust: ssl.SSLContext | None = None) -> ByteStream:
    """A connection that holds little of what it was sent."""
    if trust is None:
        stream: ByteStream = await anyio.connect_tcp(*address)
    else:
        stream = await anyio.connect_tcp(*address, ssl_context=trust, tls_standard_compatible=False)
    of_the_kernel = stream.extra(SocketAttribute.raw_socket)
    of_the_kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    return stream


async def rest(stream: ByteStream) -> bytes:
    """What still comes until the connection ends, within two seconds."""
    data = bytearray()
    with anyio.fail_after(2):
        try:
            async for chunk in stream:
                data += chunk
        except (anyio.BrokenResourceError, ssl.SSLError):
            pass
    return bytes(data)


async def test_a_certificate_that_cannot_be_used_keeps_the_block_closed(tmp_path: Path) -> None:
    """As an address that cannot be had."""
    profile = replace(REGISTRY, certificate=Certificate(tmp_path / "a.crt", tmp_path / "a.key"))
    with pytest.raises(ListenError, match=r"a\.crt: No such file"):
        async with serving(take, ANY, profile):
            pytest.fail("the block was entered")


async def test_a_slow_upload_may_take_longer_than_patience(
    trust: ssl.SSLContext | None, certificate: Certificate | None
) -> None:
    """Each byte of a body starts the wait anew."""
    profile = replace(STEADY, certificate=certificate)
    async with serving(take, ANY, profile) as address, await connect(address, trust) as slow:
        await slow.send(request("/", "PUT", CHUNKED))
        for _ in range(7):
            await anyio.sleep(0.1)
            await slow.send(b"1\r\na\r\n")
        await slow.send(b"0\r\n\r\n")
        assert (await rest(slow)).endswith(b"\r\n\r\n7")


@pytest.mark.parametrize("pieces", [PIECES, 1], ids=["in-pieces", "at-once"])
async def test_a_slow_download_may_take_longer_than_patience(
    pieces: int, trust: ssl.SSLContext | None, certificate: Certificate | None
) -> None:
    """Each byte that the client takes starts the wait anew, whatever is yet to be taken."""

    async def gives(_scope: object, _receive: object, send: Send) -> None:
        await give(send, pieces)

    profile = replace(STEADY, certificate=certificate)
    taken = 0
    async with serving(gives, ANY, profile) as address, await connect(address, trust) as slow:
        await slow.send(request("/"))
        for part in range(1, 15):
            await anyio.sleep(0.05)
            while taken < part * len(PIECE):  # some, or the kernel says nothing of it
                taken += len(await slow.receive())
        assert taken + len(await rest(slow)) > len(PIECE) * PIECES


async def test_a_client_that_does_not_take_its_answer_is_cut_off(
    trust: ssl.SSLContext | None, certificate: Certificate | None
) -> None:
    """The application is told that nobody listens, and what is left is dropped."""
    ended = anyio.Event()

    async def gives(_scope: object, _receive: object, send: Send) -> None:
        await give(send)
        ended.set()

    profile = replace(HASTY, certificate=certificate)
    async with serving(gives, ANY, profile) as address, await connect(address, trust) as stuck:
        await stuck.send(request("/"))
        with anyio.fail_after(2):
            await ended.wait()
        assert len(await rest(stuck)) < len(PIECE) * PIECES


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a", id="half-a-request"),
        pytest.param(request("/", "PUT", "Content-Length: 9"), id="no-body"),
        pytest.param(request("/", "PUT", "Content-Length: 9") + b"a", id="half-a-body"),
        pytest.param(request("/", "PUT", CHUNKED) + b"1\r\na\r\n", id="a-chunk-and-no-more"),
        pytest.param(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na", id="no-second"),
    ],
)
async def test_a_client_that_says_too_little_is_cut_off(
    sent: bytes, trust: ssl.SSLContext | None, certificate: Certificate | None
) -> None:
    """Before a request, within one and after one."""
    profile = replace(HASTY, certificate=certificate)
    async with serving(take, ANY, profile) as address, await connect(address, trust) as slow:
        await slow.send(sent)
        await rest(slow)


async def test_a_head_that_trickles_is_cut_off() -> None:
    """Its bytes do not start the wait anew: a head is small."""
    async with serving(take, ANY, HASTY) as address, await connect(address) as slow:
        with anyio.fail_after(2), pytest.raises(anyio.BrokenResourceError):
            await _trickle(slow)


async def _trickle(stream: ByteStream) -> None:
    while True:
        await stream.send(b"G")
        await anyio.sleep(0.05)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(request("/"), id="no-body"),
        pytest.param(request("/", "PUT", "Content-Length: 1000000") + PIECE[:1000000], id="body"),
        pytest.param(request("/", "PUT", "Content-Length: 9", "Expect: 100-continue"), id="asks"),
    ],
)
async def test_an_application_may_work_longer_than_patience(sent: bytes) -> None:
    """A client that waits for us is not cut off, whatever it has yet to send."""

    async def works(scope: object, receive: Receive, send: Send) -> None:
        await anyio.sleep(0.3)
        await answer(send, b"worked")

    profile = replace(HASTY, patience=0.1)
    async with serving(works, ANY, profile) as address, await connect(address) as stream:
        await stream.send(sent)
        assert (await rest(stream)).endswith(b"worked")


async def test_a_body_waits_in_the_socket_until_it_is_read() -> None:
    """Memory is bounded: 64 KiB and what one read of a socket gives, 256 KiB, at most."""
    sizes: list[int] = []

    async def slow(_scope: object, receive: Receive, send: Send) -> None:
        await anyio.sleep(0.2)
        sizes.extend(await read_body(receive))
        await answer(send, b"")

    async with serving(slow, ANY, REGISTRY) as address, await connect(address) as stream:
        await stream.send(request("/", "PUT", f"Content-Length: {4 * len(PIECE)}"))
        await stream.send(4 * PIECE)
        await rest(stream)
    assert sum(sizes) == 4 * len(PIECE)
    assert max(sizes) <= (64 + 256) * 1024


@pytest.mark.parametrize(
    ("size", "status"),
    [pytest.param(24 * 1024, 200, id="long"), pytest.param(40 * 1024, 400, id="too-long")],
)
async def test_long_fields_pass_and_longer_ones_do_not(size: int, status: int) -> None:
    """Tokens take some room; a bound there is."""
    sent = request("/", "GET", f"Authorization: Bearer {'a' * size}")
    async with serving(take, ANY, REGISTRY) as address, await connect(address) as stream:
        await stream.send(sent[:-4])
        await exchange(address, request("/"))  # until the server has read that
        with suppress(anyio.BrokenResourceError):
            await stream.send(sent[-4:])
        assert (await rest(stream)).startswith(f"HTTP/1.1 {status}".encode())


async def test_those_that_wait_make_room_before_those_that_are_served() -> None:
    """An upload that is being stored is not given up for connections that ask nothing."""
    begun, go_on = anyio.Event(), anyio.Event()

    async def works(_scope: object, _receive: object, send: Send) -> None:
        begun.set()
        await go_on.wait()
        await answer(send, b"worked")

    async with (
        serving(works, ANY, replace(REGISTRY, connections=2)) as address,
        await connect(address) as first,
    ):
        await first.send(request("/"))
        await begun.wait()
        async with await connect(address) as idle, await connect(address):
            assert await rest(idle) == b""
            go_on.set()
            assert (await rest(first)).endswith(b"worked")


async def test_answers_under_way_have_grace() -> None:
    """What is done within it arrives, though the block has ended."""
    begun, go_on = anyio.Event(), anyio.Event()

    async def works(_scope: object, _receive: object, send: Send) -> None:
        begun.set()
        await go_on.wait()
        await answer(send, b"worked")

    async def serve(*, task_status: TaskStatus[Address]) -> None:
        async with serving(works, ANY, replace(REGISTRY, grace=5)) as address:
            task_status.started(address)
            await begun.wait()

    async with anyio.create_task_group() as tasks:
        address = await tasks.start(serve)
        async with await connect(address) as stream:
            await stream.send(request("/"))
            await begun.wait()
            with anyio.fail_after(2), pytest.raises(OSError, match="connection"):
                await _connect_again_and_again(address)
            await anyio.sleep(0.3)  # longer than uvicorn takes to end without grace: 0.1
            go_on.set()
            assert (await rest(stream)).endswith(b"worked")


async def _connect_again_and_again(address: Address) -> None:
    while True:
        await (await connect(address)).aclose()
        await anyio.sleep(0.01)


@pytest.mark.parametrize("is_cancelled", [False, True], ids=["ended", "cancelled"])
async def test_an_application_has_ended_when_the_block_has(*, is_cancelled: bool) -> None:
    """It is cancelled after grace, or at once, and what it does then is waited for."""
    begun, is_tidy = anyio.Event(), False

    async def untidy(_scope: object, _receive: object, _send: object) -> None:
        nonlocal is_tidy
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)
            is_tidy = True

    with anyio.CancelScope() as scope:
        async with serving(untidy, ANY, replace(REGISTRY, grace=0.1)) as address:
            stream = await connect(address)
            await stream.send(request("/"))
            await begun.wait()
            if is_cancelled:
                scope.cancel()
    assert is_tidy
    await stream.aclose()


async def test_a_client_that_does_not_say_goodbye_does_not_hold_the_end(
    trust: ssl.SSLContext | None, certificate: Certificate | None
) -> None:
    """TLS wants a word at the end (RFC 8446, 6.1); it is waited for as long as grace lasts."""

    async def gives(_scope: object, _receive: object, send: Send) -> None:
        await give(send, 1)

    profile = replace(REGISTRY, certificate=certificate, grace=0.1)
    async with serving(gives, ANY, profile) as address:
        stuck = await connect(address, trust)
        await stuck.send(request("/"))
        taken = len(await stuck.receive())
        began = anyio.current_time()
    assert anyio.current_time() - began < 2
    assert taken + len(await rest(stuck)) < len(PIECE) * PIECES
    await stuck.aclose()


async def test_nonsense_after_an_answer_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Or anybody who can connect could fill the log."""

    async def refuses(_scope: object, _receive: object, send: Send) -> None:
        await answer(send, b"refused")

    async with serving(refuses, ANY, REGISTRY) as address, await connect(address) as stream:
        await stream.send(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert (await stream.receive()).endswith(b"refused")
        await stream.send(b"nonsense\r\n")
        await rest(stream)
    assert caplog.records == []
