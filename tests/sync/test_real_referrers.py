"""Referrers and earlier images in registries as they are deployed: each in its own way."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path

import anyio.lowlevel
import pytest

from image_sync.engines import Builtin
from image_sync.events import Event, Warned
from image_sync.model import ImageSpec
from image_sync.oci import AllPlatforms, Digest
from image_sync.oci.previous import previous_tag
from image_sync.oci.referrers import cosign_tags, fallback_tag
from image_sync.registry import RegistryClient
from image_sync.registry.referrers import ReferrerLists
from image_sync.sync.verify import verified_tree
from tests.hostile import HostileRegistry, ReferrersApi
from tests.hostile.referrers import put_cosign, put_referrer
from tests.real.content import Image
from tests.real.images import Programs, multi_platform, single
from tests.real.registries import crane_registry, distribution, embedded, zot
from tests.real.running import RunningRegistry, Serving
from tests.sync.scene import (
    SOURCE_REPOSITORY,
    TARGET_REPOSITORY,
    KnownHosts,
    make_spec,
    move_tag_now,
    referrers_of,
)

pytestmark = pytest.mark.anyio
KINDS = ("distribution-3", "distribution-2.8", "crane", "embedded", "zot")
WITH_API = ("embedded", "zot")
DELETES_NO_TAGS = ("distribution-2.8",)


def running(kind: str, folder: Path, serving: Serving) -> AbstractContextManager[RunningRegistry]:
    match kind:
        case "zot":
            return zot(folder, serving)
        case "embedded":
            return embedded(folder, serving)
        case "crane":
            return crane_registry(folder, serving)
        case "distribution-2.8":
            return distribution(folder, serving, version=2)
        case _:
            return distribution(folder, serving)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def real(kind: str, tmp_path: Path) -> Iterator[RunningRegistry]:
    """A cache of each kind; Zot is skipped where there is none."""
    with running(kind, tmp_path / "cache", Serving(address="127.0.0.2")) as registry:
        yield registry


class NoTurn:
    """Nobody waits."""

    def progress(self, moved: int, size: int | None = None) -> None:
        """Not told."""

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[None]:
        """No place to give away."""
        await anyio.lowlevel.checkpoint()
        yield


def plant(origin: HostileRegistry, image: Image) -> None:
    """Have the source hold an image."""
    for each in image.manifests():
        origin.store.put_manifest(SOURCE_REPOSITORY, None, each.data, each.media_type)
        for blob in each.all_blobs:
            origin.store.put_blob(SOURCE_REPOSITORY, blob.data)


def listed_by_api(real: RunningRegistry, subject: str) -> set[str]:
    answer = real.api.request("GET", f"/v2/{TARGET_REPOSITORY}/referrers/{subject}")
    assert answer.status == 200
    return {entry["digest"] for entry in json.loads(answer.body)["manifests"]}


def listed_by_tag(real: RunningRegistry, subject: str) -> set[str]:
    answer = real.api.get_manifest(TARGET_REPOSITORY, fallback_tag(Digest.parse(subject)))
    assert answer.status == 200
    return {entry["digest"] for entry in json.loads(answer.body)["manifests"]}


async def test_referrers_are_found_where_pullers_look(
    client: RegistryClient,
    events: list[Event],
    origin: HostileRegistry,
    programs: Programs,
    real: RunningRegistry,
    kind: str,
) -> None:
    """By the API or by its tag, and under cosign's; late ones, too; and then nothing is missing."""
    origin.referrers = ReferrersApi(page=1)
    image = multi_platform(programs)
    plant(origin, image)
    real.push(TARGET_REPOSITORY, "1.0", image)
    child = image.child("linux/arm64").digest
    store, about = origin.store, {image.digest: set[str](), child: set[str]()}
    for subject, wanted in about.items():
        wanted.add(put_referrer(store, SOURCE_REPOSITORY, subject, b"signed"))
        put_cosign(store, SOURCE_REPOSITORY, subject)
    spec = make_spec(source=origin.host, target=real.host, platforms=AllPlatforms())
    for late in (b"sbom", b"scan"):
        about[image.digest].add(put_referrer(store, SOURCE_REPOSITORY, image.digest, late))
        # A process of its own each time, which knows nothing of the hosts.
        referrers = referrers_of(client, KnownHosts(), events.append, Builtin(client))
        missing = await referrers.missing_of(spec, Digest.parse(image.digest))
        assert missing
        await referrers.bring(spec, missing, NoTurn())
        assert await referrers.missing_of(spec, Digest.parse(image.digest)) == ()
    for subject, wanted in about.items():
        listed = listed_by_api if kind in WITH_API else listed_by_tag
        assert listed(real, subject) == wanted
        signature = cosign_tags(Digest.parse(subject))[0]
        held = store.tagged(SOURCE_REPOSITORY, signature)
        assert real.api.digest_of(TARGET_REPOSITORY, signature) == held
    tags = set(real.api.tags(TARGET_REPOSITORY))
    assert (fallback_tag(Digest.parse(image.digest)) in tags) == (kind not in WITH_API)
    assert [event for event in events if isinstance(event, Warned)] == []


