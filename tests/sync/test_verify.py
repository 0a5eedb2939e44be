"""What is found out about an image in the cache, over real sockets."""

from collections.abc import Callable

import pytest

from image_sync.errors import CopyError, ErrorKind, RegistryError, Side
from image_sync.http import Http
from image_sync.model import ImageSpec
from image_sync.oci import AllPlatforms, Digest, Manifest, OnePlatform, Platform, PlatformList
from image_sync.registry import Authenticator, RegistryClient
from image_sync.registry import tree as registry_tree
from image_sync.sync.verify import examine, verified_tree
from tests.hostile import (
    Fault,
    HostileRegistry,
    RawBytes,
    Refusal,
    WrongBytes,
)
from tests.hostile.documents import put_diamond, put_foreign_layer, put_nested_indexes
from tests.hostile.store import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, descriptor, digest_of, document
from tests.sync.scene import TARGET_REPOSITORY, NoCredentials, make_spec

pytestmark = pytest.mark.anyio
REPOSITORY = TARGET_REPOSITORY


@pytest.fixture
def client(http: Http) -> RegistryClient:
    """The real client, which does not wait between tries."""
    return RegistryClient(http, Authenticator(http, NoCredentials(), {}), no_wait)


async def no_wait(_seconds: float) -> None:
    """Nothing."""


def an_index(kept: HostileRegistry) -> ImageSpec:
    """The cache holds an index of three platforms under a digest, and no tag yet."""
    kept.store.put_platforms(REPOSITORY, None)
    return make_spec(target=kept.host, platforms=AllPlatforms())


def top_of(kept: HostileRegistry) -> Digest:
    """The digest of the index in the cache."""
    manifests = kept.store.repository(REPOSITORY).manifests
    return Digest.parse(next(d for d, held in manifests.items() if held.media_type == OCI_INDEX))


