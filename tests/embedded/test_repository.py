"""One repository: what is acknowledged is on the disk, and nothing else is served."""

import json
import os

import pytest

from image_sync.embedded.listing import REF_NAME
from image_sync.embedded.refusal import Code, RefusedError
from image_sync.embedded.repository import INDEX, Repository
from image_sync.embedded.store import Store
from image_sync.errors import StoreError
from image_sync.oci import Digest
from image_sync.oci.mediatypes import OCI_INDEX, OCI_MANIFEST
from image_sync.oci.strictjson import JSON
from tests.embedded.content import CONFIG, ONE, OTHER, image, index, push, put


def again(store: Store, name: str = "lab/app") -> Repository:
    """The repository as another process would find it."""
    return Repository(name, store.root / name)


def refusal(code: Code, status: int) -> "pytest.RaisesExc[RefusedError]":
    """The refusal with that code."""
    return pytest.RaisesExc(
        RefusedError, check=lambda error: (error.code, error.status) == (code, status)
    )


def entries(store: Store) -> list[dict[str, object]]:
    """The entries of the file."""
    document = json.loads((store.root / "lab/app" / INDEX).read_bytes())
    return list(document["manifests"])


def test_what_was_pushed_is_there_for_another_process(store: Store, repository: Repository) -> None:
    """By its tag and its digest, with its type."""
    digest = push(repository, image(ONE), "1", blobs=[ONE])
    found = again(store)
    by_tag, by_digest = found.find("1"), found.find(digest)
    assert by_tag
    assert by_digest
    assert by_tag.digest == by_digest.digest == digest
    assert by_tag.media_type == OCI_MANIFEST
    assert found.blobs.read(digest) == image(ONE)


def test_a_tag_that_moved_stays_moved(store: Store, repository: Repository) -> None:
    """Also when the folder is opened again: the former manifest has no tag any more."""
    former = push(repository, image(ONE), "1", blobs=[ONE])
    latter = push(repository, image(OTHER), "1", blobs=[OTHER])
    for each in (repository, again(store)):
        found = each.find("1")
        assert found
        assert found.digest == latter
        assert each.find(former)
    assert [entry.get("annotations") for entry in entries(store)] == [{REF_NAME: "1"}, None]


def test_a_tag_that_is_deleted_leaves_the_manifest(store: Store, repository: Repository) -> None:
    """It is asked for by its digest."""
    digest = push(repository, image(), "1", "2")
    repository.delete("1")
    assert again(store).tags() == ["2"]
    repository.delete("2")
    assert again(store).tags() == []
    assert again(store).find(digest)


def test_a_manifest_that_is_deleted_takes_its_tags_and_its_file(
    store: Store, repository: Repository
) -> None:
    """Its blobs stay until nothing needs them."""
    digest = push(repository, image(ONE), "1", "2", blobs=[ONE])
    repository.delete(digest)
    assert again(store).tags() == []
    assert again(store).find(digest) is None
    assert repository.blobs.size(digest) is None
    assert repository.blobs.size(Digest.of(ONE)) == len(ONE)


def test_what_an_index_needs_is_not_deleted(repository: Repository) -> None:
    """409 until the index is gone; what the index does not need goes at once."""
    child, other = push(repository, image()), push(repository, image(ONE), blobs=[ONE])
    parent = put(repository, index(image()), "1").digest
    with refusal(Code.DENIED, 409):
        repository.delete(child)
    repository.delete(other)
    repository.delete(parent)
    repository.delete(child)
    assert repository.is_empty


def test_a_blob_that_a_manifest_needs_is_not_deleted(store: Store, repository: Repository) -> None:
    """409 until the manifest is gone; also in a process that did not see the push."""
    digest = push(repository, image(ONE), "1", blobs=[ONE, OTHER])
    for each in (repository, again(store)):
        with refusal(Code.DENIED, 409):
            each.delete_blob(Digest.of(ONE))
    repository.delete_blob(Digest.of(OTHER))
    repository.delete(digest)
    repository.delete_blob(Digest.of(ONE))
    assert repository.blobs.size(Digest.of(ONE)) is None


