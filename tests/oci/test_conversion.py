"""Docker's types as the OCI's: what changes, and above all what does not."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.oci import Descriptor, Digest, Manifest, ManifestError
from image_sync.oci.conversion import SOURCE_DIGEST, convert, is_converted, is_suspect
from image_sync.oci.mediatypes import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_FOR_DOCKER,
    OCI_INDEX,
    OCI_MANIFEST,
)
from image_sync.oci.strictjson import JSON
from tests.oci.documents import (
    FOREIGN,
    LAYER,
    URL,
    Document,
    attestation,
    child,
    described,
    image,
    index,
    parse,
    without,
)

SOURCE = Digest.of(b"what the source holds")
DOCKER = "application/vnd.docker."


def naming(manifest: Manifest, platform: str = "linux/amd64", **more: JSON) -> Document:
    """A child of an index that is at hand."""
    named: Document = {
        "mediaType": manifest.media_type,
        "digest": str(manifest.digest),
        "size": len(manifest.content),
    }
    return {**child(platform), **named, **more}


def attesting(manifest: Manifest) -> Document:
    """An attestation of a child that is at hand."""
    entry = attestation("")
    notes = entry["annotations"]
    assert isinstance(notes, dict)
    notes["vnd.docker.reference.digest"] = str(manifest.digest)
    return entry


def converted(top: Manifest, *below: Manifest) -> tuple[Manifest, ...]:
    """The conversion of an image whose manifests are these."""
    return convert(top, {each.digest: each for each in below}, SOURCE)


def children(manifest: Manifest) -> list[dict[str, JSON]]:
    """The children of an index as they stand in the document."""
    entries = manifest.document()["manifests"]
    assert isinstance(entries, list)
    return [entry for entry in entries if isinstance(entry, dict)]


ONE = parse(image(DOCKER_MANIFEST))
OTHER = parse(image(DOCKER_MANIFEST, layers=[described(LAYER, "other")]))
OCI = parse(image())


def test_of_an_image_the_types_change_and_the_source_is_named() -> None:
    """Config and layers are the same content; keys keep their order; nothing else is touched."""
    document = image(DOCKER_MANIFEST, x={"b": 1, "a": [None, 2.5]})
    [made] = converted(parse(document))
    wanted = image(x={"b": 1, "a": [None, 2.5]}, annotations={SOURCE_DIGEST: str(SOURCE)})
    assert made.content == json.dumps(wanted, separators=(",", ":")).encode()
    assert made.media_type == OCI_MANIFEST
    assert made.digest == Digest.of(made.content)
    assert [blob.digest for blob in made.blobs] == [blob.digest for blob in ONE.blobs]
    assert is_converted(made)
    assert not is_converted(ONE)


@pytest.mark.parametrize(
    ("docker", "oci"),
    [
        ("image.rootfs.diff.tar", "layer.v1.tar"),
        ("image.rootfs.diff.tar.gzip", "layer.v1.tar+gzip"),
        ("image.rootfs.diff.tar.zstd", "layer.v1.tar+zstd"),
        ("image.rootfs.foreign.diff.tar", "layer.nondistributable.v1.tar"),
        ("image.rootfs.foreign.diff.tar.gzip", "layer.nondistributable.v1.tar+gzip"),
    ],
)
def test_layers_keep_their_compression(docker: str, oci: str) -> None:
    """The bytes do not change, so their type must say the same as before."""
    layer = described(f"{DOCKER}{docker}", "layer", urls=[URL])
    [made] = converted(parse(image(DOCKER_MANIFEST, layers=[layer])))
    renamed = {**layer, "mediaType": f"application/vnd.oci.image.{oci}"}
    assert made.document()["layers"] == [renamed]


def test_a_foreign_layer_stays_foreign() -> None:
    """Else the cache would be asked for what it need not hold."""
    foreign = described(FOREIGN, "away", urls=[URL])
    [made] = converted(parse(image(DOCKER_MANIFEST, layers=[foreign])))
    assert made.layers == ()


def test_types_that_the_oci_does_not_know_stay() -> None:
    """A plugin's config, a layer of somebody else's."""
    config = described(f"{DOCKER}plugin.v1+json", "plugin")
    layer = described("application/vnd.example.layer", "layer")
    [made] = converted(parse(image(DOCKER_MANIFEST, config=config, layers=[layer])))
    assert made.document()["config"] == config
    assert made.document()["layers"] == [layer]


def test_a_list_names_what_became_of_its_children() -> None:
    """By new type, digest and size; platforms, unknown fields and the order stay."""
    top = parse(
        index(
            naming(ONE, x=1),
            naming(OCI, "linux/s390x"),
            naming(OTHER, "linux/arm64"),
            media_type=DOCKER_LIST,
        )
    )
    made = converted(top, ONE, OTHER)
    assert [each.media_type for each in made] == [OCI_INDEX, OCI_MANIFEST, OCI_MANIFEST]
    by_digest = {each.digest: each for each in made[1:]}
    first, second, third = children(made[0])
    assert second == naming(OCI, "linux/s390x")
    for entry, old in ((first, naming(ONE, x=1)), (third, naming(OTHER, "linux/arm64"))):
        new = by_digest[Digest.parse(str(entry["digest"]))]
        assert entry == {
            **old,
            "mediaType": OCI_MANIFEST,
            "digest": str(new.digest),
            "size": len(new.content),
        }
        assert list(entry) == list(old)
    assert is_converted(made[0])
    assert not any(map(is_converted, made[1:]))


def test_attestations_follow_what_they_speak_of() -> None:
    """Their own manifests are the OCI's and stay; the index says anew of whom they speak."""
    top = parse(index(naming(ONE), naming(OCI, "linux/arm64"), attesting(ONE), attesting(OCI)))
    [index_made, image_made] = converted(top, ONE)
    _, kept, follows, stays = children(index_made)
    assert kept == naming(OCI, "linux/arm64")
    assert follows == attesting(image_made)
    assert stays == attesting(OCI)
    assert [each.attests for each in index_made.children[2:]] == [image_made.digest, OCI.digest]


