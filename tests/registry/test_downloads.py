"""Large blobs come as they are from any byte on, by one try, and counted."""

from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.errors import ErrorKind, RegistryError
from image_sync.http import Deadlines
from image_sync.model import Endpoint
from image_sync.oci import Descriptor, Digest
from image_sync.registry import RegistryClient, open_blob
from tests.hostile import (
    Answer,
    Bearer,
    Behaviour,
    CdnDenial,
    Chunked,
    Composed,
    Endless,
    Fault,
    Gzipped,
    HostileRegistry,
    HtmlPage,
    OnlyRanged,
    RangeIgnored,
    Redirect,
    Refusal,
    Reset,
    ShiftedRange,
    Stalled,
    TokenServer,
    TooLong,
    Truncated,
    WithField,
    WithoutFields,
    WrongBytes,
)
from tests.registry.asking import HASTY, OPERATOR, REPOSITORY, asking, failure, source, texts

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(256)) * 400
SIZE = len(CONTENT)
BLOB = Descriptor("a/b", Digest.of(CONTENT), SIZE)
BLOBS = "/v2/*/blobs/*"


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    """Wants to know nobody, and holds one blob."""
    async with HostileRegistry() as running:
        running.store.put_blob(REPOSITORY, CONTENT)
        yield running


async def read(
    client: RegistryClient,
    endpoint: Endpoint,
    offset: int = 0,
    blob: Descriptor = BLOB,
    into: bytearray | None = None,
) -> bytes:
    """All that a download gives."""
    content = bytearray() if into is None else into
    async with (
        open_blob(client, endpoint, blob, offset) as download,
        aclosing(download.chunks()) as chunks,
    ):
        async for chunk in chunks:
            content += chunk
    return bytes(content)


@pytest.mark.parametrize("offset", [0, 1, 50_000, SIZE - 1])
async def test_a_blob_comes_from_any_byte_on(registry: HostileRegistry, offset: int) -> None:
    """By one request, which asks for a range only where there is one."""
    async with asking() as client:
        assert await read(client, source(registry.host), offset) == CONTENT[offset:]
    (request,) = registry.requests
    assert request.headers.get("Range") == (f"bytes={offset}-" if offset else None)


async def test_a_blob_that_is_at_hand_is_not_asked_for(registry: HostileRegistry) -> None:
    """The range after its last byte would be refused."""
    async with asking() as client:
        assert await read(client, source(registry.host), SIZE) == b""
    assert registry.requests == []


async def test_an_empty_blob_is_asked_for(registry: HostileRegistry) -> None:
    """Whether it is there is still to be known."""
    registry.store.put_blob(REPOSITORY, b"")
    async with asking() as client:
        blob = Descriptor("a/b", Digest.of(b""), 0)
        assert await read(client, source(registry.host), blob=blob) == b""
    assert len(registry.requests) == 1


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        pytest.param(RangeIgnored(), 1, id="ignored"),
        pytest.param(OnlyRanged(Refusal(416, "RANGE_INVALID")), 2, id="416"),
        pytest.param(OnlyRanged(HtmlPage(400)), 2, id="400"),
        pytest.param(OnlyRanged(ShiftedRange(1)), 2, id="shifted on"),
        pytest.param(OnlyRanged(ShiftedRange(-1)), 2, id="shifted back"),
        pytest.param(OnlyRanged(WithoutFields("Content-Range")), 2, id="206 without a range"),
        pytest.param(
            OnlyRanged(WithField("Content-Range", f"bytes 50000-{SIZE - 1}/{SIZE + 1}")),
            2,
            id="another total",
        ),
        pytest.param(
            OnlyRanged(WithField("Content-Range", "bytes 50000-50009/*")), 2, id="another end"
        ),
    ],
)
async def test_where_ranges_are_not_done_the_rest_comes_all_the_same(
    registry: HostileRegistry, fault: Behaviour, requests: int
) -> None:
    """What is at hand is thrown away, after at most one more request (row 21)."""
    registry.inject(Fault("GET", BLOBS, fault))
    async with (
        asking() as client,
        open_blob(client, source(registry.host), BLOB, 50_000) as download,
    ):
        assert download.skips == 50_000
        content = b"".join([chunk async for chunk in download.chunks()])
    assert content == CONTENT[50_000:]
    assert len(registry.requests) == requests
    assert "Range" not in registry.requests[-1].headers or requests == 1