async def test_a_whole_index_is_read_to_its_last_blob(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """Every manifest is fetched and every blob asked for, each once; no blob is moved."""
    spec = an_index(kept)
    tree = await verified_tree(client, spec, top_of(kept))
    held = kept.store.repository(REPOSITORY)
    assert {str(manifest.digest) for manifest in tree.manifests} == set(held.manifests)
    assert {str(blob.digest) for blob in tree.blobs} == set(held.blobs)
    asked = [request.path for request in kept.asked("HEAD", "*/blobs/*")]
    assert len(asked) == len(set(asked)) == len(held.blobs)
    assert kept.asked("GET", "*/blobs/*") == []


def lose_a_child(kept: HostileRegistry) -> str:
    manifests = kept.store.repository(REPOSITORY).manifests
    lost = next(digest for digest, held in manifests.items() if held.media_type == OCI_MANIFEST)
    del manifests[lost]
    return lost


def lose_a_blob(kept: HostileRegistry) -> str:
    blobs = kept.store.repository(REPOSITORY).blobs
    lost = next(iter(blobs))
    del blobs[lost]
    return lost


def shorten_a_blob(kept: HostileRegistry) -> str:
    blobs = kept.store.repository(REPOSITORY).blobs
    short = next(iter(blobs))
    blobs[short] = blobs[short][:-1]
    return short


@pytest.mark.parametrize("damage", [lose_a_child, lose_a_blob, shorten_a_blob])
async def test_an_image_with_a_hole_is_not_whole(
    client: RegistryClient, kept: HostileRegistry, damage: Callable[[HostileRegistry], str]
) -> None:
    """The error names what is missing or short, and that it is so in the cache."""
    spec, lost = an_index(kept), damage(kept)
    with pytest.raises(CopyError) as caught:
        await verified_tree(client, spec, top_of(kept))
    assert (caught.value.kind, caught.value.side) == (ErrorKind.BLOB_MISSING, Side.TARGET)
    assert lost in caught.value.message


async def test_a_manifest_that_the_cache_never_got_is_missing(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """A tool that pushed nothing is found out by the first request."""
    nothing = Digest.of(b"never pushed")
    with pytest.raises(CopyError, match=str(nothing)):
        await verified_tree(client, make_spec(target=kept.host), nothing)


async def test_bytes_that_are_not_what_their_digest_says_are_not_whole(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """A cache that serves another manifest under a digest is an error at the cache."""
    spec = an_index(kept)
    kept.inject(Fault("GET", "*/manifests/*", WrongBytes()))
    with pytest.raises(CopyError) as caught:
        await verified_tree(client, spec, top_of(kept))
    assert (caught.value.kind, caught.value.side) == (ErrorKind.BAD_CONTENT, Side.TARGET)


async def test_a_cache_that_does_not_say_is_neither_whole_nor_damaged(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """An unanswered question stays one."""
    spec = an_index(kept)
    kept.inject(Fault("HEAD", "*/blobs/*", Refusal(403, "DENIED")))
    with pytest.raises(RegistryError) as caught:
        await verified_tree(client, spec, top_of(kept))
    assert caught.value.kind is ErrorKind.DENIED


OTHER, DAMAGED = ErrorKind.NO_PLATFORM, ErrorKind.BAD_CONTENT


@pytest.mark.parametrize(
    ("wanted", "config", "kind"),
    [
        pytest.param("linux/amd64", {"os": "linux", "architecture": "amd64"}, None, id="same"),
        pytest.param("linux/arm64", {"os": "linux", "architecture": "amd64"}, OTHER, id="another"),
        pytest.param("linux/arm/v6", {"os": "linux", "architecture": "arm"}, None, id="untold"),
        pytest.param(
            "linux/arm/v7",
            {"os": "linux", "architecture": "arm", "variant": "v6"},
            OTHER,
            id="another variant",
        ),
        pytest.param(
            "linux/arm64",
            {"os": "linux", "architecture": "arm64", "variant": "v8"},
            None,
            id="variant that goes without saying",
        ),
        pytest.param("linux/amd64", {"rootfs": {}}, None, id="no platform at all"),
        pytest.param(
            "linux/amd64",
            {"os": "linux", "architecture": "amd64", "config": {"Labels": {"Key": "", "key": ""}}},
            None,
            id="labels that differ by case",
        ),
        pytest.param(
            "linux/amd64", {"os": "lin ux", "architecture": "amd64"}, DAMAGED, id="nonsense"
        ),
        pytest.param("linux/amd64", {"os": 5, "architecture": "amd64"}, DAMAGED, id="wrong type"),
        pytest.param("linux/amd64", ["linux"], DAMAGED, id="no object"),
    ],
)
async def test_an_image_for_another_platform_is_not_the_wanted_one(
    client: RegistryClient,
    kept: HostileRegistry,
    wanted: str,
    config: object,
    kind: ErrorKind | None,
) -> None:
    """The config itself has to agree, as far as it says anything."""
    content = document(config)
    kept.store.put_blob(REPOSITORY, content)
    manifest = document(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(OCI_CONFIG, content),
            "layers": [],
        }
    )
    digest = kept.store.put_manifest(REPOSITORY, None, manifest, OCI_MANIFEST)
    spec = make_spec(target=kept.host, platforms=OnePlatform(Platform.parse(wanted)))
    if kind is None:
        assert str((await verified_tree(client, spec, Digest.parse(digest))).top.digest) == digest
        return
    with pytest.raises(CopyError) as caught:
        await verified_tree(client, spec, Digest.parse(digest))
    assert caught.value.kind is kind


@pytest.mark.parametrize(
    ("wanted", "wrong"),
    [
        pytest.param(["linux/amd64", "linux/arm64"], False, id="one of them"),
        pytest.param(["linux/s390x", "linux/arm64"], True, id="none of them"),
    ],
)
async def test_a_single_image_is_for_one_of_the_wanted_platforms(
    client: RegistryClient, kept: HostileRegistry, wanted: list[str], *, wrong: bool
) -> None:
    """A list of platforms is no leave to take any: the source may have no index to choose from."""
    digest = Digest.parse(kept.store.put_image(REPOSITORY, platform="linux/amd64"))
    platforms = PlatformList.of(map(Platform.parse, wanted))
    spec = make_spec(target=kept.host, platforms=platforms)
    if not wrong:
        assert (await verified_tree(client, spec, digest)).top.digest == digest
        return
    with pytest.raises(CopyError, match="linux/arm64 or linux/s390x wanted, linux/amd64 found"):
        await verified_tree(client, spec, digest)


async def test_an_artifact_has_no_platform_and_passes(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """A chart's config says nothing of platforms, and is not read."""
    chart = "application/vnd.cncf.helm.config.v1+json"
    config = b'{"os": "none of that"}'
    kept.store.put_blob(REPOSITORY, config)
    content = document(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(chart, config),
            "layers": [],
        }
    )
    digest = kept.store.put_manifest(REPOSITORY, None, content, OCI_MANIFEST)
    await verified_tree(client, make_spec(target=kept.host), Digest.parse(digest))
    assert kept.asked("GET", "*/blobs/*") == []


@pytest.mark.parametrize("kind", ["blob", "manifest", None])
async def test_a_child_of_an_unknown_kind_has_to_be_there_too(
    client: RegistryClient, kept: HostileRegistry, kind: str | None
) -> None:
    """As a blob or as a manifest: an index is whole only with everything it lists."""
    media_type, stranger = "application/vnd.example.unheard-of", b'{"a":"stranger"}'
    if kind == "blob":
        kept.store.put_blob(REPOSITORY, stranger)
    if kind == "manifest":
        kept.store.put_manifest(REPOSITORY, None, stranger, OCI_MANIFEST)
    index = document(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [descriptor(media_type, stranger)],
        }
    )
    digest = Digest.parse(kept.store.put_manifest(REPOSITORY, None, index, OCI_INDEX))
    spec = make_spec(target=kept.host, platforms=AllPlatforms())
    if kind:
        await verified_tree(client, spec, digest)
        return
    with pytest.raises(CopyError, match=digest_of(stranger)):
        await verified_tree(client, spec, digest)


async def test_a_layer_that_lies_elsewhere_is_not_looked_for(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """Fault row 40: nobody pushes it."""
    digest = put_foreign_layer(kept.store, REPOSITORY, "w", "https://example.test/layer")
    spec = make_spec(target=kept.host, platforms=AllPlatforms())
    await verified_tree(client, spec, Digest.parse(digest))


async def test_an_index_that_lies_about_the_size_of_a_child_is_not_accepted(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """Pullers check it, so the cached image could not be pulled."""
    child = kept.store.put_image(REPOSITORY)
    manifest = kept.store.content(REPOSITORY, child)
    entry = descriptor(OCI_MANIFEST, manifest) | {"size": len(manifest) + 1}
    index = document({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})
    digest = Digest.parse(kept.store.put_manifest(REPOSITORY, None, index, OCI_INDEX))
    spec = make_spec(target=kept.host, platforms=AllPlatforms())
    with pytest.raises(CopyError, match="bytes"):
        await verified_tree(client, spec, digest)


async def test_a_graph_with_many_paths_is_read_once(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """Fault row 38: the number of requests follows the manifests, not the paths through them."""
    digest = put_diamond(kept.store, REPOSITORY, "d", 4)
    spec = make_spec(target=kept.host, platforms=AllPlatforms())
    await verified_tree(client, spec, Digest.parse(digest))
    asked = [request.path for request in kept.asked("GET", "*/manifests/*")]
    assert len(asked) == len(set(asked))


async def test_indexes_nested_too_deep_are_refused(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """Fault row 38: one level more than the bound."""
    spec = make_spec(target=kept.host, platforms=AllPlatforms())
    fine = put_nested_indexes(kept.store, REPOSITORY, "fine", registry_tree.MAX_DEPTH)
    await verified_tree(client, spec, Digest.parse(fine))
    deep = put_nested_indexes(kept.store, REPOSITORY, "deep", registry_tree.MAX_DEPTH + 1)
    with pytest.raises(CopyError, match="deeper"):
        await verified_tree(client, spec, Digest.parse(deep))


async def test_manifests_that_are_too_much_together_are_refused(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """Each below its own bound: memory does not follow what a source makes up."""
    big = [
        document(
            {
                "schemaVersion": 2,
                "mediaType": OCI_INDEX,
                "manifests": [],
                "annotations": {"padding": str(number) + "x" * (4 * 1024 * 1024 - 1_000)},
            }
        )
        for number in range(5)
    ]
    entries = [descriptor(OCI_INDEX, content) for content in big]
    for content in big:
        kept.store.put_manifest(REPOSITORY, None, content, OCI_INDEX)
    top = document({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    digest = Digest.parse(kept.store.put_manifest(REPOSITORY, None, top, OCI_INDEX))
    spec = make_spec(target=kept.host, platforms=AllPlatforms())
    with pytest.raises(CopyError, match="bytes of manifests"):
        await verified_tree(client, spec, digest)


async def test_all_damage_is_found_and_not_only_the_first(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """A lost child, and of another a lost blob and a short one: a repair has to bring them all."""
    an_index(kept)
    lost = lose_a_child(kept)
    held = kept.store.repository(REPOSITORY)
    images = [each for each in held.manifests.values() if each.media_type == OCI_MANIFEST]
    blobs = Manifest.parse(images[0].content, OCI_MANIFEST).blobs
    gone, short = str(blobs[0].digest), str(blobs[1].digest)
    del held.blobs[gone]
    held.blobs[short] = held.blobs[short][:-1]
    examined = await examine(client, make_spec(target=kept.host).target, top_of(kept))
    assert {str(part.digest): part.what for part in examined.damage} == {
        lost: f"the manifest {lost} is missing",
        gone: f"the blob {gone} is missing",
        short: f"the blob {short} has {len(held.blobs[short])} bytes there, and "
        f"{blobs[1].size} in the manifest",
    }


async def test_what_is_below_a_lost_child_does_not_hide_its_siblings(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """The tree is what is there: the other platforms are read to their last blob."""
    an_index(kept)
    lost = lose_a_child(kept)
    endpoint = make_spec(target=kept.host).target
    examined = await examine(client, endpoint, top_of(kept))
    assert [str(part.digest) for part in examined.damage] == [lost]
    assert examined.damage[0].kind is ErrorKind.BLOB_MISSING
    assert {str(manifest.digest) for manifest in examined.tree.manifests} == set(
        kept.store.repository(REPOSITORY).manifests
    )
    assert len(kept.asked("HEAD", "*/blobs/*")) == len(examined.tree.blobs)


async def test_a_top_manifest_that_is_gone_is_damage(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """There is nothing to look below."""
    nothing = Digest.of(b"never pushed")
    examined = await examine(client, make_spec(target=kept.host).target, nothing)
    assert [part.digest for part in examined.damage] == [nothing]
    assert examined.tree.manifests == ()


async def test_a_manifest_with_other_bytes_is_damage_of_another_kind(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """The bytes are hashed, whatever the registry says they are."""
    an_index(kept)
    manifests = kept.store.repository(REPOSITORY).manifests
    spoilt = next(digest for digest, held in manifests.items() if held.media_type == OCI_MANIFEST)
    kept.inject(Fault("GET", f"*/manifests/{spoilt}", WrongBytes()))
    endpoint = make_spec(target=kept.host).target
    [part] = (await examine(client, endpoint, top_of(kept))).damage
    assert (str(part.digest), part.kind) == (spoilt, ErrorKind.BAD_CONTENT)
    assert part.what.startswith(f"{spoilt} was answered with other bytes")


async def test_a_garbled_answer_is_no_damage(client: RegistryClient, kept: HostileRegistry) -> None:
    """What is no HTTP says nothing of the manifest."""
    an_index(kept)
    kept.inject(Fault("GET", "*/manifests/*", RawBytes(b"SSH-2.0-OpenSSH_9.2\r\n")))
    with pytest.raises(RegistryError):
        await examine(client, make_spec(target=kept.host).target, top_of(kept))


async def test_a_whole_image_has_no_damage(client: RegistryClient, kept: HostileRegistry) -> None:
    """Neither has one with a manifest of its own kind only."""
    an_index(kept)
    endpoint = make_spec(target=kept.host).target
    assert (await examine(client, endpoint, top_of(kept))).damage == ()


async def test_blobs_that_were_acknowledged_are_not_asked_for_again(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """Manifests are read back all the same."""
    spec = an_index(kept)
    tree = await verified_tree(client, spec, top_of(kept), blobs=False)
    assert kept.asked("*", "*/blobs/*") == []
    assert len(kept.asked("GET", "*/manifests/*")) == len(tree.manifests)


async def test_a_manifest_that_the_registry_fails_to_read_is_no_damage_by_itself(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """Nothing is copied because a registry has trouble with its disk: it did not say."""
    an_index(kept)
    manifests = kept.store.repository(REPOSITORY).manifests
    torn = next(digest for digest, held in manifests.items() if held.media_type == OCI_MANIFEST)
    kept.inject(Fault("GET", f"*/manifests/{torn}", Refusal(500, "UNKNOWN", "unexpected end")))
    endpoint = make_spec(target=kept.host).target
    with pytest.raises(RegistryError) as caught:
        await examine(client, endpoint, top_of(kept))
    assert caught.value.kind is ErrorKind.UNAVAILABLE


async def test_a_manifest_that_was_refused_only_once_is_whole(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """A passing fault is no damage."""
    an_index(kept)
    kept.inject(Fault("GET", "*/manifests/*", Refusal(500, "UNKNOWN"), times=2))
    endpoint = make_spec(target=kept.host).target
    assert (await examine(client, endpoint, top_of(kept))).damage == ()
