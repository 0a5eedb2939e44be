"""Bodies that are cut, too long, stalled or trickling."""

import anyio
import pytest

from image_sync.errors import ErrorKind
from image_sync.http import Http
from tests.hostile import (
    Chunked,
    Composed,
    Drip,
    Endless,
    Fault,
    HostileRegistry,
    RawBytes,
    Reset,
    Stalled,
    TooLong,
    Truncated,
)
from tests.hostile.fault import Behaviour
from tests.http.asking import HASTY, body_of, failure_of, get, nothing

pytestmark = pytest.mark.anyio

BLOB = bytes(range(256)) * 1200  # 300 KiB: more than any buffer on the way


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        pytest.param(Truncated(1000), ErrorKind.TRUNCATED, id="row-22-short"),
        pytest.param(Reset(1000), ErrorKind.TRUNCATED, id="row-20-reset"),
        pytest.param(Stalled(1000), ErrorKind.TIMEOUT, id="row-25-stalled"),
        pytest.param(Drip(0.01), ErrorKind.TIMEOUT, id="row-25-drip"),
        pytest.param(Endless(), ErrorKind.BAD_CONTENT, id="row-24-endless"),
        pytest.param(Composed(Truncated(1000), Chunked(64)), ErrorKind.TRUNCATED, id="cut-chunks"),
        pytest.param(
            RawBytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n"),
            ErrorKind.BAD_CONTENT,
            id="no-chunks",
        ),
    ],
)
async def test_a_body_that_fails_says_how(behaviour: Behaviour, kind: ErrorKind) -> None:
    """Each ends in time, as one error of ours, on one request."""
    async with (
        HostileRegistry() as registry,
        Http(policies={}, emit=nothing, deadlines=HASTY) as http,
    ):
        digest = registry.store.put_blob("a", BLOB)
        registry.inject(Fault("GET", "*", behaviour))
        error = await failure_of(http, get(registry.host, f"/v2/a/blobs/{digest}"), len(BLOB))
        assert error.kind is kind
        assert len(registry.requests) == 1


async def test_a_body_without_a_length_ends_where_it_ends() -> None:
    """Fault row 23: the wire does not tell it from a whole one; whoever knows the size counts."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        digest = registry.store.put_blob("a", BLOB)
        registry.inject(Fault("GET", "*", Truncated(1000, declared=False)))
        _, body = await body_of(http, get(registry.host, f"/v2/a/blobs/{digest}"))
    assert body == BLOB[:1000]


@pytest.mark.parametrize("behaviour", [Chunked(7000), Truncated(len(BLOB)), Drip(0.0)])
async def test_a_legal_body_arrives_whole(behaviour: Behaviour) -> None:
    """Chunked, in pieces, at once."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        blob = BLOB if not isinstance(behaviour, Drip) else BLOB[:500]
        digest = registry.store.put_blob("a", blob)
        registry.inject(Fault("GET", "*", behaviour))
        _, body = await body_of(http, get(registry.host, f"/v2/a/blobs/{digest}"))
    assert body == blob


async def test_a_limit_is_a_limit() -> None:
    """One byte more is refused, announced or not; the limit itself is fine (rows 24, 37)."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        digest = registry.store.put_blob("a", BLOB)
        asked = get(registry.host, f"/v2/a/blobs/{digest}")
        assert (await body_of(http, asked, len(BLOB)))[1] == BLOB
        assert (await failure_of(http, asked, len(BLOB) - 1)).kind is ErrorKind.BAD_CONTENT
        registry.inject(Fault("GET", "*", Composed(TooLong(1), Chunked(1000))))
        assert (await failure_of(http, asked, len(BLOB))).kind is ErrorKind.BAD_CONTENT


async def test_a_head_has_no_body_whatever_it_announces() -> None:
    """A HEAD of a large blob is not too long."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        digest = registry.store.put_blob("a", BLOB)
        asked = get(registry.host, f"/v2/a/blobs/{digest}", method="HEAD")
        assert await body_of(http, asked, 0) == (200, b"")


async def test_a_body_that_nobody_reads_is_not_fetched() -> None:
    """Leaving closes the connection instead of reading to the end."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        digest = registry.store.put_blob("a", BLOB)
        registry.inject(Fault("GET", "*", Endless()))
        async with http.send(get(registry.host, f"/v2/a/blobs/{digest}")) as response:
            async for _ in response.chunks():
                break
        assert (await body_of(http, get(registry.host, "/v2/", method="HEAD")))[0] == 200
        assert [request.connection for request in registry.requests] == [1, 2]


async def test_a_slow_consumer_is_not_the_peers_fault() -> None:
    """While we are the brake no deadline of the source runs (fault row 26)."""
    async with (
        HostileRegistry() as registry,
        Http(policies={}, emit=nothing, deadlines=HASTY) as http,
    ):
        blob = BLOB * 30  # 9 MB: more than sockets and buffers hold
        digest = registry.store.put_blob("a", blob)
        received = 0
        async with http.send(get(registry.host, f"/v2/a/blobs/{digest}")) as response:
            async for chunk in response.chunks():
                if not received:
                    await anyio.sleep(4 * HASTY.idle)  # what a stalled target would do
                received += len(chunk)
    assert received == len(blob)