async def test_a_range_of_a_total_that_is_not_told_is_one(registry: HostileRegistry) -> None:
    """RFC 9110, section 14.4, lets it be a star."""
    field = WithField("Content-Range", f"bytes 50000-{SIZE - 1}/*")
    registry.inject(Fault("GET", BLOBS, field))
    async with asking() as client:
        assert await read(client, source(registry.host), 50_000) == CONTENT[50_000:]
    assert len(registry.requests) == 1


async def test_a_part_that_nobody_asked_for_is_refused(registry: HostileRegistry) -> None:
    """206 to a request without a range is not the blob."""
    registry.inject(Fault("GET", BLOBS, Answer(206, CONTENT)))
    async with asking() as client:
        error = await failure(read(client, source(registry.host)))
    assert error.kind is ErrorKind.BAD_CONTENT


@pytest.mark.parametrize("offset", [0, 50_000])
@pytest.mark.parametrize(
    ("fault", "kind", "arrives"),
    [
        pytest.param(Reset(30_000), ErrorKind.TRUNCATED, None, id="reset, row 20"),
        pytest.param(Truncated(30_000), ErrorKind.TRUNCATED, 30_000, id="short, row 22"),
        pytest.param(
            Truncated(30_000, declared=False), ErrorKind.TRUNCATED, 30_000, id="cut, row 23"
        ),
        pytest.param(Truncated(0, declared=False), ErrorKind.TRUNCATED, 0, id="nothing, row 23"),
    ],
)
async def test_a_blob_that_breaks_off_says_so_after_what_came(
    registry: HostileRegistry, fault: Behaviour, kind: ErrorKind, arrives: int | None, offset: int
) -> None:
    """What came is good, and whoever has it asks for the rest: nothing is tried again here."""
    registry.inject(Fault("GET", BLOBS, fault))
    came = bytearray()
    async with asking(deadlines=HASTY) as client:
        error = await failure(read(client, source(registry.host), offset, into=came))
    assert error.kind is kind
    assert len(registry.requests) == 1
    assert CONTENT[offset:].startswith(came)
    assert arrives in {None, len(came)}


async def test_a_blob_that_stalls_says_so_after_what_came(registry: HostileRegistry) -> None:
    """After the time that nothing may move (row 25)."""
    registry.inject(Fault("GET", BLOBS, Stalled(30_000)))
    came = bytearray()
    async with asking(deadlines=HASTY) as client:
        error = await failure(read(client, source(registry.host), into=came))
    assert error.kind is ErrorKind.TIMEOUT
    assert came == CONTENT[:30_000]


@pytest.mark.parametrize("offset", [0, 50_000])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(TooLong(1), id="a byte too many, row 24"),
        pytest.param(Composed(Chunked(1000), TooLong(1)), id="in chunks, row 24"),
        pytest.param(Endless(), id="endless, row 24"),
    ],
)
async def test_a_blob_that_is_too_long_ends_at_its_size(
    registry: HostileRegistry, fault: Behaviour, offset: int
) -> None:
    """Not one byte beyond the descriptor's size is given out."""
    registry.inject(Fault("GET", BLOBS, fault))
    came = bytearray()
    async with asking() as client:
        error = await failure(read(client, source(registry.host), offset, into=came))
    assert error.kind is ErrorKind.BAD_CONTENT
    assert len(came) <= SIZE - offset


async def test_a_blob_that_announces_to_be_too_long_is_not_begun(
    registry: HostileRegistry,
) -> None:
    """Nothing of it is read."""
    registry.inject(Fault("GET", BLOBS, TooLong(1)))
    came = bytearray()
    async with asking() as client:
        await failure(read(client, source(registry.host), into=came))
    assert came == b""


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(Refusal(404, "BLOB_UNKNOWN"), ErrorKind.BLOB_MISSING, id="row 15"),
        pytest.param(HtmlPage(404), ErrorKind.BLOB_MISSING, id="row 14"),
        pytest.param(HtmlPage(503), ErrorKind.UNAVAILABLE, id="row 16"),
        pytest.param(Refusal(403, "DENIED"), ErrorKind.DENIED, id="row 51"),
        pytest.param(Refusal(429, "TOOMANYREQUESTS"), ErrorKind.RATE_LIMITED, id="row 8"),
    ],
)
@pytest.mark.parametrize("offset", [0, 50_000])
async def test_a_refusal_is_told_after_one_try(
    registry: HostileRegistry, fault: Behaviour, kind: ErrorKind, offset: int
) -> None:
    """Trying again is the caller's."""
    registry.inject(Fault("GET", BLOBS, fault))
    async with asking() as client:
        error = await failure(read(client, source(registry.host), offset))
    assert error.kind is kind
    assert len(registry.requests) == 1


