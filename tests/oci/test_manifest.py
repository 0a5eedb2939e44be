"""Manifests: what is read of each kind, and what is refused because it could be read otherwise."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.oci import Descriptor, Digest, Manifest, ManifestError, Platform
from image_sync.oci.manifest import MAX_CHILDREN, MAX_MANIFEST, platform_of
from image_sync.oci.mediatypes import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_EMPTY,
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
    digest,
    image,
    index,
    parse,
    without,
)

SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_an_image(media_type: str) -> None:
    """Config and layers are told in their order, with type, digest and size."""
    document = image(media_type)
    manifest = parse(document, media_type)
    assert manifest.media_type == media_type
    assert not manifest.is_index
    assert manifest.is_image
    assert manifest.config is not None
    assert [blob.digest for blob in manifest.blobs] == [
        Digest.of(name) for name in (b"config", b"one", b"two")
    ]
    assert [blob.size for blob in manifest.blobs] == [6, 3, 3]
    assert manifest.children == ()
    assert manifest.content == json.dumps(document).encode()
    assert manifest.digest == Digest.of(manifest.content)


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_an_index(media_type: str) -> None:
    """Children are told in their order, each with its platform, normalised."""
    manifest = parse(
        index(
            child("linux/amd64"), child("linux/arm64/v8"), child("linux/arm"), media_type=media_type
        )
    )
    assert manifest.is_index
    assert not manifest.is_image
    assert manifest.blobs == ()
    assert [*map(str, manifest.platforms())] == ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    wanted = manifest.child_for(Platform.parse("linux/arm64"))
    assert wanted is not None
    assert str(wanted.digest) == digest("linux/arm64/v8")
    assert manifest.child_for(Platform.parse("linux/arm/v6")) is None


def test_of_several_children_for_a_platform_the_first_is_taken() -> None:
    """As every runtime does (Windows has one per release of the system)."""
    manifest = parse(index(child("windows/amd64", "new"), child("windows/amd64", "old")))
    found = manifest.child_for(Platform("windows", "amd64"))
    assert found is not None
    assert str(found.digest) == digest("new")


def test_attestations_offer_no_platform() -> None:
    """They speak of a sibling, and are never taken for an image."""
    lying: Document = {
        **attestation("linux/amd64"),
        "platform": {"os": "linux", "architecture": "arm64"},
    }
    manifest = parse(index(attestation("linux/amd64"), lying, child("linux/amd64")))
    assert [*map(str, manifest.platforms())] == ["linux/amd64"]
    assert manifest.child_for(Platform("linux", "arm64")) is None
    assert [str(c.attests) if c.attests else None for c in manifest.children] == [
        digest("linux/amd64"),
        digest("linux/amd64"),
        None,
    ]


@pytest.mark.parametrize(
    "notes",
    [
        pytest.param({}, id="none"),
        pytest.param({"vnd.docker.reference.type": "other"}, id="another-type"),
        pytest.param({"vnd.docker.reference.type": "attestation-manifest"}, id="of-nothing"),
        pytest.param(
            {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": "sha256:0",
            },
            id="of-no-digest",
        ),
    ],
)
def test_other_annotations_attest_nothing(notes: JSON) -> None:
    """Only a whole attestation is one."""
    assert parse(index(child("linux/amd64", annotations=notes))).children[0].attests is None


def test_an_artifact_is_no_image() -> None:
    """A Helm chart or a signature is read like any manifest, and has no platform."""
    manifest = parse(
        image(
            config=described("application/vnd.cncf.helm.config.v1+json", "chart"),
            artifactType="application/x",
            subject=described(OCI_MANIFEST, "signed"),
        )
    )
    assert not manifest.is_image
    assert len(manifest.blobs) == 3
    assert not parse(image(config=described(OCI_EMPTY, "{}"))).is_image


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(image(layers=[]), id="no-layers"),
        pytest.param(image(layers=None), id="layers-as-go-writes-none-of-them"),
        pytest.param(without(image(), "layers"), id="layers-left-out"),
    ],
)
def test_images_without_layers_are_read(document: Document) -> None:
    """They exist: an image from scratch, an artifact that is all config."""
    assert parse(document).layers == ()


def test_foreign_layers_are_left_out() -> None:
    """What a registry need not hold is neither asked for nor fetched (fault row 40)."""
    away = described(FOREIGN, "away", urls=[URL])
    manifest = parse(image(layers=[away, described(LAYER, "here")]))
    assert [layer.digest for layer in manifest.layers] == [Digest.of(b"here")]


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(described(LAYER, "x", urls=[URL]), id="an-ordinary-type-with-urls"),
        pytest.param(described(FOREIGN, "x"), id="a-foreign-type-without-urls"),
        pytest.param(described(FOREIGN, "x", urls=[]), id="a-foreign-type-with-no-url"),
    ],
)
def test_layers_that_the_registry_must_hold_stay(layer: Document) -> None:
    """A URL alone excuses no cache from holding an ordinary layer."""
    assert len(parse(image(layers=[layer])).layers) == 1


def test_urls_hide_no_child_and_no_config() -> None:
    """Only layers can be foreign: a child with URLs is checked like any other."""
    assert len(parse(index(child("linux/amd64", urls=[URL]))).children) == 1
    config = described(OCI_CONFIG, "config", urls=[URL])
    assert len(parse(image(config=config)).blobs) == 3


@pytest.mark.parametrize(
    ("content_type", "document", "media_type"),
    [
        pytest.param("", without(image(), "mediaType"), OCI_MANIFEST, id="neither-image"),
        pytest.param("", without(index(), "mediaType"), OCI_INDEX, id="neither-index"),
        pytest.param(
            DOCKER_LIST, without(index(), "mediaType"), DOCKER_LIST, id="header-alone-decides"
        ),
        pytest.param("text/plain", image(), OCI_MANIFEST, id="a-useless-header"),
        pytest.param(
            "application/json", without(index(), "mediaType"), OCI_INDEX, id="useless-and-none"
        ),
        pytest.param(
            f"{OCI_INDEX.upper()}; charset=utf-8", index(), OCI_INDEX, id="header-with-parameters"
        ),
        pytest.param("", image(mediaType=""), OCI_MANIFEST, id="an-empty-type"),
    ],
)
def test_the_type(content_type: str, document: Document, media_type: str) -> None:
    """The document's own type, else the header's, else its shape."""
    assert parse(document, content_type).media_type == media_type


@pytest.mark.parametrize(
    ("document", "content_type", "reason"),
    [
        pytest.param([], "", "not a JSON object", id="a-list"),
        pytest.param({}, "", "config is not a descriptor", id="an-empty-object"),
        pytest.param({"errors": []}, "", "config is not", id="an-error-served-as-success"),
        pytest.param(image(), OCI_INDEX, "served as .* calls itself", id="header-says-index"),
        pytest.param(image(), DOCKER_MANIFEST, "served as", id="header-says-docker"),
        pytest.param(
            without(image(), "mediaType"), OCI_INDEX, "not built like one", id="image-as-index"
        ),
        pytest.param(
            without(index(), "mediaType"), OCI_MANIFEST, "not built like one", id="index-as-image"
        ),
        pytest.param(index(mediaType=OCI_MANIFEST), "", "not built", id="calls-itself-an-image"),
        pytest.param(image(mediaType=OCI_INDEX), "", "not built", id="calls-itself-an-index"),
        pytest.param(image(manifests=[]), "", "at once", id="layers-and-manifests"),
        pytest.param(index(layers=[]), "", "at once", id="manifests-and-layers"),
        pytest.param(index(config=None), "", "at once", id="manifests-and-config"),
        pytest.param(
            image(Manifests=[child("linux/amd64")]), "", "'Manifests'", id="manifests-to-go-only"
        ),
        pytest.param(
            without({**image(), "LAYERS": []}, "layers"), "", "'LAYERS'", id="layers-to-go-only"
        ),
        pytest.param(
            image(layers=[described(LAYER, "x", URLs=[URL])]), "", "'URLs'", id="urls-to-go-only"
        ),
        pytest.param(
            index({**child("linux/amd64"), "platform": {"OS": "linux", "architecture": "arm64"}}),
            "",
            "'OS'",
            id="os-to-go-only",
        ),
        pytest.param(image(mediaType=5), "", "mediaType is not a string", id="type-is-a-number"),
        pytest.param(image(mediaType=None), "", "mediaType is not a string", id="type-is-null"),
        pytest.param(image(mediaType="image/gif"), "", "'image/gif' is not", id="unknown-type"),
        pytest.param(
            image(mediaType="application/vnd.oci.artifact.manifest.v1+json"),
            "",
            "is not the type",
            id="the-artifact-manifest-that-was-withdrawn",
        ),
        pytest.param(image(mediaType="\x1b[2J"), "", r"'\\x1b\[2J'", id="type-is-shown-escaped"),
        pytest.param({"schemaVersion": 1, "fsLayers": []}, "", "schema 1", id="schema-1"),
        pytest.param(image(), SCHEMA1, "schema 1", id="schema-1-by-header"),
        pytest.param(image(mediaType=SCHEMA1), "", "schema 1", id="schema-1-by-its-own-type"),
        pytest.param(image(fsLayers=[]), "", "schema 1", id="schema-1-in-disguise"),
        pytest.param(without(image(), "config"), "", "config is not a descriptor", id="no-config"),
        pytest.param(image(config=[]), "", "config is not a descriptor", id="config-is-a-list"),
        pytest.param(image(layers={}), "", "layers is not a list", id="layers-is-an-object"),
        pytest.param(image(layers=False), "", "layers is not a list", id="layers-is-false"),
        pytest.param(image(layers=[5]), "", r"layers\[0\] is not a descriptor", id="layer-is-5"),
        pytest.param(
            index(media_type=OCI_INDEX, manifests=None), "", "not a list", id="no-children"
        ),
        pytest.param(
            index(child("linux/amd64"), without(child("linux/arm64"), "digest")),
            "",
            r"manifests\[1\] lacks mediaType or digest",
            id="child-without-digest",
        ),
        pytest.param(
            image(layers=[without(described(LAYER, "x"), "mediaType")]),
            "",
            "lacks mediaType",
            id="layer-without-type",
        ),
        pytest.param(
            image(layers=[{**described(LAYER, "x"), "digest": "md5:" + "0" * 32}]),
            "",
            r"layers\[0\]: .* is not a digest",
            id="layer-with-md5",
        ),
        *(
            pytest.param(
                image(layers=[{**described(LAYER, "x"), "size": size}]),
                "",
                "no valid size",
                id=f"size-{size}",
            )
            for size in (-1, 1.5, True, "1", None)
        ),
        pytest.param(
            index(*[child("linux/amd64")] * (MAX_CHILDREN + 1)), "", "more than", id="too-many"
        ),
    ],
)
def test_refused(document: JSON, content_type: str, reason: str) -> None:
    """What is broken, of a refused kind, or open to two readings is no manifest."""
    with pytest.raises(ManifestError, match=reason) as caught:
        parse(document, content_type)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "not acceptable JSON", id="empty"),
        pytest.param(b"<html>", "not acceptable JSON", id="a-page"),
        pytest.param(b'{"layers":[],"layers":[]}', "'layers' stands twice", id="duplicate"),
        pytest.param(b'{"layers":[],"LAYERS":[]}', "'layers' stands twice", id="case-variant"),
        pytest.param(b'{"size":NaN}', "NaN", id="nan"),
        pytest.param(b'{"a":' * 5_000, "deeper than", id="deep"),
        pytest.param(b" " * (MAX_MANIFEST + 1), "larger than 4194304 bytes", id="too-large"),
    ],
)
def test_refused_bytes(content: bytes, reason: str) -> None:
    """What is no unambiguous JSON of at most 4 MiB is no manifest (fault rows 32 and 37)."""
    with pytest.raises(ManifestError, match=reason):
        Manifest.parse(content)


def test_the_largest_manifest_is_read() -> None:
    """4 MiB are within the limit, and so are a thousand children."""
    content = json.dumps(index(*[child("linux/amd64")] * MAX_CHILDREN)).encode()
    assert len(Manifest.parse(content.ljust(MAX_MANIFEST)).children) == MAX_CHILDREN


def test_the_document_can_be_changed_and_leaves_the_manifest_alone() -> None:
    """It is read anew each time, with fields that nobody here knows."""
    manifest = parse(index(child("linux/amd64"), x=[1]))
    document = manifest.document()
    assert document == json.loads(manifest.content)
    document["manifests"] = []
    assert manifest.document() != document
    assert len(manifest.children) == 1


def test_children_with_sha512_are_read() -> None:
    """Another registered algorithm is content like any other (fault row 42)."""
    entry = {**child("linux/amd64"), "digest": str(Digest.of(b"x", "sha512"))}
    assert parse(index(entry)).children[0].digest.algorithm == "sha512"


@pytest.mark.parametrize(
    ("entry", "platform"),
    [
        pytest.param({"os": "linux", "architecture": "amd64"}, "linux/amd64", id="plain"),
        pytest.param(
            {"os": "linux", "architecture": "arm", "variant": ""},
            "linux/arm/v7",
            id="variant-empty",
        ),
        pytest.param(
            {"os": "linux", "architecture": "arm64", "variant": None}, "linux/arm64", id="null"
        ),
        pytest.param(
            {"os": "windows", "architecture": "amd64", "os.version": "10.0.1"},
            "windows/amd64",
            id="version-of-the-system",
        ),
        pytest.param(None, None, id="none"),
        pytest.param([], None, id="a-list"),
        pytest.param({}, None, id="empty"),
        pytest.param({"os": "linux"}, None, id="no-architecture"),
        pytest.param({"os": "", "architecture": ""}, None, id="empty-texts"),
        pytest.param({"os": "unknown", "architecture": "unknown"}, None, id="unknown"),
        pytest.param({"os": "linux", "architecture": "unknown"}, None, id="half-unknown"),
        pytest.param({"os": 1, "architecture": "amd64"}, None, id="a-number"),
        pytest.param({"os": "linux", "architecture": "arm", "variant": 7}, None, id="variant-7"),
        pytest.param({"os": "\x1b[2J", "architecture": "amd64"}, None, id="a-terminal-escape"),
        pytest.param({"os": "linux/amd64", "architecture": "x"}, None, id="a-slash"),
    ],
)
def test_platforms_of_objects(entry: JSON, platform: str | None) -> None:
    """A platform that can be asked for, or none; nothing else gets into messages."""
    found = platform_of(entry)
    assert (str(found) if found else None) == platform


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.text(max_size=5) | st.just(digest("x")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    *("schemaVersion", "mediaType", "config", "layers", "manifests", "size"),
                    *("digest", "platform", "os", "architecture", "variant", "urls", "Layers"),
                )
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
content_types = st.sampled_from(["", "text/html", OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, SCHEMA1])


@given(json_values, content_types)
def test_any_document_is_a_manifest_or_refused(document: JSON, content_type: str) -> None:
    """Nothing but ManifestError is raised, and its words are printable."""
    try:
        manifest = parse(document, content_type)
    except ManifestError as error:
        assert str(error).isprintable()  # noqa: PT017 - a refusal is as good an answer
    else:
        assert manifest.is_index == (manifest.config is None)


@given(st.binary(max_size=200), st.text(max_size=50))
def test_any_bytes_are_a_manifest_or_refused(content: bytes, content_type: str) -> None:
    """Whatever a registry serves, under whatever header."""
    with pytest.raises(ManifestError):
        Manifest.parse(content, content_type)


names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)
layers = st.lists(names.map(lambda name: described(LAYER, name)), max_size=5)


@given(layers, st.sampled_from([OCI_MANIFEST, DOCKER_MANIFEST]), st.booleans())
def test_what_is_written_is_read(entries: list[Document], media_type: str, typed: bool) -> None:  # noqa: FBT001
    """Every well-formed image is read back with the layers it was written with, unless it says
    nothing of its type where the header does."""
    document = image(media_type, layers=[*entries])
    manifest = parse(document if typed else without(document, "mediaType"), media_type)
    assert manifest.media_type == media_type
    assert manifest.layers == tuple(
        Descriptor(LAYER, Digest.parse(str(entry["digest"])), entry["size"])
        for entry in entries
        if isinstance(entry["size"], int)
    )
