"""A source's manifests are paid for once; what a cache holds is looked up every time."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.oci import Digest, Manifest, Repository
from image_sync.registry.recent import RecentManifests
from tests.hostile import Fault, HostileRegistry, WrongBytes
from tests.registry.asking import REPOSITORY, asking, failure, source, target

pytestmark = pytest.mark.anyio


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    """Holds one image."""
    async with HostileRegistry() as running:
        running.store.put_image(REPOSITORY, "1")
        yield running


async def test_a_manifest_of_a_source_is_read_once(registry: HostileRegistry) -> None:
    """By its digest it cannot change: the second time sends nothing and spends no pull."""
    digest = Digest.parse(str(registry.store.tagged(REPOSITORY, "1")))
    endpoint = source(registry.host)
    async with asking() as client:
        first = await client.get_manifest(endpoint, endpoint.repository.digest(digest))
        assert await client.get_manifest(endpoint, endpoint.repository.digest(digest)) == first
    assert len(registry.requests) == 1


async def test_another_repository_is_asked_itself(registry: HostileRegistry) -> None:
    """That one repository has it says nothing of another."""
    digest = Digest.parse(str(registry.store.tagged(REPOSITORY, "1")))
    endpoint, other = source(registry.host), source(registry.host, "other/app")
    async with asking() as client:
        await client.get_manifest(endpoint, endpoint.repository.digest(digest))
        await failure(client.get_manifest(other, other.repository.digest(digest)))


async def test_a_tag_is_asked_for_every_time(registry: HostileRegistry) -> None:
    """It may have moved."""
    endpoint = source(registry.host)
    async with asking() as client:
        for _ in range(2):
            await client.get_manifest(endpoint, endpoint.repository.tag("1"))
    assert len(registry.requests) == 2


async def test_a_cache_is_asked_every_time(registry: HostileRegistry) -> None:
    """Who reads there wants to know what is there now."""
    digest = Digest.parse(str(registry.store.tagged(REPOSITORY, "1")))
    endpoint = target(registry.host)
    async with asking() as client:
        for _ in range(2):
            await client.get_manifest(endpoint, endpoint.repository.digest(digest))
    assert len(registry.requests) == 2


async def test_wrong_bytes_are_not_remembered(registry: HostileRegistry) -> None:
    """Only what was hashed and right (row 27)."""
    digest = Digest.parse(str(registry.store.tagged(REPOSITORY, "1")))
    endpoint = source(registry.host)
    registry.inject(Fault("GET", "*", WrongBytes(), times=2))
    async with asking() as client:
        await failure(client.get_manifest(endpoint, endpoint.repository.digest(digest)))
        await client.get_manifest(endpoint, endpoint.repository.digest(digest))
    assert len(registry.requests) == 3


def manifest(size: int) -> Manifest:
    """One with that many bytes."""
    content = b"{" + b" " * (size - 2) + b"}"
    return Manifest(content, Digest.of(content), "a/b")


@given(st.lists(st.tuples(st.booleans(), st.integers(2, 60)), max_size=60))
def test_no_more_is_kept_than_allowed(steps: list[tuple[bool, int]]) -> None:
    """Whatever is read in whatever order; what was used last stays."""
    repository, recent = Repository("127.0.0.1:1", "a"), RecentManifests(most=100)
    used: list[Manifest] = []
    for keeps, size in steps:
        one = manifest(size)
        if keeps:
            recent.keep(repository, one.digest, one)
        elif recent.get(repository, one.digest) is None:
            continue
        used = [other for other in used if other != one] + [one]
        while sum(len(other.content) for other in used) > 100:
            used.pop(0)
    kept = [size for size in range(2, 61) if recent.get(repository, manifest(size).digest)]
    assert kept == sorted(len(one.content) for one in used)
