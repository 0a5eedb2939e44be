"""Y from X over real sockets: what is made, what is read for it, and that it stays the same."""

import json
from collections.abc import Sequence

import msgspec
import pytest

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.model import ImageSpec, Verdict
from image_sync.oci import (
    AllPlatforms,
    Digest,
    Manifest,
    OnePlatform,
    Platform,
    PlatformChoice,
    PlatformList,
)
from image_sync.oci.conversion import SOURCE_DIGEST
from image_sync.oci.mediatypes import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST
from image_sync.registry import RegistryClient
from image_sync.sync import Maker
from image_sync.sync.checked import Checked
from image_sync.sync.making import Made
from image_sync.sync.plan import Copy, Keep
from tests.hostile import Fault, HostileRegistry, Refusal
from tests.hostile.documents import put_sparse_index
from tests.hostile.store import digest_of
from tests.sync.scene import AMD64, SOURCE_REPOSITORY, make_spec

pytestmark = pytest.mark.anyio
ALL = AllPlatforms()
ARM64 = OnePlatform(Platform("linux", "arm64"))
TWO = PlatformList.of([AMD64.platform, ARM64.platform])
EVERY = PlatformList.of([*TWO.platforms, Platform("linux", "arm", "v7")])


def spec_of(origin: HostileRegistry, platforms: PlatformChoice = AMD64) -> ImageSpec:
    return make_spec(source=origin.host, platforms=platforms)


async def make(
    client: RegistryClient, spec: ImageSpec, digest: str, *, convert: bool = False
) -> Made:
    """What the source's manifest becomes, as many reads being made as were announced."""
    x = await client.get_manifest(spec.source, spec.source.repository.digest(Digest.parse(digest)))
    maker = Maker(client)
    made = await maker.make(spec, x, convert=convert)
    assert made.manifests == (await maker.make(spec, x, convert=convert)).manifests
    return made


def gets(registry: HostileRegistry) -> list[str]:
    return [request.path.rpartition("/")[2] for request in registry.asked("GET", "*/manifests/*")]


def children(manifest: Manifest) -> list[str]:
    return [str(child.digest) for child in manifest.children]


def below(registry: HostileRegistry, digest: str) -> list[str]:
    """The children of an index in a store."""
    document = json.loads(registry.store.content(SOURCE_REPOSITORY, digest))
    return [entry["digest"] for entry in document["manifests"]]


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
async def test_what_the_source_has_as_it_is_wanted_is_not_made(
    client: RegistryClient, origin: HostileRegistry, *, docker: bool
) -> None:
    """A single image, one child, all of an index, a list that leaves nothing out."""
    image = origin.store.put_image(SOURCE_REPOSITORY, docker=docker)
    index = origin.store.put_platforms(SOURCE_REPOSITORY, docker=docker)
    child = below(origin, index)[1]
    for platforms, x, y in (
        (AMD64, image, image),
        (TWO, image, image),
        (ARM64, index, child),
        (ALL, index, index),
        (EVERY, index, index),
    ):
        made = await make(client, spec_of(origin, platforms), x)
        assert made == Made(Digest.parse(y))
    assert sorted(gets(origin)) == sorted([image, index])


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
async def test_of_a_list_of_platforms_an_index_is_made_that_holds_those(
    client: RegistryClient, origin: HostileRegistry, *, docker: bool
) -> None:
    """Of the source's type, over the source's own children; none of them is read."""
    index = origin.store.put_platforms(SOURCE_REPOSITORY, docker=docker)
    made = await make(client, spec_of(origin, TWO), index)
    [top] = made.manifests
    assert made.expected == top.digest == Digest.of(top.content)
    assert top.media_type == (DOCKER_LIST if docker else OCI_INDEX)
    assert children(top) == below(origin, index)[:2]
    assert not made.converted
    assert gets(origin) == [index]


