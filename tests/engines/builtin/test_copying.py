"""What the engine does where nothing goes wrong: what is asked, in which order, and how often."""

import pytest

from image_sync.engines import Copied
from image_sync.oci import Digest, Manifest, Repository
from tests.engines.builtin.support import (
    BLOBS,
    MANIFESTS,
    REPOSITORY,
    UPLOADS,
    Lab,
    Place,
    laboratory,
)
from tests.hostile.documents import put_foreign_layer
from tests.hostile.store import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    StoredManifest,
    descriptor,
    digest_of,
    document,
)

pytestmark = pytest.mark.anyio

LAYER = b"a layer of some bytes" * 1000


def pushed(lab: Lab) -> list[str]:
    """What the cache was sent, in order: manifests by digest, and `blob`."""
    names = []
    for request in lab.cache.requests:
        if request.method == "PUT":
            name = request.path.rpartition("/")[2]
            names.append("blob" if "/uploads/" in request.path else name)
    return names


async def test_an_index_arrives_as_it_is() -> None:
    """Blobs, then children, then the index, all by digest, and no tag."""
    async with laboratory() as lab:
        digest = lab.source.store.put_platforms(REPOSITORY, "1.0")
        copied = await lab.builtin.copy(lab.request(digest), Place())
        lab.assert_same()
        held, order = lab.source.store.repositories[REPOSITORY], pushed(lab)
        assert order[:6] == ["blob"] * 6
        assert set(order[6:9]) == held.manifests.keys() - {digest}
        assert order[9:] == [digest]
        documents = [manifest.content for manifest in held.manifests.values()]
        assert copied == Copied(sum(map(len, [*documents, *held.blobs.values()])), 0)


async def test_a_child_below_two_parents_comes_before_both() -> None:
    """Also where it stands higher up in one of them."""
    async with laboratory() as lab:
        store = lab.source.store
        child = store.put_image(REPOSITORY, layers=[LAYER])
        inner = store.put_index(REPOSITORY, children={"linux/amd64": child})
        outer = store.put_index(REPOSITORY, children={"linux/amd64": child, "linux/arm64": inner})
        await lab.builtin.copy(lab.request(outer), Place())
        assert [name for name in pushed(lab) if name != "blob"] == [child, inner, outer]


async def test_a_second_copy_moves_nothing() -> None:
    """Not even a question about a blob that was there a moment ago."""
    async with laboratory() as lab:
        digest = lab.source.store.put_image(REPOSITORY, layers=[LAYER])
        await lab.builtin.copy(lab.request(digest), Place())
        lab.source.requests.clear()
        lab.cache.requests.clear()
        again = await lab.builtin.copy(lab.request(digest), Place())
        assert again.bytes_reused is not None
        assert again.bytes_reused > len(LAYER)
        assert lab.source.asked("GET", BLOBS) == []
        assert [request.method for request in lab.cache.requests] == ["PUT"]


async def test_another_process_asks_once_for_each_blob() -> None:
    """One HEAD each, and nothing is opened at the cache."""
    async with laboratory() as lab:
        digest = lab.source.store.put_image(REPOSITORY, layers=[LAYER])
        lab.cache.store.repositories[REPOSITORY] = lab.source.store.repositories[REPOSITORY]
        await lab.builtin.copy(lab.request(digest), Place())
        assert len(lab.cache.asked("HEAD", BLOBS)) == 2
        assert lab.cache.asked("POST", UPLOADS) == []
        assert lab.source.asked("GET", BLOBS) == []


@pytest.mark.parametrize("searches", [False, True])
async def test_a_short_blob_is_pushed_anew(*, searches: bool) -> None:
    """The cache has one of that name, with fewer bytes than the manifest says (fault row 57)."""
    async with laboratory() as lab:
        digest = lab.source.store.put_image(REPOSITORY, layers=[LAYER])
        lab.cache.uploads.mounts_unnamed = searches
        lab.cache.store.repository(REPOSITORY).blobs[digest_of(LAYER)] = LAYER[:10]
        await lab.builtin.copy(lab.request(digest), Place())
        lab.assert_same()


async def test_what_is_to_be_repaired_is_pushed_whatever_the_cache_says() -> None:
    """No question, no mount: the cache has a blob of the right size and other bytes."""
    async with laboratory() as lab:
        digest = lab.source.store.put_image(REPOSITORY, layers=[LAYER])
        await lab.builtin.copy(lab.request(digest), Place())
        held = lab.cache.store.repositories[REPOSITORY]
        lab.cache.uploads.mounts_unnamed = True
        lab.cache.store.repository("team/other").blobs[digest_of(LAYER)] = LAYER[::-1]
        lab.learn(Repository(lab.cache.host, "team/other"), [Digest.parse(digest_of(LAYER))])
        held.blobs[digest_of(LAYER)] = LAYER[::-1]
        lab.cache.requests.clear()
        repair = frozenset({Digest.parse(digest_of(LAYER))})
        await lab.builtin.copy(lab.request(digest, repair=repair), Place())
        lab.assert_same()
        assert lab.cache.asked("HEAD", BLOBS) == []
        assert lab.cache.asked("POST", UPLOADS, query="*mount=*") == []