async def test_referrers_are_read_from_any_registry(
    client: RegistryClient,
    events: list[Event],
    kept: HostileRegistry,
    programs: Programs,
    kind: str,
    tmp_path: Path,
) -> None:
    """Those that another client pushed."""
    image = single(programs)
    with running(kind, tmp_path / "source", Serving(address="127.0.0.1")) as registry:
        registry.push(SOURCE_REPOSITORY, "1.0", image)
        for each in image.manifests():
            kept.store.put_manifest(TARGET_REPOSITORY, None, each.data, each.media_type)
        scratch = HostileRegistry()
        scratch.store.put_manifest(SOURCE_REPOSITORY, None, image.data, image.media_type)
        digest = put_referrer(scratch.store, SOURCE_REPOSITORY, image.digest)
        held = scratch.store.repository(SOURCE_REPOSITORY)
        for blob in held.blobs.values():
            registry.api.put_blob(SOURCE_REPOSITORY, blob)
        content = held.manifests[digest]
        registry.api.put_manifest(SOURCE_REPOSITORY, digest, content.content, content.media_type)
        spec = make_spec(source=registry.host, target=kept.host, platforms=AllPlatforms())
        if kind not in WITH_API:
            endpoint = spec.source
            tree = await client.get_manifest(
                endpoint, endpoint.repository.digest(Digest.parse(digest))
            )
            await ReferrerLists(client).extend(endpoint, Digest.parse(image.digest), (tree,))
        referrers = referrers_of(client, KnownHosts(), events.append, Builtin(client))
        missing = await referrers.missing_of(spec, Digest.parse(image.digest))
        assert [str(each.digest) for each in missing] == [digest]
        await referrers.bring(spec, missing, NoTurn())
        assert digest in kept.store.repository(TARGET_REPOSITORY).manifests


@pytest.fixture
def images(programs: Programs, real: RunningRegistry) -> list[Image]:
    """Five images that the cache holds, the last one an index, each under a tag of its own."""
    images = [single(programs, label=str(number)) for number in range(4)]
    images.append(multi_platform(programs, label="4"))
    for number, image in enumerate(images):
        real.push(TARGET_REPOSITORY, f"held-{number}", image)
    return images


class Mover:
    """Moves the tag from image to image as a pass does, after the image lost its other tag."""

    def __init__(
        self, client: RegistryClient, spec: ImageSpec, real: RunningRegistry, events: list[Event]
    ) -> None:
        self._client = client
        self._spec = spec
        self._real = real
        self._events = events

    async def __call__(self, image: Image, number: int, keep: int) -> None:
        tree = await verified_tree(self._client, self._spec, Digest.parse(image.digest))
        await move_tag_now(self._client, self._spec, tree, self._events.append, keep)
        self._real.api.delete_manifest(TARGET_REPOSITORY, f"held-{number}")


async def test_earlier_images_are_kept_and_can_be_pulled(
    client: RegistryClient,
    events: list[Event],
    real: RunningRegistry,
    images: list[Image],
    kind: str,
) -> None:
    """By their digests, too, which on Zot answer 404 once nothing names them; then fewer are."""
    spec = make_spec(target=real.host, platforms=AllPlatforms())
    move = Mover(client, spec, real, events)
    for number, image in enumerate(images[:4]):
        await move(image, number, 3)
    held = [real.api.digest_of(TARGET_REPOSITORY, previous_tag("1.0", n)) for n in (1, 2, 3, 4)]
    assert held == [images[2].digest, images[1].digest, images[0].digest, None]
    for image in images[:4]:
        assert real.api.get_manifest(TARGET_REPOSITORY, image.digest).status == 200
    await move(images[4], 4, 1)
    tags = set(real.api.tags(TARGET_REPOSITORY))
    kept = {"1.0", previous_tag("1.0", 1)}
    warned = [event.message for event in events if isinstance(event, Warned)]
    if kind in DELETES_NO_TAGS:
        assert tags >= kept | {previous_tag("1.0", 2), previous_tag("1.0", 3)}
        assert len(warned) == 1
    else:
        assert tags == kept
        assert warned == []
    assert real.api.digest_of(TARGET_REPOSITORY, previous_tag("1.0", 1)) == images[3].digest


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in DELETES_NO_TAGS])
async def test_a_tag_that_is_removed_takes_no_image_with_it(
    client: RegistryClient,
    events: list[Event],
    real: RunningRegistry,
    images: list[Image],
) -> None:
    """One that is tagged otherwise stays, by its tag and by its digest."""
    spec = make_spec(target=real.host, platforms=AllPlatforms())
    for number in (1, 2):
        image = images[-number]
        real.api.put_manifest(
            TARGET_REPOSITORY, previous_tag("1.0", number), image.data, image.media_type
        )
    real.api.put_manifest(TARGET_REPOSITORY, "1.0", images[0].data, images[0].media_type)
    tree = await verified_tree(client, spec, Digest.parse(images[1].digest))
    await move_tag_now(client, spec, tree, events.append, 0)
    tags = real.api.tags(TARGET_REPOSITORY)
    assert not [tag for tag in tags if "previous" in tag]
    for number in (3, 4):
        assert real.api.digest_of(TARGET_REPOSITORY, f"held-{number}") == images[number].digest
        for each in images[number].manifests():
            assert real.api.get_manifest(TARGET_REPOSITORY, each.digest).status == 200