@pytest.mark.parametrize(
    ("platforms", "reads", "types"),
    [
        pytest.param(ARM64, 1, [OCI_MANIFEST], id="one"),
        pytest.param(TWO, 2, [OCI_INDEX, OCI_MANIFEST, OCI_MANIFEST], id="list"),
        pytest.param(ALL, 3, [OCI_INDEX, OCI_MANIFEST, OCI_MANIFEST, OCI_MANIFEST], id="all"),
    ],
)
async def test_of_a_list_of_docker_s_what_is_wanted_is_read_and_converted(
    client: RegistryClient,
    origin: HostileRegistry,
    platforms: PlatformChoice,
    reads: int,
    types: Sequence[str],
) -> None:
    """And no child more; the top names what it was made from."""
    index = origin.store.put_platforms(SOURCE_REPOSITORY, docker=True)
    spec = spec_of(origin, platforms)
    made = await make(client, spec, index, convert=True)
    assert made.converted
    assert [each.media_type for each in made.manifests] == types
    assert made.expected == made.manifests[0].digest
    source = below(origin, index)[1] if platforms == ARM64 else index
    assert made.manifests[0].document()["annotations"] == {SOURCE_DIGEST: source}
    assert len(gets(origin)) == 1 + reads
    x = await client.get_manifest(spec.source, spec.source.repository.digest(Digest.parse(index)))
    assert Maker(client).reads(spec, x, convert=True) == reads
    assert Maker(client).reads(spec, x, convert=False) == 0


@pytest.mark.parametrize("platforms", [AMD64, TWO, ALL], ids=["one", "list", "all"])
async def test_a_single_image_of_docker_s_is_converted_by_itself(
    client: RegistryClient, origin: HostileRegistry, platforms: PlatformChoice
) -> None:
    """Nothing else is read."""
    image = origin.store.put_image(SOURCE_REPOSITORY, docker=True)
    made = await make(client, spec_of(origin, platforms), image, convert=True)
    [manifest] = made.manifests
    assert manifest.media_type == OCI_MANIFEST
    assert gets(origin) == [image]


@pytest.mark.parametrize("platforms", [AMD64, TWO, EVERY, ALL], ids=["one", "list", "every", "all"])
async def test_where_nothing_is_of_docker_s_converting_changes_and_reads_nothing(
    client: RegistryClient, origin: HostileRegistry, platforms: PlatformChoice
) -> None:
    """The children's types stand in the index."""
    index = origin.store.put_platforms(SOURCE_REPOSITORY)
    spec = spec_of(origin, platforms)
    assert await make(client, spec, index, convert=True) == await make(client, spec, index)
    assert gets(origin) == [index]


async def test_what_is_named_by_sha512_alone_is_pushed_under_sha256(
    client: RegistryClient, origin: HostileRegistry
) -> None:
    """The source may not know it by that name."""
    short = origin.store.put_image(SOURCE_REPOSITORY)
    held = origin.store.repository(SOURCE_REPOSITORY)
    manifest = held.manifests.pop(short)
    long = digest_of(manifest.content, "sha512")
    held.manifests[long] = manifest
    made = await make(client, spec_of(origin), long)
    assert [str(each.digest) for each in made.manifests] == [short] == [str(made.expected)]
    checked = checked_of(origin, long, made)
    assert await Maker(client).made(checked) == made.manifests


async def test_children_that_are_not_there_cannot_be_converted(
    client: RegistryClient, origin: HostileRegistry
) -> None:
    """Fault row 43: the error is the source's."""
    index = origin.store.put_platforms(SOURCE_REPOSITORY, docker=True)
    del origin.store.repository(SOURCE_REPOSITORY).manifests[below(origin, index)[0]]
    with pytest.raises(RegistryError) as caught:
        await make(client, spec_of(origin, ALL), index, convert=True)
    assert (caught.value.kind, caught.value.side) == (ErrorKind.BLOB_MISSING, Side.SOURCE)
    sparse = put_sparse_index(origin.store, SOURCE_REPOSITORY, "sparse")
    assert (await make(client, spec_of(origin, ALL), sparse, convert=True)).manifests == ()


