"""An index with some platforms left out: what stays, and that it stays the same to the letter."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.oci import Digest, Manifest, Platform
from image_sync.oci.mediatypes import DOCKER_LIST, OCI_INDEX
from image_sync.oci.selection import select
from image_sync.oci.strictjson import JSON
from tests.oci.documents import (
    Document,
    attestation,
    child,
    described,
    digest,
    index,
    parse,
    without,
)

AMD64, ARM64, S390X = (Platform("linux", each) for each in ("amd64", "arm64", "s390x"))
AMD, ARM, S390 = (child(f"linux/{each}") for each in ("amd64", "arm64", "s390x"))
ARTIFACT = described("application/vnd.example.thing", "artifact")
NESTED = described(OCI_INDEX, "nested")


def entries(manifest: Manifest) -> JSON:
    """The children of an index as they stand in the document."""
    return manifest.document()["manifests"]


@pytest.mark.parametrize(
    ("children", "kept"),
    [
        pytest.param([AMD, ARM, S390], [AMD, S390], id="in-the-order-of-the-source"),
        pytest.param([S390, ARM, AMD], [S390, AMD], id="in-another-order"),
        pytest.param(
            [AMD, ARM, attestation("linux/arm64"), attestation("linux/amd64")],
            [AMD, attestation("linux/amd64")],
            id="attestations-of-what-stays",
        ),
        pytest.param(
            [attestation("linux/amd64"), ARM, AMD],
            [attestation("linux/amd64"), AMD],
            id="an-attestation-before-its-subject",
        ),
        pytest.param(
            [AMD, ARM, attestation("nobody")], [AMD], id="an-attestation-of-nothing-that-is-there"
        ),
        pytest.param([AMD, ARM, ARTIFACT], [AMD, ARTIFACT], id="an-artifact-without-platform"),
        pytest.param([AMD, NESTED, ARM], [AMD, NESTED], id="an-index-without-platform"),
        pytest.param(
            [AMD, ARM, NESTED, attestation("nested")],
            [AMD, NESTED, attestation("nested")],
            id="an-attestation-of-what-has-no-platform",
        ),
        pytest.param(
            [AMD, {**NESTED, "platform": ARM["platform"]}], [AMD], id="an-index-for-another"
        ),
        pytest.param(
            [AMD, child("linux/amd64", "later"), ARM],
            [AMD, child("linux/amd64", "later")],
            id="every-child-for-a-platform",
        ),
        pytest.param(
            [AMD, child("linux/arm64", "linux/amd64")], [AMD], id="one-child-under-two-platforms"
        ),
    ],
)
def test_what_stays(children: list[JSON], kept: list[JSON]) -> None:
    """The children for the wanted platforms, their attestations, and what has no platform."""
    assert entries(select(parse(index(*children)), [AMD64, S390X])) == kept


@pytest.mark.parametrize(
    "children",
    [
        pytest.param([AMD, ARM], id="all-are-wanted"),
        pytest.param([AMD, attestation("linux/amd64")], id="with-attestations"),
        pytest.param([AMD, attestation("nobody")], id="with-an-attestation-of-nothing"),
        pytest.param([AMD, ARTIFACT, NESTED], id="with-what-has-no-platform"),
        pytest.param([], id="empty"),
    ],
)
def test_an_index_of_which_nothing_has_to_go_is_the_answer_itself(children: list[JSON]) -> None:
    """With its own bytes, and so its own digest and signatures."""
    whole = parse(index(*children))
    assert select(whole, [AMD64, ARM64]) is whole


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_everything_else_is_as_it_was(media_type: str) -> None:
    """Type, annotations, unknown fields, and the order of keys; no white space is left."""
    document = index(
        {**AMD, "x": {"b": 1.5, "a": None}, "urls": []},
        ARM,
        media_type=media_type,
        annotations={"b": "ä", "a": ""},
        x=[1],
    )
    chosen = select(parse(document), [AMD64])
    document["manifests"] = [{**AMD, "x": {"b": 1.5, "a": None}, "urls": []}]
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    assert chosen.content.decode() == text
    assert chosen.media_type == media_type
    assert chosen.digest == Digest.of(chosen.content)


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_a_type_that_only_the_registry_named_stays(media_type: str) -> None:
    """The document does not say what it is; the header of its source did."""
    untyped = parse(without(index(AMD, ARM), "mediaType"), media_type)
    chosen = select(untyped, [AMD64])
    assert chosen.media_type == media_type
    assert "mediaType" not in chosen.document()


def test_a_child_that_is_named_by_sha512_stays_so() -> None:
    """Only the index itself has to have a digest that everybody knows."""
    long: Document = {**AMD, "digest": str(Digest.of(b"x", "sha512"))}
    chosen = select(parse(index(long, ARM)), [AMD64])
    assert entries(chosen) == [long]
    assert chosen.digest.algorithm == "sha256"


def test_the_bytes_are_known() -> None:
    """What caches hold since the first version that made it: other bytes would copy all again."""
    chosen = select(parse(index(AMD, ARM, attestation("linux/amd64"))), [AMD64])
    assert str(chosen.digest) == (
        "sha256:e351ad222800058a2335e4632a64186508afa79ba7e3b1c38a54ca042847266d"
    )


platforms = st.sampled_from([AMD64, ARM64, S390X])
documents = st.builds(
    lambda children, types: index(*children, media_type=types),
    st.lists(
        st.sampled_from([AMD, ARM, S390, ARTIFACT, NESTED, attestation("nobody")])
        | st.sampled_from(["linux/amd64", "linux/arm64"]).map(attestation),
        max_size=6,
    ),
    st.sampled_from([OCI_INDEX, DOCKER_LIST]),
)


@given(documents, st.sets(platforms))
def test_whatever_is_chosen(document: Document, wanted: set[Platform]) -> None:
    """It is part of the source in its order, has no other platform, and choosing again from it
    changes nothing."""
    whole = parse(document)
    chosen = select(whole, wanted)
    left = iter(whole.children)
    assert all(each in left for each in chosen.children)
    assert set(chosen.platforms()) == set(whole.platforms()) & wanted
    assert select(chosen, wanted).content == chosen.content
    assert select(parse(document), wanted).content == chosen.content
    attested = {each.attests for each in chosen.children} - {None}
    here = {each.digest for each in chosen.children} | {Digest.parse(digest("nobody"))}
    assert chosen is whole or attested <= here
