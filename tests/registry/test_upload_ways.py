"""Uploads go in the way their registry wants: streams, chunks, or all at once."""

from collections.abc import AsyncIterator

import pytest

from image_sync.errors import ErrorKind
from image_sync.registry import (
    RegistryClient,
    UploadSession,
    open_upload,
    upload_broken,
    upload_lost,
)
from image_sync.registry.ways import Ways
from tests.hostile import (
    Bearer,
    Behaviour,
    Dropped,
    Fault,
    HostileRegistry,
    HtmlPage,
    LargeRefused,
    Refusal,
    StreamsRefused,
    TokenServer,
)
from tests.registry.asking import (
    REPOSITORY,
    asking,
    failure,
    target,
)
from tests.registry.uploading import DIGEST, RIGHT, SIZE, Pieces, opened, stored, upload

pytestmark = pytest.mark.anyio


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    """Holds nothing yet."""
    async with HostileRegistry() as running:
        yield running


async def test_a_registry_that_wants_lengths_gets_chunks(registry: HostileRegistry) -> None:
    """411, then PATCHes with length and place; the next blob begins that way (row 47)."""
    registry.inject(Fault("PATCH", "*", StreamsRefused()))
    async with asking() as client:
        client.ways.shrink(registry.host, 70_000)
        (error,) = await upload(client, target(registry.host))
        assert upload_broken(error)
        first = registry.asked("PATCH")[1:]
        assert await upload(client, target(registry.host)) == []
        assert (await opened(client, target(registry.host))).holds == 70_000
    spans = [request.headers.get("Content-Range") for request in first]
    assert spans == ["0-69999", "70000-139999", f"140000-{SIZE - 1}"]
    assert [len(request.body) for request in first] == [70_000, 70_000, SIZE - 140_000]
    assert stored(registry) == RIGHT


async def test_least_chunks_are_kept_to(registry: HostileRegistry) -> None:
    """Only the last one is shorter; what does not fill one waits for its rest (row 47)."""
    registry.uploads.least_chunk = 90_000
    registry.inject(Fault("PATCH", "*", StreamsRefused()))
    async with asking() as client:
        client.ways.shrink(registry.host, 70_000)
        session = await opened(client, target(registry.host))
        assert upload_broken(await failure(session.append(Pieces(), SIZE)))
        assert await session.settle() is None  # it may have a byte, or none
        session = await opened(client, target(registry.host))
        await session.append(Pieces(0, 100_000), SIZE)
        assert session.offset == 90_000
        await session.append(Pieces(90_000), SIZE - 90_000)
        await session.finish()
    assert stored(registry) == RIGHT


async def test_least_chunks_beyond_our_memory_are_refused(registry: HostileRegistry) -> None:
    """Instead of taking as much as a registry names (row 47)."""
    registry.uploads.least_chunk = 1 << 40
    registry.inject(Fault("PATCH", "*", StreamsRefused()))
    async with asking() as client:
        session = await opened(client, target(registry.host))
        await failure(session.append(Pieces(), SIZE))
        error = await failure(session.append(Pieces(), SIZE))
    assert error.kind is ErrorKind.BLOB_REFUSED
    assert not upload_broken(error)


async def test_chunks_that_are_too_large_are_halved(registry: HostileRegistry) -> None:
    """Down to what the registry takes, from memory, and remembered (row 47)."""
    registry.inject(Fault("PATCH", "*", LargeRefused(70_000)))
    async with asking() as client:
        (error,) = await upload(client, target(registry.host))
        assert upload_broken(error)
        assert stored(registry) == RIGHT
        refused = len(registry.requests)
        assert await upload(client, target(registry.host)) == []
    assert all(len(r.body) <= 70_000 for r in registry.requests[refused:])


async def test_a_registry_that_takes_nothing_at_all_is_told(registry: HostileRegistry) -> None:
    """Chunks have an end where they are no use any more."""
    registry.inject(Fault("PATCH", "*", LargeRefused(10)))
    async with asking() as client:
        error = await failure(upload(client, target(registry.host)))
    assert (error.kind, error.status) == (ErrorKind.BLOB_REFUSED, 413)


async def test_a_chunk_is_sent_again_with_a_new_token(registry: HostileRegistry) -> None:
    """It is in memory: nobody else notices (row 2)."""
    async with TokenServer() as tokens:
        registry.authorization = Bearer(tokens)
        registry.inject(Fault("PATCH", "*", StreamsRefused()))
        async with asking() as client:
            client.ways.shrink(registry.host, 70_000)
            await upload(client, target(registry.host))
            tokens.uses_per_token = 2
            tokens.revoke()
            assert await upload(client, target(registry.host)) == []
    assert stored(registry) == RIGHT


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Refusal(405, "UNSUPPORTED"), id="405"),
        pytest.param(HtmlPage(501), id="501"),
        pytest.param(HtmlPage(404), id="404"),
    ],
)
async def test_a_registry_without_patch_gets_one_put(
    registry: HostileRegistry, fault: Behaviour
) -> None:
    """Everything in the request that makes it a blob; the next blob at once."""
    registry.inject(Fault("PATCH", "*", fault))
    async with asking() as client:
        errors = await upload(client, target(registry.host))
        assert all(map(upload_broken, errors))
        begun = len(registry.requests)
        assert await upload(client, target(registry.host)) == []
    assert [request.method for request in registry.requests[begun:]] == ["POST", "PUT"]
    assert registry.requests[-1].headers.get("Content-Length") == str(SIZE)
    assert stored(registry) == RIGHT