async def test_made_manifests_take_the_place_of_the_source_s() -> None:
    """The source is asked for none of them, and for what they list."""
    async with laboratory() as lab:
        store = lab.source.store
        images = {
            platform: store.put_image(REPOSITORY, layers=[platform.encode()], platform=platform)
            for platform in ("linux/amd64", "linux/arm64")
        }
        store.put_index(REPOSITORY, children=images)
        kept = store.repositories[REPOSITORY].manifests[images["linux/arm64"]]
        entries = [descriptor(kept.media_type, kept.content)]
        content = document({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
        made = Manifest.parse(content)
        await lab.builtin.copy(lab.request(str(made.digest), made=(made,)), Place())
        assert lab.cache.store.content(REPOSITORY, str(made.digest)) == content
        assert set(lab.cache.store.repositories[REPOSITORY].manifests) == {
            str(made.digest),
            images["linux/arm64"],
        }
        assert len(lab.source.asked("GET", MANIFESTS)) == 1


async def test_a_layer_that_lies_elsewhere_is_not_fetched() -> None:
    """Fault row 40: the manifest is kept as it is."""
    async with laboratory() as lab:
        url = f"{lab.source.url}/elsewhere"
        digest = put_foreign_layer(lab.source.store, REPOSITORY, "1.0", url)
        await lab.builtin.copy(lab.request(digest), Place())
        lab.assert_same()
        assert lab.source.asked("GET", "/elsewhere") == []


async def test_sha512_digests_are_kept() -> None:
    """For blobs, children and the top (fault row 42)."""
    async with laboratory() as lab:
        held = lab.source.store.repository(REPOSITORY)

        def named(media_type: str, content: bytes) -> dict[str, object]:
            digest = digest_of(content, "sha512")
            if media_type in {OCI_INDEX, OCI_MANIFEST}:
                held.manifests[digest] = StoredManifest(content, media_type)
            else:
                held.blobs[digest] = content
            return {"mediaType": media_type, "digest": digest, "size": len(content)}

        config, layer = named(OCI_CONFIG, b"{}"), named(OCI_LAYER, LAYER)
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
        child = named(OCI_MANIFEST, document({**manifest, "config": config, "layers": [layer]}))
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}
        top = named(OCI_INDEX, document(index))
        await lab.builtin.copy(lab.request(str(top["digest"])), Place())
        lab.assert_same()


@pytest.mark.parametrize("served", ["manifest", "blob"])
async def test_what_is_of_no_known_type_is_copied_as_it_is(served: str) -> None:
    """An index may list anything (fault row 42); it is not interpreted."""
    async with laboratory() as lab:
        stranger, media_type = b'{"strange": true}', "application/vnd.example.thing.v1+json"
        store = lab.source.store
        entry = descriptor(media_type, stranger)
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
        digest = store.put_manifest(REPOSITORY, None, document(index), OCI_INDEX)
        if served == "manifest":
            store.put_manifest(REPOSITORY, None, stranger, media_type)
        else:
            store.put_blob(REPOSITORY, stranger)
            # A registry that takes a blob for what an index lists.
            lab.cache.store.put_manifest(REPOSITORY, None, stranger, media_type)
        await lab.builtin.copy(lab.request(digest), Place())
        assert lab.cache.store.content(REPOSITORY, digest_of(stranger)) == stranger
        assert digest in lab.cache.store.repositories[REPOSITORY].manifests
        held = lab.cache.store.repositories[REPOSITORY]
        assert (digest_of(stranger) in held.blobs) is (served == "blob")


async def test_how_much_there_is_to_move_is_told_without_what_is_there_already() -> None:
    """So that people know how long it takes: a config, and the layer that the cache has not."""
    there, missing = bytes(500_000), bytes(range(250)) * 16_000
    async with laboratory(bandwidth=2_000_000) as lab:
        digest = lab.source.store.put_image(REPOSITORY, layers=[there, missing])
        lab.cache.store.put_blob(REPOSITORY, there)
        place = Place()
        await lab.builtin.copy(lab.request(digest), place)
        assert place.sizes
        for size in place.sizes:
            assert size is not None
            assert len(missing) <= size < len(missing) + 2_000
