"""Passes over registries as they are deployed, with every kind of image and a scripted tool.

What the tools themselves do is tested with the tools.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from image_sync.engines import Copied, CopyRequest
from image_sync.errors import Side
from image_sync.events import Event, TagMoved
from image_sync.http import Http
from image_sync.model import Action, DockerManifests, Endpoint, ImageSpec, SyncResult, TlsPolicy
from image_sync.oci import AllPlatforms, PlatformChoice, Repository
from image_sync.registry import RegistryClient
from image_sync.sync import (
    Checker,
    Conversion,
    Ledger,
    Limits,
    Maker,
    Pass,
    RegistryStore,
    Reserves,
)
from tests.real.content import Image
from tests.real.images import KINDS, Programs, multi_platform
from tests.real.losing import lose_blob
from tests.real.registries import distribution
from tests.real.running import RunningRegistry, Serving
from tests.sync.scene import (
    AMD64,
    SOURCE_REPOSITORY,
    TARGET_REPOSITORY,
    ScriptedEngine,
    copier_of,
    make_spec,
    unchanged_of,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[RunningRegistry]:
    """Distribution 3 on plain HTTP, with a recorder."""
    with distribution(tmp_path / "upstream", Serving(record=True)) as registry:
        yield registry


def pushing(image: Image, cache: RunningRegistry) -> Callable[[CopyRequest], Copied]:
    """A script that pushes an image, or the child that is asked for, by digest."""

    def act(request: CopyRequest) -> Copied:
        wanted = next(each for each in image.manifests() if each.digest == str(request.digest))
        for blob in wanted.all_blobs:
            cache.api.put_blob(TARGET_REPOSITORY, blob.data)
        for each in wanted.manifests():
            cache.api.put_manifest(TARGET_REPOSITORY, each.digest, each.data, each.media_type)
        return Copied(wanted.total_size, None)

    return act


async def sweep(
    spec: ImageSpec, http: Http, client: RegistryClient, engine: ScriptedEngine, events: list[Event]
) -> SyncResult:
    """One pass as a process of its own makes it, with its ledger in the cache."""
    place = Endpoint(
        Side.TARGET, Repository(spec.target.host, "image-sync/ledger"), TlsPolicy.PLAIN
    )
    ledger = Ledger(RegistryStore(client, place, "shard-0-of-1"), events.append, lambda: 20_000)
    await ledger.load()
    reserves = Reserves(http, {})
    conversion = Conversion(DockerManifests.KEEP, events.append)
    checker = Checker(client, ledger, reserves, Maker(client), conversion)
    copier = copier_of(client, http, events.append, engine, deadline=60.0)
    unchanged = unchanged_of(client, http, events.append, engine)
    limits = Limits(concurrency=2, check_concurrency=64)
    sweeping = Pass(
        [spec], checker, copier, unchanged, limits, events.append, backoff=lambda _: 0.0
    )
    [result] = await sweeping.run()
    await ledger.save()
    return result


@pytest.mark.parametrize("platforms", [AMD64, AllPlatforms()], ids=str)
@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_image_is_pulled_once_and_then_cached(
    http: Http,
    client: RegistryClient,
    events: list[Event],
    upstream: RunningRegistry,
    cache: RunningRegistry,
    programs: Programs,
    kind: str,
    platforms: PlatformChoice,
) -> None:
    """The second process spends no manifest GET at the source and moves no tag."""
    image = KINDS[kind](programs, "one")
    upstream.push(SOURCE_REPOSITORY, "1.0", image)
    spec = make_spec(source=upstream.host, target=cache.host, platforms=platforms)
    engine = ScriptedEngine("crane", pushing(image, cache))
    first = await sweep(spec, http, client, engine, events)
    assert (first.action, first.error) == (Action.PULLED, None)
    assert cache.api.digest_of(TARGET_REPOSITORY, "1.0") == str(first.expected_digest)
    upstream.recorder.clear()
    events.clear()
    second = await sweep(spec, http, client, engine, events)
    assert (second.action, second.error) == (Action.ALREADY_CACHED, None)
    assert upstream.recorder.manifest_gets() == []
    assert not [event for event in events if isinstance(event, TagMoved)]
    assert len(engine.requests) == 1


async def test_a_blob_that_a_cache_lost_is_found_before_the_tag_moves(
    http: Http,
    client: RegistryClient,
    events: list[Event],
    upstream: RunningRegistry,
    cache: RunningRegistry,
    programs: Programs,
) -> None:
    """The manifests are all there by digest; the old tag serves on, the result names the blob."""
    old = cache.push(TARGET_REPOSITORY, "1.0", KINDS["single"](programs, "old"))
    image = multi_platform(programs, "new")
    upstream.push(SOURCE_REPOSITORY, "1.0", image)
    lost = next(iter(image.child("linux/arm64").blobs)).digest

    def act(request: CopyRequest) -> Copied:
        copied = pushing(image, cache)(request)
        lose_blob(cache, lost)
        return copied

    spec = make_spec(source=upstream.host, target=cache.host, platforms=AllPlatforms())
    result = await sweep(spec, http, client, ScriptedEngine("crane", act), events)
    assert result.action is Action.FAILED
    assert result.error
    assert lost in result.error
    assert cache.api.digest_of(TARGET_REPOSITORY, "1.0") == old
