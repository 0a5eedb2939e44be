"""The images that tests use, by kind.

`label` goes into every config, so that another label is another digest: a tag that
moves upstream is the same kind with another label.
"""

import gzip
from collections.abc import Callable, Mapping
from typing import Final

from tests.real.content import (
    DOCKER_LAYER,
    HELM_CHART,
    HELM_CONFIG,
    IN_TOTO,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    Blob,
    Image,
    Layer,
    Platform,
    assemble,
    encode,
    filler,
    index,
    layer,
    manifest,
    sha256,
    tarball,
)

# The gzip of an empty tar that docker build has always written for a step without
# files: sha256:a3ed95ca…, in half of all images.
EMPTY_LAYER: Final = bytes.fromhex(
    "1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000"
)

Programs = Mapping[Platform, bytes]


def single(programs: Programs, label: str = "one") -> Image:
    """One OCI manifest for linux/amd64."""
    return manifest([_program_layer(programs, "linux/amd64")], "linux/amd64", label=label)


def docker_single(programs: Programs, label: str = "one") -> Image:
    """One Docker schema 2 manifest for linux/amd64."""
    layers = [_program_layer(programs, "linux/amd64", DOCKER_LAYER)]
    return manifest(layers, "linux/amd64", label=label, docker=True)


def multi_platform(programs: Programs, label: str = "one") -> Image:
    """An OCI index with one child for each program."""
    return index([manifest([_program_layer(programs, p)], p, label=label) for p in programs])


def docker_list(programs: Programs, label: str = "one") -> Image:
    """A Docker manifest list with one schema 2 child for each program."""
    children = [
        manifest([_program_layer(programs, p, DOCKER_LAYER)], p, label=label, docker=True)
        for p in programs
    ]
    return index(children, docker=True)


def with_attestations(programs: Programs, label: str = "one") -> Image:
    """An OCI index as BuildKit writes it: two images, then an attestation for each."""
    platforms = list(programs)[:2]
    images = [manifest([_program_layer(programs, p)], p, label=label) for p in platforms]
    return index([*images, *(_attestation(image) for image in images)])


def artifact(programs: Programs, label: str = "one") -> Image:
    """A Helm chart: a config that is no image's, and no platform anywhere."""
    del programs
    chart = f"apiVersion: v2\nname: demo\nversion: 1.0.0\nappVersion: {label}\n".encode()
    config = {"apiVersion": "v2", "name": "demo", "version": "1.0.0", "appVersion": label}
    return assemble(
        OCI_MANIFEST,
        Blob(HELM_CONFIG, encode(dict(config))),
        [Blob(HELM_CHART, gzip.compress(tarball({"demo/Chart.yaml": chart}), mtime=0))],
    )


def zstd_layer(programs: Programs, label: str = "one") -> Image:
    """One OCI manifest whose layer is compressed with zstd."""
    layers = [_program_layer(programs, "linux/amd64", OCI_LAYER_ZSTD)]
    return manifest(layers, "linux/amd64", label=label)


def empty_layer(programs: Programs, label: str = "one") -> Image:
    """One OCI manifest whose second layer is the canonical empty one."""
    empty = Layer(Blob(OCI_LAYER, EMPTY_LAYER), sha256(gzip.decompress(EMPTY_LAYER)))
    layers = [_program_layer(programs, "linux/amd64"), empty]
    return manifest(layers, "linux/amd64", label=label)


def twenty_layers(programs: Programs, label: str = "one") -> Image:
    """One OCI manifest with twenty layers."""
    small = [layer({f"part-{n:02}": filler(1024, f"{label} {n}")}) for n in range(1, 20)]
    return manifest([_program_layer(programs, "linux/amd64"), *small], "linux/amd64", label=label)


def bulk(size: int, label: str = "one", *, layers: int = 1) -> Image:
    """One OCI manifest for linux/amd64 with layers of `size` bytes each, all different."""
    parts = [layer({f"bulk-{n}": filler(size, f"{label} {n}")}) for n in range(layers)]
    return manifest(parts, "linux/amd64", label=label)


Builder = Callable[[Programs, str], Image]

# Every kind of image that a copy must keep as it is.
KINDS: Final[Mapping[str, Builder]] = {
    "single": single,
    "docker": docker_single,
    "index": multi_platform,
    "docker-list": docker_list,
    "attestations": with_attestations,
    "artifact": artifact,
    "zstd": zstd_layer,
    "empty-layer": empty_layer,
    "twenty-layers": twenty_layers,
}


def _program_layer(programs: Programs, platform: Platform, media_type: str = OCI_LAYER) -> Layer:
    return layer({"program": programs[platform]}, media_type)


def _attestation(subject: Image) -> Image:
    statement = encode(
        {
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": "https://slsa.dev/provenance/v0.2",
            "subject": [{"name": "demo", "digest": {"sha256": subject.digest[7:]}}],
            "predicate": {"buildType": "https://mobyproject.org/buildkit@v1"},
        }
    )
    config = encode(
        {
            "architecture": "unknown",
            "os": "unknown",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [sha256(statement)]},
        }
    )
    return assemble(
        OCI_MANIFEST,
        Blob(OCI_CONFIG, config),
        [Blob(IN_TOTO, statement)],
        platform="unknown/unknown",
        annotations=(
            ("vnd.docker.reference.digest", subject.digest),
            ("vnd.docker.reference.type", "attestation-manifest"),
        ),
    )
