"""What is found out about an image in the cache, and when its tag moves, over real sockets."""

from collections.abc import Callable

import pytest

from image_sync.errors import CopyError, ErrorKind, RegistryError, Side
from image_sync.events import Event, TagMoved
from image_sync.model import ImageSpec
from image_sync.oci import AllPlatforms, Digest, OnePlatform, Platform, PlatformList
from image_sync.registry import RegistryClient
from image_sync.sync import verify
from image_sync.sync.commit import move_tag, verified_tree
from tests.hostile import (
    Dropped,
    Fault,
    HostileRegistry,
    Refusal,
    TagMoves,
    WrongBytes,
)
from tests.hostile.documents import put_diamond, put_foreign_layer, put_nested_indexes
from tests.hostile.store import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, descriptor, digest_of, document
from tests.sync.scene import TARGET_REPOSITORY, make_spec

pytestmark = pytest.mark.anyio
REPOSITORY = TARGET_REPOSITORY


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
    with pytest.raises(RegistryError) as caught:
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
    fine = put_nested_indexes(kept.store, REPOSITORY, "fine", verify.MAX_DEPTH)
    await verified_tree(client, spec, Digest.parse(fine))
    deep = put_nested_indexes(kept.store, REPOSITORY, "deep", verify.MAX_DEPTH + 1)
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


async def test_a_tag_moves_to_a_verified_image_and_says_so(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """From the old digest to the new one, by one PUT of the very bytes."""
    old = kept.store.put_image(REPOSITORY, "1.0", layers=[b"old"])
    new = kept.store.put_image(REPOSITORY, None, layers=[b"new"])
    spec = make_spec(target=kept.host)
    tree = await verified_tree(client, spec, Digest.parse(new))
    await move_tag(client, spec, tree, events.append)
    assert kept.store.tagged(REPOSITORY, "1.0") == new
    [moved] = [event for event in events if isinstance(event, TagMoved)]
    assert (str(moved.old), str(moved.new)) == (old, new)


async def test_a_tag_that_is_there_already_is_not_moved_again(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """Another instance, or an earlier attempt, was here (fault row 56)."""
    digest = kept.store.put_image(REPOSITORY, "1.0")
    spec = make_spec(target=kept.host)
    tree = await verified_tree(client, spec, Digest.parse(digest))
    await move_tag(client, spec, tree, events.append)
    assert kept.asked("PUT", "*") == []
    assert not [event for event in events if isinstance(event, TagMoved)]


async def test_a_lost_answer_to_the_tags_put_is_settled_by_asking(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """Fault row 54: the effect happened, and that is what counts."""
    digest = kept.store.put_image(REPOSITORY, None)
    spec = make_spec(target=kept.host)
    tree = await verified_tree(client, spec, Digest.parse(digest))
    kept.inject(Fault("PUT", "*", Dropped(), times=1))
    await move_tag(client, spec, tree, events.append)
    assert kept.store.tagged(REPOSITORY, "1.0") == digest


async def test_a_tag_that_names_something_else_right_after_is_an_error(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """Two writers, or a cache that says yes and does nothing."""
    other = kept.store.put_image(REPOSITORY, None, layers=[b"theirs"])
    digest = kept.store.put_image(REPOSITORY, None, layers=[b"ours"])
    spec = make_spec(target=kept.host)
    tree = await verified_tree(client, spec, Digest.parse(digest))
    kept.inject(Fault("PUT", "*", TagMoves(kept.store, REPOSITORY, "1.0", other)))
    with pytest.raises(CopyError) as caught:
        await move_tag(client, spec, tree, events.append)
    assert (caught.value.operation, caught.value.side) == ("commit", Side.TARGET)
    assert not [event for event in events if isinstance(event, TagMoved)]


async def test_a_refused_tag_stays_where_it_was(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """The registry's own words come out."""
    old = kept.store.put_image(REPOSITORY, "1.0", layers=[b"old"])
    new = kept.store.put_image(REPOSITORY, None, layers=[b"new"])
    spec = make_spec(target=kept.host)
    tree = await verified_tree(client, spec, Digest.parse(new))
    kept.inject(Fault("PUT", "*", Refusal(400, "MANIFEST_INVALID", "no such types here")))
    with pytest.raises(RegistryError, match="no such types here"):
        await move_tag(client, spec, tree, events.append)
    assert kept.store.tagged(REPOSITORY, "1.0") == old