def test_what_is_below_an_index_below_the_index_is_converted() -> None:
    """Level by level: each index names what became of its children."""
    low = parse(index(naming(ONE)))
    middle = parse(index(naming(low, "linux/arm64"), naming(OCI)))
    top = parse(index(naming(middle), naming(low, "linux/s390x")))
    made = converted(top, middle, low, ONE)
    assert len(made) == 4
    by_digest = {each.digest: each for each in made}
    new_middle, new_low = (by_digest[each.digest] for each in made[0].children)
    assert new_middle.children[0].digest == new_low.digest
    assert by_digest[new_low.children[0].digest].media_type == OCI_MANIFEST
    order = [each.digest for each in made]
    assert order.index(new_middle.digest) < order.index(new_low.digest)


@pytest.mark.parametrize(
    ("top", "below"),
    [
        pytest.param(OCI, (), id="image"),
        pytest.param(parse(index(naming(OCI), attesting(OCI))), (), id="index"),
        pytest.param(
            parse(index(naming(parse(index(naming(OCI)))))),
            (parse(index(naming(OCI))),),
            id="nested-index",
        ),
        pytest.param(
            parse(image(layers=[described(f"{DOCKER}image.rootfs.diff.tar.gzip", "x")])),
            (),
            id="only-a-layer-of-docker's",
        ),
        pytest.param(parse(image(annotations={SOURCE_DIGEST: "x"})), (), id="converted-before"),
    ],
)
def test_an_image_of_the_oci_s_is_left_alone(top: Manifest, below: tuple[Manifest, ...]) -> None:
    """No annotation, no other digest: signatures stay valid."""
    assert converted(top, *below) == ()


def test_a_list_of_docker_s_over_images_of_the_oci_s_changes_alone() -> None:
    """The children are the source's."""
    [made] = converted(parse(index(naming(OCI), media_type=DOCKER_LIST)))
    assert children(made) == [naming(OCI)]
    assert made.document()["annotations"] == {SOURCE_DIGEST: str(SOURCE)}


def test_a_child_that_only_the_index_calls_docker_s_is_called_what_it_is() -> None:
    """Its bytes say otherwise, and they decide."""
    entry = {**naming(OCI), "mediaType": DOCKER_MANIFEST}
    [made] = converted(parse(index(entry)), OCI)
    assert children(made) == [naming(OCI)]


def test_a_type_that_only_the_registry_named_is_written_down() -> None:
    """Without its header the document would be taken for whatever it looks like."""
    [made] = converted(parse(without(image(DOCKER_MANIFEST), "mediaType"), DOCKER_MANIFEST))
    assert made.document()["mediaType"] == OCI_MANIFEST


def test_a_child_that_is_named_by_sha512_is_named_by_sha256_when_it_changes() -> None:
    """What is made anew has a digest that everybody knows."""
    long = Digest.of(ONE.content, "sha512")
    top = parse(index({**naming(ONE), "digest": str(long)}))
    top_made, child_made = convert(top, {long: ONE}, SOURCE)
    assert top_made.children[0].digest == child_made.digest == Digest.of(child_made.content)


def test_content_inside_a_descriptor_does_not_survive_a_change() -> None:
    """Image spec 1.1, descriptor.md: `data` is the content, and that is another now."""
    top = parse(index(naming(ONE, data="e30="), naming(OCI, data="e30=")))
    changed, kept = children(converted(top, ONE)[0])
    assert "data" not in changed
    assert kept == naming(OCI, data="e30=")


