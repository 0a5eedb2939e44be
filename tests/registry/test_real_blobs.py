"""Large blobs go from and into registries that exist, and go on after a failure."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, aclosing
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from image_sync.errors import RegistryError
from image_sync.oci import Descriptor, Digest
from image_sync.registry import (
    Mounted,
    RegistryClient,
    UploadSession,
    open_blob,
    open_upload,
    upload_broken,
    upload_lost,
)
from image_sync.registry.ways import Way
from tests.real.registries import crane_registry, distribution, zot
from tests.real.running import RunningRegistry
from tests.real.tools import find
from tests.registry.asking import asking, failure, source, target

pytestmark = pytest.mark.anyio

CONTENT = os.urandom(3_000_000)
SIZE = len(CONTENT)
DIGEST = Digest.of(CONTENT)
BLOB = Descriptor("a/b", DIGEST, SIZE)
REPOSITORY, OTHER = "team/app", "other/app"
KINDS = ["distribution-3", "distribution-2.8", "crane", *(["zot"] if find("zot") else [])]


def start(kind: str, directory: Path) -> AbstractContextManager[RunningRegistry]:
    """A registry of some kind."""
    match kind:
        case "distribution-3":
            return distribution(directory)
        case "distribution-2.8":
            return distribution(directory, version=2)
        case "zot":
            return zot(directory)
        case _:
            return crane_registry(directory)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of `registry`."""
    return str(request.param)


@pytest.fixture
def registry(kind: str, tmp_path: Path) -> Iterator[RunningRegistry]:
    """Each kind in turn, empty."""
    with start(kind, tmp_path / "registry") as running:
        yield running


async def content(start: int = 0, end: int = SIZE) -> AsyncIterator[bytes]:
    """The bytes between two places."""
    for position in range(start, end, 50_000):
        yield CONTENT[position : min(end, position + 50_000)]


async def opened(client: RegistryClient, registry: RunningRegistry) -> UploadSession:
    """A session for the content."""
    session = await open_upload(client, target(registry.host, REPOSITORY), DIGEST)
    assert isinstance(session, UploadSession)
    return session


async def read(client: RegistryClient, registry: RunningRegistry, offset: int) -> bytes:
    """The blob from some byte on."""
    async with (
        open_blob(client, source(registry.host, REPOSITORY), BLOB, offset) as download,
        aclosing(download.chunks()) as chunks,
    ):
        return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("way", list(Way))
async def test_a_blob_arrives_in_every_way(registry: RunningRegistry, way: Way) -> None:
    """And is the same from any byte on."""
    async with asking() as client:
        client.ways.change(registry.host, way)
        client.ways.shrink(registry.host, 1_000_000)
        session = await opened(client, registry)
        await session.append(content(), SIZE)
        assert session.offset == SIZE
        await session.finish()
        assert await client.head_blob(target(registry.host, REPOSITORY), DIGEST) == SIZE
        for offset in (0, 1_234_567, SIZE):
            assert await read(client, registry, offset) == CONTENT[offset:]


async def breaking(start: int, end: int) -> AsyncIterator[bytes]:
    """Bytes, and then a failure of their own."""
    for position in range(start, end, 50_000):
        yield CONTENT[position : min(end, position + 50_000)]
    raise ValueError("of the source")


async def _appended(session: UploadSession, offset: int) -> RegistryError | None:
    """Send the rest; what went wrong that can be mended."""
    try:
        await session.append(content(offset), SIZE - offset)
    except RegistryError as error:
        if upload_broken(error) or upload_lost(error):
            return error
        raise
    return None


async def test_a_stream_that_ended_goes_on_in_its_session(
    registry: RunningRegistry, kind: str
) -> None:
    """It was acknowledged as far as it went; the registry in crane takes one stream only."""
    async with asking() as client:
        session = await opened(client, registry)
        await session.append(content(0, 700_000), SIZE)
        assert session.offset == 700_000
        if kind == "crane":
            assert upload_lost(await failure(session.append(content(700_000), SIZE - 700_000)))
            return
        assert await session.settle() == 700_000
        await session.append(content(700_000), SIZE - 700_000)
        assert session.offset == SIZE
        assert await session.settle() == SIZE
        await session.finish()
        assert await read(client, registry, 0) == CONTENT


