"""What is pushed: manifests with what they name, as bytes. Pure."""

import hashlib
import json
from collections.abc import Sequence

import msgspec

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


class Descriptor(msgspec.Struct, frozen=True):
    """What a manifest says of a blob."""

    digest: str
    size: int  # bytes
    media_type: str

    def document(self) -> dict[str, str | int]:
        """Its JSON in a manifest (OCI image spec 1.1, descriptor.md)."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


class Content(msgspec.Struct, frozen=True):
    """A manifest and what has to be pushed before it, as far as it is not there yet."""

    media_type: str
    body: bytes
    blobs: tuple[bytes, ...] = ()
    children: tuple["Content", ...] = ()


def digest_of(content: bytes) -> str:
    """Its sha256 digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def descriptor(media_type: str, content: bytes) -> Descriptor:
    """That of a blob or manifest at hand."""
    return Descriptor(digest_of(content), len(content), media_type)


def config(architecture: str, diff_ids: Sequence[str]) -> bytes:
    """The config of an image for Linux."""
    rootfs = {"type": "layers", "diff_ids": list(diff_ids)}
    return document({"os": "linux", "architecture": architecture, "rootfs": rootfs})


def manifest(config: bytes, layers: Sequence[Descriptor], version: str) -> bytes:
    """The manifest of an image; the version makes it a distinct one."""
    return document(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, config).document(),
            "layers": [layer.document() for layer in layers],
            "annotations": {"org.opencontainers.image.version": version},
        }
    )


def document(value: object) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()
