"""Manifests and indexes as documents, for the tests of `oci/`."""

import json

from image_sync.oci import Digest, Manifest
from image_sync.oci.mediatypes import (
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
)
from image_sync.oci.strictjson import JSON

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
URL = "https://elsewhere.example/layer"

Document = dict[str, JSON]


def digest(name: str) -> str:
    """The digest of content that is known by a name."""
    return str(Digest.of(name.encode()))


def described(media_type: str, name: str, **more: JSON) -> Document:
    """A descriptor."""
    return {"mediaType": media_type, "digest": digest(name), "size": len(name), **more}


def image(media_type: str = OCI_MANIFEST, **changes: JSON) -> Document:
    """An image with two layers."""
    docker = media_type == DOCKER_MANIFEST
    layer = DOCKER_LAYER if docker else LAYER
    return {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": described(DOCKER_CONFIG if docker else OCI_CONFIG, "config"),
        "layers": [described(layer, "one"), described(layer, "two")],
        **changes,
    }


def child(platform: str, name: str = "", **more: JSON) -> Document:
    """A child of an index for a platform; its name is the platform unless given."""
    os, architecture, *variant = platform.split("/")
    place: Document = {"os": os, "architecture": architecture}
    if variant:
        place["variant"] = variant[0]
    return described(OCI_MANIFEST, name or platform, platform=place, **more)


def attestation(of: str) -> Document:
    """A BuildKit attestation of the child with a name."""
    notes: JSON = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": digest(of),
    }
    return child("unknown/unknown", f"attestation of {of}", annotations=notes)


def index(*children: JSON, media_type: str = OCI_INDEX, **changes: JSON) -> Document:
    """An index."""
    return {"schemaVersion": 2, "mediaType": media_type, "manifests": [*children], **changes}


def without(document: Document, *keys: str) -> Document:
    """A document that lacks some keys."""
    return {key: value for key, value in document.items() if key not in keys}


def parse(document: JSON, content_type: str = "") -> Manifest:
    """What a document says."""
    return Manifest.parse(json.dumps(document).encode(), content_type)