@pytest.mark.parametrize("fault", [WrongBytes(), Gzipped()], ids=["row 27", "row 28"])
async def test_bytes_come_as_they_are(registry: HostileRegistry, fault: Behaviour) -> None:
    """Neither unpacked nor judged: whoever hashes them finds out."""
    registry.inject(Fault("GET", BLOBS, fault))
    came = bytearray()
    async with asking() as client:
        with suppress(RegistryError):  # what is packed is shorter
            await read(client, source(registry.host), into=came)
    assert came
    assert not BLOB.digest.matches(bytes(came))


@pytest.mark.parametrize("offset", [0, 50_000])
async def test_a_link_that_ran_out_is_asked_for_anew(
    registry: HostileRegistry, offset: int
) -> None:
    """At the registry, once, with the same range; the CDN sees no token (row 6)."""
    async with HostileRegistry("127.0.0.2") as cdn, TokenServer() as tokens:
        registry.authorization = Bearer(tokens)
        cdn.store.put_blob(REPOSITORY, CONTENT)
        cdn.inject(Fault("GET", "*", CdnDenial(), times=1))
        registry.inject(Fault("GET", BLOBS, Redirect(cdn.url, signed="sig=secret"), after=1))
        async with asking() as client:
            assert await read(client, source(registry.host), offset) == CONTENT[offset:]
        ranges = {request.headers.get("Range") for request in cdn.requests}
        assert ranges == {f"bytes={offset}-" if offset else None}
        assert all("Authorization" not in request.headers for request in cdn.requests)
        assert len(cdn.requests) == 2


async def test_a_link_that_never_works_ends(registry: HostileRegistry) -> None:
    """After the second one, and its signature is not told (row 6)."""
    async with HostileRegistry("127.0.0.2") as cdn:
        cdn.inject(Fault("GET", "*", CdnDenial()))
        registry.inject(Fault("GET", BLOBS, Redirect(cdn.url, signed="sig=secret")))
        async with asking() as client:
            error = await failure(read(client, source(registry.host)))
    assert error.kind is ErrorKind.DENIED
    assert len(registry.requests) == 2
    assert "secret" not in texts(error)


async def test_a_token_that_ran_out_is_renewed(registry: HostileRegistry) -> None:
    """As for every request (row 2)."""
    async with TokenServer(accounts={OPERATOR.username: OPERATOR.secret}) as tokens:
        registry.authorization = Bearer(tokens)
        async with asking(OPERATOR) as client:
            assert await read(client, source(registry.host)) == CONTENT
            tokens.revoke()
            assert await read(client, source(registry.host), 100) == CONTENT[100:]
        assert len(tokens.requests) == 2


async def test_reading_holds_one_connection_and_gives_it_back(registry: HostileRegistry) -> None:
    """Whole blobs in a row need no second one; half a blob is left without its rest."""
    async with asking() as client:
        for _ in range(3):
            await read(client, source(registry.host))
        assert {request.connection for request in registry.requests} == {1}
        async with (
            open_blob(client, source(registry.host), BLOB) as download,
            aclosing(download.chunks()) as chunks,
        ):
            await anext(chunks)
        assert await read(client, source(registry.host)) == CONTENT


async def test_a_slow_reader_is_no_stall(registry: HostileRegistry) -> None:
    """While we do something else the source's time stands still (row 26)."""
    deadlines = Deadlines(idle=0.1, headers=5.0)
    content = bytearray()
    async with (
        asking(deadlines=deadlines) as client,
        open_blob(client, source(registry.host), BLOB) as download,
    ):
        async for chunk in download.chunks():
            if not content:
                await anyio.sleep(0.3)  # what the caller does with its bytes
            content += chunk
    assert content == CONTENT


@given(st.text(max_size=40) | st.from_regex(r"bytes \d{1,3}-\d{1,3}/(\d{1,3}|\*)"))
def test_any_content_range_gives_the_rest_or_an_error(header: str) -> None:
    """Nothing that a header says makes other bytes of a blob."""
    value = header.encode("ascii", "ignore").decode().translate(dict.fromkeys(range(32)))
    content = bytes(range(100))
    blob = Descriptor("a/b", Digest.of(content), 100)

    async def ask() -> None:
        async with HostileRegistry() as registry, asking() as client:
            registry.store.put_blob(REPOSITORY, content)
            registry.inject(Fault("GET", "*", OnlyRanged(WithField("Content-Range", value))))
            try:
                came = await read(client, source(registry.host), 40, blob)
            except RegistryError:
                return
            assert came == content[40:]

    anyio.run(ask)