async def _without_patch(client: RegistryClient, registry: HostileRegistry) -> UploadSession:
    """A session at a registry that is known to know no PATCH."""
    registry.inject(Fault("PATCH", "*", Refusal(405, "UNSUPPORTED")))
    session = await opened(client, target(registry.host))
    await failure(session.append(Pieces(), SIZE))
    return await opened(client, target(registry.host))


async def test_one_put_that_ends_early_makes_no_blob(registry: HostileRegistry) -> None:
    """Its request is broken off, and its session is of no use."""
    async with asking() as client:
        session = await _without_patch(client, registry)
        await session.append(Pieces(0, 20_000), SIZE)
        assert session.offset == 0
        assert upload_lost(await failure(session.append(Pieces(), SIZE)))
        assert await session.settle() is None
    assert stored(registry) == {}


async def test_one_put_whose_answer_is_lost_is_settled(registry: HostileRegistry) -> None:
    """By asking for the blob (row 54)."""
    registry.inject(Fault("PUT", "*", Dropped()))
    async with asking() as client:
        session = await _without_patch(client, registry)
        assert upload_broken(await failure(session.append(Pieces(), SIZE)))
        assert await session.settle() == SIZE
        await session.finish()
    assert stored(registry) == RIGHT
    assert len(registry.asked("PUT")) == 1


async def test_a_read_only_registry_does_not_unlearn_streams(registry: HostileRegistry) -> None:
    """405 to everything says nothing of the way (row 51)."""
    fault = registry.inject(Fault("PATCH|PUT", "*", Refusal(405, "UNSUPPORTED")))
    async with asking() as client:
        error = await failure(upload(client, target(registry.host)))
        assert error.kind is ErrorKind.DENIED
        registry.remove(fault)
        assert await upload(client, target(registry.host)) == []
    assert stored(registry) == RIGHT
    assert registry.asked("PATCH")[-1].headers.get("Transfer-Encoding") == "chunked"


async def test_a_small_blob_goes_in_the_request_that_ends_its_upload(
    registry: HostileRegistry,
) -> None:
    """One request less for each; a larger one is streamed, so that it can go on later."""
    async with asking() as client:
        client.ways = Ways(small=SIZE)
        assert await upload(client, target(registry.host)) == []
        assert not registry.asked("PATCH")
        client.ways = Ways(small=SIZE - 1)
        assert await upload(client, target(registry.host)) == []
    assert len(registry.asked("PATCH")) == 1
    assert stored(registry) == RIGHT


async def test_a_small_blob_can_be_streamed(registry: HostileRegistry) -> None:
    """So that what arrived of it before it broke off is not sent again."""
    async with asking() as client:
        client.ways = Ways(small=SIZE)
        session = await open_upload(client, target(registry.host), DIGEST, whole=False)
        assert isinstance(session, UploadSession)
        await session.append(Pieces(0, 20_000), SIZE)
        assert await session.settle() == 20_000
        await session.append(Pieces(20_000), SIZE - 20_000)
        await session.finish()
    assert stored(registry) == RIGHT


async def test_a_small_blob_that_broke_off_leaves_no_session(registry: HostileRegistry) -> None:
    """Whether it is asked how far it came, or for more: the registry has not to clean up."""
    async with asking() as client:
        client.ways = Ways(small=SIZE)
        asked = await opened(client, target(registry.host))
        await asked.append(Pieces(0, 20_000), SIZE)
        assert await asked.settle() is None
        assert registry.uploads.sessions == {}
        sent_more = await opened(client, target(registry.host))
        await sent_more.append(Pieces(0, 20_000), SIZE)
        assert upload_lost(await failure(sent_more.append(Pieces(), SIZE)))
        assert registry.uploads.sessions == {}
    assert len(registry.asked("DELETE")) == 2


async def test_a_small_blob_is_not_settled_by_what_is_damaged(registry: HostileRegistry) -> None:
    """A lost answer is a lost session where the registry had something before (rows 54, 57)."""
    registry.store.repository(REPOSITORY).blobs[str(DIGEST)] = bytes(SIZE)
    registry.inject(Fault("PUT", "*", HtmlPage(502)))
    async with asking() as client:
        client.ways = Ways(small=SIZE)
        session = await open_upload(client, target(registry.host), DIGEST, find=False)
        assert isinstance(session, UploadSession)
        assert upload_broken(await failure(session.append(Pieces(), SIZE)))
        assert await session.settle() is None
    assert registry.uploads.sessions == {}


async def test_a_small_blob_that_is_too_large_for_one_request_goes_in_chunks(
    registry: HostileRegistry,
) -> None:
    """As behind a proxy that takes short bodies only; the next blob begins that way."""
    registry.inject(Fault("PUT|PATCH", "*/uploads/*", LargeRefused(SIZE // 2)))
    async with asking() as client:
        client.ways = Ways(small=SIZE)
        (error,) = await upload(client, target(registry.host))
        assert upload_lost(error)
        assert await upload(client, target(registry.host)) == []
    assert len(registry.asked("PATCH")) == 2 * 2
    assert stored(registry) == RIGHT
