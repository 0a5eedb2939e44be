"""Lists of referrers as documents: whatever stands in them, they stay what registries accept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.oci import Digest, Manifest, ManifestError, mediatypes
from image_sync.oci.reference import parse_tag
from image_sync.oci.referrers import cosign_tags, fallback_tag, listing, subject_of, without

CONFIG = {"mediaType": "application/vnd.example.config", "digest": f"sha256:{'c' * 64}", "size": 2}


def referrer(text: str, **more: object) -> Manifest:
    """A manifest with an annotation."""
    document = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_MANIFEST,
        "config": CONFIG,
        "layers": [],
        "annotations": {"note": text},
        **more,
    }
    return Manifest.parse(json.dumps(document).encode())


@given(st.lists(st.text(max_size=20), max_size=8), st.data())
def test_a_list_holds_what_was_added_in_any_order_and_steps(
    texts: list[str], data: st.DataObject
) -> None:
    """All at once or one after the other: the same bytes, which parse as an index."""
    added = list({each.digest: each for each in map(referrer, texts)}.values())
    whole = listing(None, added)
    index: Manifest | None = None
    for each in data.draw(st.permutations(added)):
        content = listing(index, [each])
        assert content is not None
        index = Manifest.parse(content)
    assert whole == (index.content if index else None)
    if index:
        assert {child.digest for child in index.children} == {each.digest for each in added}
        assert listing(index, added) is None
        rest = without(index, [added[0].digest])
        assert len(Manifest.parse(rest).children) == len(added) - 1


def test_an_entry_has_the_type_that_its_referrer_has() -> None:
    """The artifact type, or else the type of its config (Pushing Manifests with Subject)."""
    content = listing(None, [referrer("a"), referrer("b", artifactType="text/spdx")])
    assert content
    types = {entry["artifactType"] for entry in json.loads(content)["manifests"]}
    assert types == {"application/vnd.example.config", "text/spdx"}


def test_a_list_larger_than_registries_take_is_not_made() -> None:
    """4 MiB; annotations are copied, and may be that long."""
    long = [referrer(f"{number}" + "x" * 1_500_000) for number in range(3)]
    with pytest.raises(ManifestError, match="larger"):
        listing(None, long)


@pytest.mark.parametrize(
    "subject", [None, "text", {}, {"digest": None}, {"digest": "sha256:short"}, []]
)
def test_what_refers_to_nothing_has_no_subject(subject: object) -> None:
    """A subject without a digest is none."""
    assert subject_of(referrer("a", subject=subject)) is None


@given(st.binary(max_size=10), st.sampled_from(["sha256", "sha512"]))
def test_tags_are_tags(content: bytes, algorithm: str) -> None:
    """Every one that is made from a digest can be asked for."""
    digest = Digest.of(content, algorithm)
    for tag in (fallback_tag(digest), *cosign_tags(digest)):
        assert parse_tag(tag) == tag
