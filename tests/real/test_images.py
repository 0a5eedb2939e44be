"""Test images are the same each time, and right in the details that matter."""

import gzip
import json

import pytest

from tests.real import images
from tests.real.content import Image
from tests.real.images import KINDS, Programs

KIND = pytest.mark.parametrize("kind", KINDS)


@KIND
def test_the_same_input_gives_the_same_digest(programs: Programs, kind: str) -> None:
    """Two builds are equal; another label is another digest, config and all."""
    build = KINDS[kind]
    assert build(programs, "one") == build(programs, "one")
    assert build(programs, "one").digest != build(programs, "two").digest


@KIND
def test_sizes_and_digests_cover_everything_once(programs: Programs, kind: str) -> None:
    """What a copy must move is what the image says it has."""
    image = KINDS[kind](programs, "one")
    parts = {m.digest: len(m.data) for m in image.manifests()}
    parts |= {blob.digest: len(blob.data) for blob in image.all_blobs}
    assert image.digests == parts.keys()
    assert image.total_size == sum(parts.values())


def test_every_platform_s_program_is_for_that_platform(programs: Programs) -> None:
    """ELF's machine field: x86-64 is 62, ARM 40, AArch64 183 (System V ABI supplements)."""
    machines = {
        platform: int.from_bytes(elf[18:20], "little") for platform, elf in programs.items()
    }
    assert machines == {"linux/amd64": 62, "linux/arm64": 183, "linux/arm/v7": 40}


def test_a_config_names_its_platform(programs: Programs) -> None:
    """The child for arm/v7 says so in the index and in its own config."""
    child = images.multi_platform(programs).child("linux/arm/v7")
    expected = {"architecture": "arm", "os": "linux", "variant": "v7"}
    assert child.descriptor()["platform"] == expected
    config = config_of(child)
    assert {key: config[key] for key in expected} == expected


def test_attestations_point_at_their_images(programs: Programs) -> None:
    """As BuildKit writes them: unknown/unknown, type and digest in annotations."""
    image = images.with_attestations(programs)
    subjects, attestations = image.children[:2], image.children[2:]
    assert [child.platform for child in attestations] == ["unknown/unknown"] * 2
    for subject, attestation in zip(subjects, attestations, strict=True):
        assert dict(attestation.annotations) == {
            "vnd.docker.reference.digest": subject.digest,
            "vnd.docker.reference.type": "attestation-manifest",
        }


def test_the_empty_layer_is_docker_s(programs: Programs) -> None:
    """The digest that half of all images share, and an empty tar inside."""
    layer = images.empty_layer(programs).blobs[-1]
    assert layer.digest == (
        "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"
    )
    assert gzip.decompress(layer.data) == bytes(1024)


def test_docker_images_have_no_oci_types(programs: Programs) -> None:
    """Not in the list, nor in a child, nor in a descriptor."""
    for manifest in images.docker_list(programs).manifests():
        assert b"vnd.oci" not in manifest.data


def test_twenty_layers_are_twenty_different_ones(programs: Programs) -> None:
    """Each with a digest of its own."""
    assert len({blob.digest for blob in images.twenty_layers(programs).blobs[1:]}) == 20


def config_of(image: Image) -> dict[str, object]:
    config = json.loads(image.blobs[0].data)
    assert isinstance(config, dict)
    return config
