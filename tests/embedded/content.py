"""Images as bytes, and what has them: for tests of the embedded registry."""

import json
from collections.abc import Sequence
from typing import Final

from image_sync.embedded.repository import Repository, Stored
from image_sync.oci import Digest
from image_sync.oci.mediatypes import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from image_sync.oci.strictjson import JSON

LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG: Final = b'{"os":"linux"}'
ONE: Final = b"one layer"
OTHER: Final = b"another layer"


def described(content: bytes, media_type: str) -> dict[str, JSON]:
    """A descriptor."""
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


def image(*layers: bytes, subject: bytes | None = None, **more: JSON) -> bytes:
    """A manifest with the configuration CONFIG."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described(CONFIG, OCI_CONFIG),
        "layers": [described(layer, LAYER) for layer in layers],
        **({"subject": described(subject, OCI_MANIFEST)} if subject else {}),
        **more,
    }
    return json.dumps(document).encode()


def index(*children: bytes, **more: JSON) -> bytes:
    """An index of manifests."""
    entries = [described(child, OCI_MANIFEST) for child in children]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, **more}
    return json.dumps(document).encode()


def push(
    repository: Repository, manifest: bytes, *tags: str, blobs: Sequence[bytes] = ()
) -> Digest:
    """Have a repository take an image's blobs, its CONFIG among them, and its manifest."""
    for blob in (CONFIG, *blobs):
        repository.blobs.write(Digest.of(blob), blob)
    return put(repository, manifest, *tags).digest


def put(repository: Repository, manifest: bytes, *tags: str) -> Stored:
    """Have a repository take a manifest."""
    return repository.put(manifest, json.loads(manifest)["mediaType"], None, tags)