def test_a_blob_of_two_manifests_is_needed_until_both_are_gone(repository: Repository) -> None:
    """Also if one of them was pushed twice."""
    first = push(repository, image(ONE), "1", blobs=[ONE, OTHER])
    second = put(repository, image(ONE, OTHER), "2").digest
    with refusal(Code.DENIED, 409):
        repository.delete_blob(Digest.of(ONE))
    put(repository, image(ONE), "3")
    repository.delete(second)
    with refusal(Code.DENIED, 409):
        repository.delete_blob(Digest.of(ONE))
    repository.delete(first)
    repository.delete_blob(Digest.of(ONE))


def test_what_is_not_there_cannot_be_deleted(repository: Repository) -> None:
    """404, with the code of each; a manifest is no blob."""
    digest = push(repository, image(), "1")
    with refusal(Code.MANIFEST_UNKNOWN, 404):
        repository.delete("2")
    with refusal(Code.MANIFEST_UNKNOWN, 404):
        repository.delete(Digest.of(b"x"))
    with refusal(Code.BLOB_UNKNOWN, 404):
        repository.delete_blob(Digest.of(b"x"))
    with refusal(Code.BLOB_UNKNOWN, 404):
        repository.delete_blob(digest)


@pytest.mark.parametrize(
    ("manifest", "code", "status"),
    [
        pytest.param(image(OTHER), Code.MANIFEST_BLOB_UNKNOWN, 404, id="no-layer"),
        pytest.param(index(image(OTHER)), Code.MANIFEST_BLOB_UNKNOWN, 404, id="no-child"),
        pytest.param(
            image(ONE).replace(f'"size": {len(ONE)}'.encode(), b'"size": 1'),
            Code.MANIFEST_INVALID,
            400,
            id="other-size",
        ),
    ],
)
def test_a_manifest_whose_parts_are_missing_is_refused(
    repository: Repository, manifest: bytes, code: Code, status: int
) -> None:
    """It could not be pulled whole; neither is it there afterwards."""
    push(repository, image(ONE), blobs=[ONE])
    with refusal(code, status):
        put(repository, manifest, "1")
    assert repository.tags() == []
    assert repository.find(Digest.of(manifest)) is None


def test_layers_that_may_be_elsewhere_need_not_be_here(repository: Repository) -> None:
    """OCI image spec 1.1, layer.md, Non-Distributable Layers."""
    kind = "application/vnd.oci.image.layer.nondistributable.v1.tar"
    layer: dict[str, JSON] = {
        "mediaType": kind,
        "digest": str(Digest.of(b"x")),
        "size": 1,
        "urls": ["https://a/"],
    }
    push(repository, image(layers=[layer]), "1")
    assert repository.tags() == ["1"]


def test_a_manifest_that_is_none_is_refused(repository: Repository) -> None:
    """Or one with another digest than was said."""
    with refusal(Code.MANIFEST_INVALID, 400):
        repository.put(b"{", OCI_MANIFEST, None, ["1"])
    push(repository, image())
    with refusal(Code.DIGEST_INVALID, 400):
        repository.put(image(), OCI_MANIFEST, Digest.of(b"x"), ["1"])
    assert repository.tags() == []


@pytest.mark.parametrize("content_type", ["", "application/json", "text/plain"])
def test_a_manifest_is_served_as_what_it_is(repository: Repository, content_type: str) -> None:
    """Whatever its pusher called it: a client would not know what to do with it."""
    push(repository, image())
    repository.put(image(), content_type, None, ["1"])
    repository.put(index(), content_type, None, ["2"])
    found, other = repository.find("1"), repository.find("2")
    assert found
    assert other
    assert (found.media_type, other.media_type) == (OCI_MANIFEST, OCI_INDEX)