@pytest.mark.parametrize("annotations", [{"b": "x"}, {SOURCE_DIGEST: "old", "b": "x"}, {}, None])
def test_annotations_of_the_source_stay(annotations: JSON) -> None:
    """The name of an earlier source is replaced: it is another image's."""
    [made] = converted(parse(image(DOCKER_MANIFEST, annotations=annotations)))
    found = made.document()["annotations"]
    expected = annotations if isinstance(annotations, dict) else {}
    assert found == {**expected, SOURCE_DIGEST: str(SOURCE)}


def test_annotations_that_are_none_are_refused() -> None:
    """No reader of Go's would take the document."""
    with pytest.raises(ManifestError, match="annotations"):
        converted(parse(image(DOCKER_MANIFEST, annotations=[])))


def test_a_suspect_child_that_is_not_at_hand_is_an_error() -> None:
    """It is never named as it was: the cache would refuse it, or never get it."""
    with pytest.raises(ManifestError, match=str(ONE.digest)):
        converted(parse(index(naming(ONE))))


@pytest.mark.parametrize(
    ("media_type", "suspect"),
    [
        (DOCKER_MANIFEST, True),
        (DOCKER_LIST, True),
        (OCI_INDEX, True),
        (OCI_MANIFEST, False),
        (OCI_CONFIG, False),
    ],
)
def test_which_children_have_to_be_read(media_type: str, *, suspect: bool) -> None:
    """Those that are of Docker's types, and those with more below them."""
    [entry] = parse(index(described(media_type, "x"))).children
    assert is_suspect(entry) is suspect


def test_the_bytes_are_known() -> None:
    """What caches hold since the first version that made it: other bytes would copy all again."""
    top = parse(index(naming(ONE), naming(OTHER, "linux/arm64"), media_type=DOCKER_LIST))
    made = converted(top, ONE, OTHER)
    assert str(made[0].digest) == (
        "sha256:196ae1f5200317e8cccafc0dcd1b534c574f71e9149b4c3df2e9766878f3c87f"
    )


_TYPES = st.sampled_from([*OCI_FOR_DOCKER, *OCI_FOR_DOCKER.values(), "", "x"])
_VALUES: st.SearchStrategy[JSON] = st.sampled_from([None, 5, "x", [], {}, {"a": "b"}])
_BLOBS = st.builds(described, _TYPES, st.sampled_from("ab"))
_IMAGES = st.builds(
    lambda kind, config, layers, notes, more: parse(
        image(kind, config=config, layers=layers, annotations=notes, x=more)
    ),
    st.sampled_from([OCI_MANIFEST, DOCKER_MANIFEST]),
    _BLOBS,
    st.lists(_BLOBS, max_size=3),
    _VALUES,
    _VALUES,
)


def _indexes(below: st.SearchStrategy[Manifest]) -> st.SearchStrategy[Manifest]:
    return st.builds(
        lambda kind, held, notes, lost: parse(
            index(
                *(naming(each) for each in held),
                *(attesting(each) for each in held[:1]),
                *([described(DOCKER_MANIFEST, "lost")] if lost else []),
                media_type=kind,
                annotations=notes,
            )
        ),
        st.sampled_from([OCI_INDEX, DOCKER_LIST]),
        st.lists(below, max_size=3).map(REMEMBERED.learn),
        _VALUES,
        st.booleans(),
    )


class _Remembered(dict[Digest, Manifest]):
    """Every manifest that was made here, so that those below one are at hand."""

    def learn(self, manifests: list[Manifest]) -> list[Manifest]:
        """The same ones."""
        self.update({each.digest: each for each in manifests})
        return manifests


REMEMBERED = _Remembered()


@given(st.recursive(_IMAGES, _indexes, max_leaves=4))
def test_any_image_is_converted_or_refused(top: Manifest) -> None:
    """What is made has nothing of Docker's left, names what is there, holds the same blobs, and
    there is nothing to do about it any more."""
    try:
        made = convert(top, REMEMBERED, SOURCE)
    except ManifestError:
        return
    assert made == convert(top, REMEMBERED, SOURCE)
    here: Mapping[Digest, Manifest] = {**REMEMBERED, **{each.digest: each for each in made}}
    new = made[0] if made else top
    assert _blobs(new, here) == _blobs(top, REMEMBERED)
    assert convert(new, here, SOURCE) == ()
    for manifest in made:
        assert manifest.media_type in {OCI_INDEX, OCI_MANIFEST}
        assert not any(map(_is_docker, manifest.children))


def _is_docker(child: Descriptor) -> bool:
    return child.media_type in {DOCKER_LIST, DOCKER_MANIFEST}


def _blobs(manifest: Manifest, here: Mapping[Digest, Manifest]) -> list[tuple[Digest, int]]:
    own = [(blob.digest, blob.size) for blob in manifest.blobs]
    below = (_blobs(here[each.digest], here) for each in manifest.children if each.digest in here)
    return own + [blob for blobs in below for blob in blobs]
