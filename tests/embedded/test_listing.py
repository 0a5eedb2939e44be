"""What `index.json` says, ours, Zot's and other programs'."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.embedded.listing import REF_NAME, Entry, Listing, ListingError
from image_sync.oci import Digest
from image_sync.oci.mediatypes import OCI_INDEX, OCI_MANIFEST
from image_sync.oci.strictjson import JSON

ENTRIES = st.builds(Entry.make, st.binary(max_size=1).map(Digest.of), st.just("t/p"), st.just(1))
TAGS = st.sampled_from(["1", "2", "latest", "A"])
PUSHES = st.lists(st.tuples(ENTRIES, st.lists(TAGS, max_size=2)), max_size=8)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
)


def entry(content: bytes, tag: str | None = None) -> Entry:
    """An entry for some content."""
    return Entry.make(Digest.of(content), OCI_MANIFEST, len(content)).under(tag)


def written(*entries: JSON) -> bytes:
    """A file with these entries."""
    return json.dumps({"schemaVersion": 2, "manifests": list(entries)}).encode()


def seen(listing: Listing) -> tuple[dict[str, Digest], set[Digest]]:
    """Tags and manifests."""
    return {tag: each.digest for tag, each in listing.tags.items()}, set(listing.manifests)


@given(pushes=PUSHES)
def test_what_is_written_is_read_back(pushes: list[tuple[Entry, list[str]]]) -> None:
    """Every manifest, and what each tag names; the last push of a tag counts."""
    listing = Listing()
    tags: dict[str, Digest] = {}
    for pushed, names in pushes:
        listing = listing.having(pushed, names)
        tags.update(dict.fromkeys(names, pushed.digest))
        assert listing.has(pushed.digest, names)
    assert seen(listing) == (tags, {pushed.digest for pushed, _ in pushes})
    assert seen(Listing.parse(listing.dump())) == seen(listing)
    assert Listing.parse(listing.dump()).dump() == listing.dump()


@given(
    content=st.binary(max_size=60)
    | ANY_JSON.map(lambda each: json.dumps(each).encode())
    | st.lists(ANY_JSON, max_size=3).map(lambda each: written(*each))
)
def test_any_file_is_a_listing_or_an_error_of_ours(content: bytes) -> None:
    """Never something else."""
    try:
        listing = Listing.parse(content)
    except ListingError:
        return
    assert seen(Listing.parse(listing.dump())) == seen(listing)


def test_each_tag_is_an_entry_and_a_manifest_without_one_is_an_entry_too() -> None:
    """As Zot wants it: it finds manifests nowhere else."""
    listing = Listing().having(entry(b"a"), ["1", "2"]).having(entry(b"b"), [])
    entries = json.loads(listing.dump())["manifests"]
    assert [(each["digest"], each.get("annotations")) for each in entries] == [
        (str(Digest.of(b"a")), {REF_NAME: "1"}),
        (str(Digest.of(b"a")), {REF_NAME: "2"}),
        (str(Digest.of(b"b")), None),
    ]


def test_our_file_says_what_it_is() -> None:
    """OCI image spec 1.1, image-index.md; and never null for a list of none."""
    assert json.loads(Listing().dump()) == {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [],
    }


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"schemaVersion":2,"manifests":null}', id="null"),
        pytest.param(b'{"schemaVersion":2}', id="absent"),
        pytest.param(written(None, None), id="null-entries"),
    ],
)
def test_a_list_of_none_is_empty(content: bytes) -> None:
    """Go writes it as null, and so does Zot."""
    listing = Listing.parse(content)
    assert (seen(listing), listing.strange) == (({}, set()), ())


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b'{"manifests":{}}', b'{"manifests":[],"manifests":[]}', b"\xff"],
)
def test_what_is_no_index_is_an_error(content: bytes) -> None:
    """Half a file, say."""
    with pytest.raises(ListingError):
        Listing.parse(content)


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param(entry(b"a").document | {"annotations": {REF_NAME: "a/b:1"}}, id="no-tag"),
        pytest.param({"digest": "sha256:x", "mediaType": "a", "size": 1}, id="no-digest"),
        pytest.param({"digest": str(Digest.of(b"a")), "size": 1}, id="no-type"),
        pytest.param({"digest": str(Digest.of(b"a")), "mediaType": "a"}, id="no-size"),
        pytest.param("text", id="text"),
    ],
)
def test_a_strange_entry_is_not_served_and_stays_in_the_file(strange: JSON) -> None:
    """Somebody else may need it, through every change of ours."""
    listing = Listing.parse(written(strange, entry(b"b", "1").document))
    assert seen(listing) == ({"1": Digest.of(b"b")}, {Digest.of(b"b")})
    changed = listing.having(entry(b"c"), ["2"]).without_tag("1").without([Digest.of(b"b")])
    assert strange in json.loads(changed.dump())["manifests"]


def test_what_others_wrote_into_an_entry_stays() -> None:
    """Its platform and annotations, whatever happens to its tags."""
    more: dict[str, JSON] = {"platform": {"os": "linux"}, "annotations": {"by": "x", REF_NAME: "1"}}
    theirs = entry(b"a").document | more
    listing = Listing.parse(written(theirs)).having(entry(b"a"), ["2"]).without_tag("1")
    (kept,) = json.loads(listing.dump())["manifests"]
    assert kept["platform"] == {"os": "linux"}
    assert kept["annotations"] == {"by": "x", REF_NAME: "2"}


def test_a_tag_that_goes_leaves_its_manifest() -> None:
    """It is asked for by its digest."""
    listing = Listing().having(entry(b"a"), ["1"]).without_tag("1")
    assert seen(listing) == ({}, {Digest.of(b"a")})
    assert REF_NAME not in listing.dump().decode()


def test_a_manifest_that_goes_takes_its_tags_along() -> None:
    """All of them, and no others."""
    listing = Listing().having(entry(b"a"), ["1", "2"]).having(entry(b"b"), ["3"])
    gone = listing.without([Digest.of(b"a")])
    assert seen(gone) == ({"3": Digest.of(b"b")}, {Digest.of(b"b")})