async def test_a_manifest_that_cannot_be_written_anew_is_bad_content(
    client: RegistryClient, origin: HostileRegistry
) -> None:
    """Annotations that are no object: nobody could read them."""
    image = origin.store.put_image(SOURCE_REPOSITORY, docker=True)
    document = json.loads(origin.store.content(SOURCE_REPOSITORY, image)) | {"annotations": 5}
    media_type = document["mediaType"]
    odd = origin.store.put_manifest(
        SOURCE_REPOSITORY, None, json.dumps(document).encode(), media_type
    )
    with pytest.raises(RegistryError, match="annotations") as caught:
        await make(client, spec_of(origin), odd, convert=True)
    assert (caught.value.kind, caught.value.side) == (ErrorKind.BAD_CONTENT, Side.SOURCE)


def checked_of(
    origin: HostileRegistry,
    x: str,
    made: Made,
    platforms: PlatformChoice = AMD64,
    *,
    convert: bool = False,
) -> Checked:
    decision = Copy(made.expected, Verdict.MISSING)
    spec = spec_of(origin, platforms)
    return Checked(spec, decision, Digest.parse(x), None, 1, convert=convert)


@pytest.mark.parametrize("convert", [False, True], ids=["kept", "converted"])
async def test_what_is_to_be_copied_is_made_again_from_x(
    client: RegistryClient, origin: HostileRegistry, *, convert: bool
) -> None:
    """After a check that read it, at no cost; the same bytes as then."""
    index = origin.store.put_platforms(SOURCE_REPOSITORY, docker=convert)
    made = await make(client, spec_of(origin, TWO), index, convert=convert)
    origin.requests.clear()
    checked = checked_of(origin, index, made, TWO, convert=convert)
    assert await Maker(client).made(checked) == made.manifests != ()
    assert origin.requests == []


@pytest.mark.parametrize("platforms", [AMD64, TWO, ALL], ids=["one", "list", "all"])
async def test_what_the_source_has_is_copied_without_asking_it_for_more(
    client: RegistryClient, origin: HostileRegistry, platforms: PlatformChoice
) -> None:
    """A child of an index, X itself, and what is kept: nothing can have been made there."""
    x, y = Digest.of(b"x"), Digest.of(b"y")
    checked = checked_of(origin, str(x), Made(y if platforms == AMD64 else x), platforms)
    assert await Maker(client).made(checked) == ()
    kept = msgspec.structs.replace(checked, decision=Keep(y))
    assert await Maker(client).made(kept) == ()
    assert origin.requests == []


async def test_x_that_does_not_become_what_was_remembered_is_looked_at_again(
    client: RegistryClient, origin: HostileRegistry
) -> None:
    """As when the source has not what its check found: the ledger was wrong, or another's."""
    index = origin.store.put_platforms(SOURCE_REPOSITORY)
    wrong = Made(Digest.of(b"something else"))
    with pytest.raises(RegistryError, match="not what was remembered") as caught:
        await Maker(client).made(checked_of(origin, index, wrong, TWO))
    assert (caught.value.kind, caught.value.side) == (ErrorKind.NOT_FOUND, Side.SOURCE)


async def test_x_that_is_gone_when_it_is_copied_is_not_found(
    client: RegistryClient, origin: HostileRegistry
) -> None:
    """Fault row 55: a tag that moved since the check, in another process."""
    origin.inject(Fault("GET", "*", Refusal(404, "MANIFEST_UNKNOWN")))
    checked = checked_of(origin, str(Digest.of(b"x")), Made(Digest.of(b"y")), TWO)
    with pytest.raises(RegistryError) as caught:
        await Maker(client).made(checked)
    assert (caught.value.kind, caught.value.side) == (ErrorKind.NOT_FOUND, Side.SOURCE)
