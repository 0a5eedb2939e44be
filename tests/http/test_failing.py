"""Hosts that do not answer, or not with HTTP."""

import traceback

import anyio
import pytest

from image_sync.errors import ErrorKind
from image_sync.events import Event
from image_sync.http import Http
from image_sync.model import TlsPolicy
from tests.hostile import (
    Drip,
    Dropped,
    Fault,
    HostileRegistry,
    HugeFields,
    InformationalStorm,
    Manner,
    RawBytes,
    RawPort,
    Refused,
    Stalled,
    closed_port,
)
from tests.hostile.fault import Behaviour
from tests.http.asking import (
    CANARY,
    HASTY,
    Names,
    body_of,
    failure_of,
    get,
    kind_of,
    nothing,
    statuses,
)

pytestmark = pytest.mark.anyio

TWO_LENGTHS = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"
BOTH_FRAMINGS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
)


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        pytest.param(Refused(), ErrorKind.NETWORK, id="row-19-reset"),
        pytest.param(Dropped(), ErrorKind.NETWORK, id="row-19-eof"),
        pytest.param(Stalled(), ErrorKind.TIMEOUT, id="row-25-silent"),
        pytest.param(Drip(0.01, head=True), ErrorKind.TIMEOUT, id="row-25-slow-head"),
        pytest.param(InformationalStorm(), ErrorKind.TIMEOUT, id="row-62-storm-of-103"),
        pytest.param(HugeFields(), ErrorKind.BAD_CONTENT, id="row-62-huge-field"),
        pytest.param(HugeFields(fields=2000), ErrorKind.BAD_CONTENT, id="row-62-many-fields"),
        pytest.param(RawBytes(TWO_LENGTHS), ErrorKind.BAD_CONTENT, id="row-62-two-lengths"),
        pytest.param(RawBytes(BOTH_FRAMINGS), ErrorKind.BAD_CONTENT, id="row-62-two-framings"),
        pytest.param(RawBytes(b"SSH-2.0-x\r\n\r\n"), ErrorKind.BAD_CONTENT, id="not-http"),
        pytest.param(RawBytes(b"HTTP/1.1 2\x00\r\n\r\n"), ErrorKind.BAD_CONTENT, id="no-status"),
    ],
)
async def test_no_answer_is_one_error_after_one_request(
    behaviour: Behaviour, kind: ErrorKind
) -> None:
    """In time, of the right kind, and never repeated behind our back."""
    events: list[Event] = []
    async with (
        HostileRegistry() as registry,
        Http(policies={}, emit=events.append, deadlines=HASTY) as http,
    ):
        registry.inject(Fault("GET", "*", behaviour))
        error = await failure_of(http, get(registry.host))
        assert error.kind is kind
        assert (error.method, error.url) == ("GET", f"{registry.url}/v2/")
        assert len(registry.requests) == 1
    assert statuses(events) == [None]


async def test_a_stale_connection_is_not_repeated_either() -> None:
    """A kept connection that breaks is one failure; repeating is decided above (fault row 19)."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        await body_of(http, get(registry.host))
        registry.inject(Fault("GET", "*", Refused(), times=1))
        assert await kind_of(http, get(registry.host)) is ErrorKind.NETWORK
        assert len(registry.requests) == 2


async def test_nobody_listens() -> None:
    """Connection refused says so."""
    async with Http(policies={}, emit=nothing) as http:
        error = await failure_of(http, get(closed_port()))
    assert error.kind is ErrorKind.NETWORK
    assert "connection refused" in error.message


async def test_a_name_that_does_not_resolve() -> None:
    """Fault row 59."""
    async with Http(policies={}, emit=nothing, resolver=Names({})) as http:
        error = await failure_of(http, get("no.example:5000"))
    assert error.kind is ErrorKind.NETWORK
    assert "does not resolve" in error.message


async def test_one_dead_address_of_two_is_survived() -> None:
    """Fault row 59: the next address is tried."""
    async with HostileRegistry("127.0.0.2") as registry:
        port = registry.host.rpartition(":")[2]
        names = Names({"r.example": ("127.0.0.9", "127.0.0.2")})
        async with Http(policies={}, emit=nothing, resolver=names) as http:
            assert (await body_of(http, get(f"r.example:{port}")))[0] == 200


@pytest.mark.parametrize("tls", [TlsPolicy.VERIFY, TlsPolicy.LENIENT])
async def test_a_silent_handshake_times_out(tls: TlsPolicy) -> None:
    """TLS has the connect deadline."""
    async with (
        RawPort(manner=Manner.SILENT) as port,
        Http(policies={}, emit=nothing, deadlines=HASTY) as http,
    ):
        assert await kind_of(http, get(port.host, tls=tls)) is ErrorKind.TIMEOUT


async def test_no_error_shows_a_signature_even_in_its_traceback() -> None:
    """aiohttp's texts hold whole URLs; ours and what they are chained to do not."""
    async with (
        RawPort(manner=Manner.SILENT) as port,
        HostileRegistry() as registry,
        Http(policies={}, emit=nothing, deadlines=HASTY) as http,
    ):
        registry.inject(Fault("GET", "/v2/huge", HugeFields()))
        registry.inject(Fault("GET", "/v2/drop", Dropped()))
        target = f"?sig={CANARY}"
        for request in (
            get(port.host, f"/v2/{target}", tls=TlsPolicy.VERIFY),
            get(registry.host, f"/v2/huge{target}"),
            get(registry.host, f"/v2/drop{target}"),
            get(registry.host, f"http://[::1{target}"),
            get(registry.host, f"http://u:{CANARY}@127.0.0.1/"),
            get(closed_port(), f"/v2/{target}"),
        ):
            error = await failure_of(http, request)
            assert CANARY not in "".join(traceback.format_exception(error))


async def test_cancelling_a_request_is_not_an_error_of_ours() -> None:
    """Cancellation passes through, wherever the request is."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        stalled = Stalled()
        registry.inject(Fault("GET", "*", stalled))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(body_of, http, get(registry.host))
            await stalled.gate.reached()
            tasks.cancel_scope.cancel()
        assert tasks.cancel_scope.cancelled_caught
