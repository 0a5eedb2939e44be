"""What is removed: exactly what nothing needs, once nobody has counted on it for a while."""

import os

import pytest

from image_sync.embedded.repository import Collected, Repository
from image_sync.embedded.store import Store
from image_sync.oci import Digest
from tests.embedded.content import CONFIG, LAYER, ONE, OTHER, described, image, index, push, put

GRACE = 3600.0
OLD = 1_000_000_000  # seconds since 1970: long ago


def age(repository: Repository, *but: Digest) -> None:
    """Have it that nobody counted on anything for long, but on some."""
    for digest in repository.blobs:
        if digest not in but:
            os.utime(repository.blobs.path(digest), (OLD, OLD))


def left(repository: Repository) -> set[Digest]:
    """All that is there."""
    return set(repository.blobs)


def digests(*contents: bytes) -> set[Digest]:
    """Of some contents."""
    return {Digest.of(content) for content in contents}


def test_what_a_tag_leads_to_stays(repository: Repository) -> None:
    """Index, manifests, configurations, layers: of whatever age."""
    push(repository, image(ONE), blobs=[ONE])
    put(repository, index(image(ONE)), "1")
    age(repository)
    assert repository.collect(GRACE) == Collected()
    assert left(repository) == digests(CONFIG, ONE, image(ONE), index(image(ONE)))


def test_what_nothing_needs_goes(repository: Repository) -> None:
    """An untagged image with its layers, and a layer of no image; each is counted."""
    push(repository, image(ONE), "1", blobs=[ONE])
    push(repository, image(ONE, OTHER), blobs=[OTHER, b"lost"])
    age(repository)
    size = len(image(ONE, OTHER)) + len(OTHER) + len(b"lost")
    assert repository.collect(GRACE) == Collected(manifests=1, blobs=3, size=size)
    assert left(repository) == digests(CONFIG, ONE, image(ONE))
    assert repository.find(Digest.of(image(ONE, OTHER))) is None


def test_what_was_counted_on_lately_stays_with_all_it_needs(repository: Repository) -> None:
    """Somebody may be about to tag it, or to pull its children."""
    push(repository, image(ONE), blobs=[ONE])
    parent = put(repository, index(image(ONE))).digest
    signature = put(repository, image(subject=index(image(ONE)))).digest
    age(repository, parent)
    assert repository.collect(GRACE) == Collected()
    age(repository)
    assert repository.collect(GRACE).manifests == 3
    assert left(repository) == set()
    assert repository.find(signature) is None


@pytest.mark.parametrize("ending", ["moved", "deleted"])
def test_the_grace_of_what_a_tag_left_begins_then(repository: Repository, ending: str) -> None:
    """Whoever asked the tag just before is still pulling."""
    former = push(repository, image(ONE), "1", blobs=[ONE])
    put(repository, image(subject=image(ONE)))
    age(repository)
    if ending == "moved":
        push(repository, image(), "1")
    else:
        repository.delete("1")
    assert repository.collect(GRACE) == Collected()
    assert repository.find(former)
    age(repository)
    assert repository.collect(GRACE).manifests == 2


def test_a_blob_that_was_asked_for_stays(repository: Repository) -> None:
    """A push has found it here, and its manifest is on the way."""
    push(repository, image(), "1", blobs=[ONE, OTHER])
    age(repository)
    repository.blobs.touch(Digest.of(ONE))
    assert repository.collect(GRACE).blobs == 1
    put(repository, image(ONE), "2")


def test_what_refers_to_a_kept_manifest_stays_and_to_a_gone_one_goes(
    repository: Repository,
) -> None:
    """Signatures have no tags; those of signatures neither."""
    push(repository, image(), "1")
    push(repository, image(ONE), blobs=[ONE])
    kept = put(repository, image(subject=image())).digest
    kept_too = put(repository, image(subject=image(subject=image()))).digest
    gone = put(repository, image(subject=image(ONE))).digest
    orphan = put(repository, image(subject=b"nowhere")).digest
    age(repository)
    assert repository.collect(GRACE).manifests == 3
    assert all(map(repository.find, [kept, kept_too]))
    assert not any(map(repository.find, [gone, orphan]))
    assert repository.referrers(Digest.of(image(ONE))) == []