def test_a_longer_digest_is_kept_as_it_was_pushed(repository: Repository) -> None:
    """A tag answers with it, too."""
    push(repository, image())
    digest = Digest.of(image(), "sha512")
    repository.put(image(), OCI_MANIFEST, digest, ["1"])
    found = repository.find("1")
    assert found
    assert found.digest == digest


def test_pushing_again_mends_what_is_damaged(store: Store, repository: Repository) -> None:
    """A manifest whose file has other bytes, or is gone."""
    digest = push(repository, image(), "1")
    path = repository.blobs.path(digest)
    for damage in (lambda: path.write_bytes(b"{}"), path.unlink):
        damage()
        assert repository.blobs.read(digest) is None
        put(repository, image(), "1")
        assert again(store).blobs.read(digest) == image()


def test_pushing_the_same_again_writes_nothing(repository: Repository) -> None:
    """What is on the disk need not be synced once more; but somebody counts on it again."""
    digest = push(repository, image(), "1")
    index_file, file = repository.blobs.uploads.parent / INDEX, repository.blobs.path(digest)
    os.utime(file, (1, 1))
    before = index_file.stat().st_ino, file.stat().st_ino
    put(repository, image())
    assert repository.blobs.age(digest) < 1000
    put(repository, image(), "1")
    assert (index_file.stat().st_ino, file.stat().st_ino) == before


def test_referrers_are_those_that_refer(store: Store, repository: Repository) -> None:
    """As the specification describes them; whether the subject is here or not."""
    push(repository, image())
    here = put(repository, image(subject=image(), annotations={"a": "b"}), "s").digest
    absent = put(repository, index(subject={"digest": str(Digest.of(b"x"))}, artifactType="t"))
    assert absent.subject == Digest.of(b"x")
    for each in (repository, again(store)):
        (found,) = each.referrers(Digest.of(image()))
        assert isinstance(found, dict)
        assert found["digest"] == str(here)
        assert found["annotations"] == {"a": "b"}
        assert found["artifactType"] == "application/vnd.oci.image.config.v1+json"
        (other,) = each.referrers(Digest.of(b"x"))
        assert isinstance(other, dict)
        assert other["artifactType"] == "t"
        assert each.referrers(Digest.of(b"y")) == []


def test_a_referrer_that_is_deleted_is_told_no_more(repository: Repository) -> None:
    """And one that comes is told at once, though others were read before."""
    push(repository, image(), "1")
    first = put(repository, image(subject=image()))
    assert len(repository.referrers(Digest.of(image()))) == 1
    second = put(repository, image(subject=image(), artifactType="t"))
    assert len(repository.referrers(Digest.of(image()))) == 2
    repository.delete(first.digest)
    (found,) = repository.referrers(Digest.of(image()))
    assert isinstance(found, dict)
    assert found["digest"] == str(second.digest)
    repository.delete(second.digest)
    assert repository.referrers(Digest.of(image())) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"manifests":{}}'])
def test_a_damaged_index_is_told_with_its_place(store: Store, content: bytes) -> None:
    """And is never taken for an empty repository, which would be written over it."""
    push(store.ensure("lab/app"), image(), "1")
    path = store.root / "lab/app" / INDEX
    path.write_bytes(content)
    with pytest.raises(StoreError, match=str(path)):
        again(store)
    assert path.read_bytes() == content


def test_a_link_in_place_of_content_is_as_good_as_nothing(repository: Repository) -> None:
    """It could lead to any file of this machine; pushing takes its place."""
    secret = repository.blobs.uploads.parent / "secret"
    secret.write_bytes(ONE)
    repository.blobs.write(Digest.of(CONFIG), CONFIG)
    path = repository.blobs.path(Digest.of(ONE))
    path.symlink_to(secret)
    assert repository.blobs.size(Digest.of(ONE)) is None
    with pytest.raises(FileNotFoundError):
        repository.blobs.open(Digest.of(ONE))
    repository.blobs.write(Digest.of(ONE), ONE)
    assert not path.is_symlink()
    assert secret.read_bytes() == ONE