async def test_a_stream_that_broke_goes_on_from_what_arrived(registry: RunningRegistry) -> None:
    """Or in a new session, where the registry gave it up. The answer may come before the registry
    noticed the end, so that the next request is out of order, and asks again."""
    async with asking() as client:
        session = await opened(client, registry)
        await session.append(content(0, 700_000), SIZE)
        with pytest.raises(ValueError, match="of the source"):
            await session.append(breaking(700_000, 1_200_000), SIZE - 700_000)
        settled = await session.settle()
        for _ in range(8):
            if settled is None:
                session, settled = await opened(client, registry), 0
            broke = await _appended(session, settled)
            if broke is None:
                break
            settled = await session.settle() if upload_broken(broke) else None
        await session.finish()
        assert await read(client, registry, 0) == CONTENT


async def test_wrong_bytes_are_refused(registry: RunningRegistry) -> None:
    """By every registry, in its last answer."""
    async with asking() as client:
        session = await opened(client, registry)
        await session.append(content(0, 1_000_000), SIZE)
        await failure(session.finish())
        await session.cancel()
        assert await client.head_blob(target(registry.host, REPOSITORY), DIGEST) is None


async def test_a_blob_is_mounted_or_uploaded(registry: RunningRegistry) -> None:
    """Which of both is the registry's choice."""
    endpoint = target(registry.host, OTHER)
    async with asking() as client:
        session = await opened(client, registry)
        await session.append(content(), SIZE)
        await session.finish()
        holder = target(registry.host, REPOSITORY).repository
        found = await open_upload(client, endpoint, DIGEST, mount_from=holder)
        if isinstance(found, UploadSession):
            await found.append(content(), SIZE)
            await found.finish()
        assert await client.head_blob(endpoint, DIGEST) == SIZE


@pytest.mark.parametrize("kind", ["distribution-3", "distribution-2.8"], indirect=True)
async def test_distribution_mounts(registry: RunningRegistry) -> None:
    """Without a byte."""
    async with asking() as client:
        session = await opened(client, registry)
        await session.append(content(), SIZE)
        await session.finish()
        holder = target(registry.host, REPOSITORY).repository
        endpoint = target(registry.host, OTHER)
        assert await open_upload(client, endpoint, DIGEST, mount_from=holder) == Mounted()


@pytest.mark.parametrize("kind", ["distribution-3"], indirect=True)
async def test_a_registry_that_restarted_knows_the_session_or_says_that_it_does_not(
    registry: RunningRegistry,
) -> None:
    """Nothing in between (rows 44, 50)."""
    async with asking() as client:
        session = await opened(client, registry)
        await session.append(content(0, 1_000_000), SIZE)
        await anyio.to_thread.run_sync(registry.restart)
        settled = await session.settle()
        assert settled in {None, 1_000_000}
        if settled is None:
            error = await failure(session.append(content(), SIZE))
            assert upload_lost(error)


async def test_a_tag_is_deleted_where_that_is_done(registry: RunningRegistry, kind: str) -> None:
    """distribution 2.8 deletes none."""
    registry.api.put_blob(REPOSITORY, b"{}")
    endpoint = target(registry.host, REPOSITORY)
    tag = endpoint.repository.tag("1")
    config = Digest.of(b"{}")
    manifest = (
        '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":'
        f'{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{config}","size":2}},'
        f'"layers":[{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{config}","size":2}}]}}'
    ).encode()
    async with asking() as client:
        media_type = "application/vnd.oci.image.manifest.v1+json"
        await client.put_manifest(endpoint, tag, manifest, media_type)
        gone = await client.delete_tag(endpoint, tag)
        assert gone is (kind != "distribution-2.8")
        assert (await client.head_manifest(endpoint, tag) is None) is gone
