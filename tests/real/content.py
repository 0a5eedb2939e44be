"""Blobs, manifests and indexes, built by hand: the same input gives the same bytes.

Belongs here: the values, how they are packed, and `push`. Which images tests use is in
`images.py`. Not built by crane: 0.22.1's `index append` writes fields into descriptors
that skopeo 1.9.3 refuses.
"""

import gzip
import hashlib
import io
import random
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
import zstandard

from tests.real.wire import RegistryApi, UnexpectedAnswerError

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD: Final = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
HELM_CONFIG: Final = "application/vnd.cncf.helm.config.v1+json"
HELM_CHART: Final = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
IN_TOTO: Final = "application/vnd.in-toto+json"


_EPOCH: Final = "1970-01-01T00:00:00Z"

Platform = str
# A JSON object, in the order in which it is written.
Fields = dict[str, object]


class Blob(msgspec.Struct, frozen=True):
    """A config or a layer as it lies in a registry."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """The sha256 digest of the bytes."""
        return sha256(self.data)

    def descriptor(self) -> Fields:
        """What a manifest says about this blob."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


class Layer(msgspec.Struct, frozen=True):
    """A layer's blob, and the digest of the tar inside."""

    blob: Blob
    diff_id: str


class Image(msgspec.Struct, frozen=True):
    """A manifest with all that hangs below it; for an index, `blobs` is empty."""

    media_type: str
    data: bytes
    blobs: tuple[Blob, ...] = ()
    children: tuple["Image", ...] = ()
    platform: Platform | None = None
    annotations: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """The sha256 digest of the manifest's bytes."""
        return sha256(self.data)

    def descriptor(self) -> Fields:
        """What an index says about this manifest."""
        described: Fields = {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": len(self.data),
        }
        if self.platform is not None:
            described["platform"] = _platform_fields(self.platform)
        if self.annotations:
            described["annotations"] = dict(self.annotations)
        return described

    def manifests(self) -> Iterator["Image"]:
        """Every manifest, children before what names them; this one comes last."""
        for child in self.children:
            yield from child.manifests()
        yield self

    def child(self, platform: Platform) -> "Image":
        """The first child for that platform, written as `linux/arm/v7`."""
        return next(child for child in self.children if child.platform == platform)

    @property
    def all_blobs(self) -> tuple[Blob, ...]:
        """Every config and layer once, own and children's."""
        return tuple({blob.digest: blob for m in self.manifests() for blob in m.blobs}.values())

    @property
    def digests(self) -> frozenset[str]:
        """Of every manifest and blob."""
        manifests = {manifest.digest for manifest in self.manifests()}
        return frozenset(manifests | {blob.digest for blob in self.all_blobs})

    @property
    def total_size(self) -> int:
        """Bytes of every manifest and blob, each once."""
        manifests = {manifest.digest: len(manifest.data) for manifest in self.manifests()}
        return sum(manifests.values()) + sum(len(blob.data) for blob in self.all_blobs)


def push(api: RegistryApi, repository: str, tag: str, image: Image) -> str:
    """Put the whole image under a tag; the tag is written last. Its digest comes back.

    Raises:
        UnexpectedAnswerError: the registry refused a part.
    """
    for blob in image.all_blobs:
        api.put_blob(repository, blob.data)
    for manifest in image.manifests():
        reference = tag if manifest is image else manifest.digest
        answer = api.put_manifest(repository, reference, manifest.data, manifest.media_type)
        if answer.status != 201:
            raise UnexpectedAnswerError(
                f"PUT {repository} {reference}: {answer.status} {answer.body!r}"
            )
    return image.digest


def layer(files: Mapping[str, bytes], media_type: str = OCI_LAYER) -> Layer:
    """A layer holding these executable files; compressed as its media type says."""
    return _pack(tarball(files), media_type)


def filler(size: int, seed: str) -> bytes:
    """`size` bytes that do not compress, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def manifest(
    layers: Sequence[Layer], platform: Platform, *, label: str = "one", docker: bool = False
) -> Image:
    """An image of one platform, as OCI or as Docker schema 2."""
    entry = {"created": _EPOCH, "created_by": "built by hand"}
    config: Fields = {
        "created": _EPOCH,
        **_platform_fields(platform),
        "config": {
            "Entrypoint": ["/program"],
            "Env": ["PATH=/"],
            "Labels": {"org.opencontainers.image.version": label},
        },
        "rootfs": {"type": "layers", "diff_ids": [each.diff_id for each in layers]},
        "history": [entry for _ in layers],
    }
    blobs = [each.blob for each in layers]
    config_type = DOCKER_CONFIG if docker else OCI_CONFIG
    return assemble(
        DOCKER_MANIFEST if docker else OCI_MANIFEST,
        Blob(config_type, encode(config)),
        blobs,
        platform=platform,
    )


def index(children: Sequence[Image], *, docker: bool = False, label: str | None = None) -> Image:
    """An index (or Docker manifest list) of these, in this order."""
    media_type = DOCKER_LIST if docker else OCI_INDEX
    fields: Fields = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [child.descriptor() for child in children],
    }
    if label is not None:
        fields["annotations"] = {"org.opencontainers.image.version": label}
    return Image(media_type, encode(fields), children=tuple(children))


def assemble(
    media_type: str,
    config: Blob,
    layers: Sequence[Blob],
    *,
    platform: Platform | None = None,
    annotations: tuple[tuple[str, str], ...] = (),
) -> Image:
    """A manifest of these blobs; platform and annotations are for the index above it."""
    fields: Fields = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": config.descriptor(),
        "layers": [each.descriptor() for each in layers],
    }
    blobs = (config, *layers)
    return Image(media_type, encode(fields), blobs, platform=platform, annotations=annotations)


def _pack(tar: bytes, media_type: str) -> Layer:
    if media_type.endswith("zstd"):
        packed = zstandard.ZstdCompressor(level=3).compress(tar)
    else:
        packed = gzip.compress(tar, compresslevel=1, mtime=0)
    return Layer(Blob(media_type, packed), sha256(tar))


def tarball(files: Mapping[str, bytes]) -> bytes:
    """A tar of executable files without time or owner."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o755
            archive.addfile(entry, io.BytesIO(data))
    return written.getvalue()


def _platform_fields(platform: Platform) -> dict[str, str]:
    os, architecture, *variant = platform.split("/")
    fields = {"architecture": architecture, "os": os}
    return {**fields, "variant": variant[0]} if variant else fields


def encode(fields: Mapping[str, object]) -> bytes:
    """The object as JSON without white space, in the order given."""
    return msgspec.json.encode(fields)


def sha256(data: bytes) -> str:
    """The digest of these bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