def test_what_a_manifest_has_as_a_layer_stays(repository: Repository) -> None:
    """Though it is a manifest itself, which no tag leads to."""
    inner = push(repository, image(ONE), blobs=[ONE])
    outer = image(layers=[described(image(ONE), LAYER)])
    put(repository, outer, "1")
    age(repository)
    repository.collect(GRACE)
    assert repository.blobs.read(inner) == image(ONE)
    assert repository.blobs.size(Digest.of(ONE)) == len(ONE)


@pytest.mark.parametrize("damage", ["other", "gone", "strange"])
def test_where_a_manifest_cannot_be_read_nothing_goes(store: Store, damage: str) -> None:
    """Nobody knows what it needs; how many there are is told, and other repositories go on."""
    repository, other = store.ensure("a"), store.ensure("b")
    for each in (repository, other):
        push(each, image(ONE), "1", blobs=[ONE, OTHER])
        age(each)
    path = repository.blobs.path(Digest.of(image(ONE)))
    match damage:
        case "other":
            path.write_bytes(b"{}")
        case "gone":
            path.unlink()
        case _:
            layout = store.root / "a" / "index.json"
            entry = b'[{"mediaType":"x","digest":"y"},'
            layout.write_bytes(layout.read_bytes().replace(b"[", entry, 1))
            repository = Repository("a", store.root / "a")
            assert repository.collect(GRACE).unreadable == 1
            return
    assert store.collect(GRACE) == Collected(blobs=1, size=len(OTHER), unreadable=1)
    assert repository.blobs.size(Digest.of(OTHER)) == len(OTHER)
    assert other.blobs.size(Digest.of(OTHER)) is None


def test_bytes_that_others_hold_are_not_free(store: Store) -> None:
    """They are the same file: until the last one goes."""
    one, other = store.ensure("a"), store.ensure("b")
    one.blobs.write(Digest.of(ONE), ONE)
    other.blobs.link(Digest.of(ONE), one.blobs.path(Digest.of(ONE)))
    age(one)
    assert one.collect(GRACE) == Collected(blobs=1, size=0)
    assert other.collect(GRACE) == Collected(blobs=1, size=len(ONE))


def test_files_of_uploads_that_a_former_process_left_go(store: Store) -> None:
    """Old ones; a folder there is none of ours and ends nothing."""
    repository = store.ensure("a")
    push(repository, image(), "1", blobs=[ONE])
    age(repository)
    folder = repository.blobs.uploads
    for name in ("old", "new"):
        (folder / name).write_bytes(b"half")
    os.utime(folder / "old", (OLD, OLD))
    (folder / "folder").mkdir()
    os.utime(folder / "folder", (OLD, OLD))
    store.collect(GRACE)
    assert sorted(path.name for path in folder.iterdir()) == ["folder", "new"]


def test_files_that_are_no_content_are_left_alone(store: Store) -> None:
    """Other programs' in `blobs`, and names that are no digest."""
    repository = store.ensure("a")
    push(repository, image(), "1")
    strange = [
        store.root / "a" / "blobs" / "file",
        store.root / "a" / "blobs" / "sha256" / ".tmp-x",
        store.root / "a" / "blobs" / "tmp" / "x",
        store.root / "a" / "blobs" / "sha256" / ("0" * 64) / "x",
    ]
    for path in strange:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (OLD, OLD))
    os.utime(strange[-1].parent, (OLD, OLD))
    age(repository)
    assert store.collect(GRACE) == Collected()
    assert all(path.exists() for path in strange)


def test_it_is_known_when_it_was_done_last(store: Store) -> None:
    """By the next process, too."""
    assert store.since_collected() < 100
    os.utime(store.root / ".image-sync.collected", (OLD, OLD))
    assert store.since_collected() > GRACE
    store.collect(GRACE)
    assert store.since_collected() < 100
