"""Media types of manifests and configs: OCI image spec 1.1 and Docker image manifest v2.

Layers are never interpreted: of their types only those are listed that stay elsewhere, and
Docker's, because each has one of the OCI's that means the same.
"""

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES_AND_MANIFESTS = INDEXES | MANIFESTS
DOCKER = frozenset({DOCKER_LIST, DOCKER_MANIFEST})
OCI = frozenset({OCI_INDEX, OCI_MANIFEST})
IMAGE_CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})
SCHEMA1 = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)

NONDISTRIBUTABLE = (
    "application/vnd.docker.image.rootfs.foreign.",
    "application/vnd.oci.image.layer.nondistributable.",
)
"""Beginnings of the types of layers that registries need not hold: OCI image spec 1.1, layer.md,
section Non-Distributable Layers, and Docker's foreign layers."""

_DOCKER_LAYER = "application/vnd.docker.image.rootfs."
_OCI_LAYER = "application/vnd.oci.image.layer."
OCI_FOR_DOCKER = {
    DOCKER_LIST: OCI_INDEX,
    DOCKER_MANIFEST: OCI_MANIFEST,
    DOCKER_CONFIG: OCI_CONFIG,
    f"{_DOCKER_LAYER}diff.tar": f"{_OCI_LAYER}v1.tar",
    f"{_DOCKER_LAYER}diff.tar.gzip": f"{_OCI_LAYER}v1.tar+gzip",
    f"{_DOCKER_LAYER}diff.tar.zstd": f"{_OCI_LAYER}v1.tar+zstd",
    f"{_DOCKER_LAYER}foreign.diff.tar": f"{_OCI_LAYER}nondistributable.v1.tar",
    f"{_DOCKER_LAYER}foreign.diff.tar.gzip": f"{_OCI_LAYER}nondistributable.v1.tar+gzip",
    f"{_DOCKER_LAYER}foreign.diff.tar.zstd": f"{_OCI_LAYER}nondistributable.v1.tar+zstd",
}
"""What each of Docker's types is called by the OCI: image spec 1.1, media-types.md, section
Compatibility Matrix, and layer.md."""

ACCEPT = f"{OCI_INDEX}, {DOCKER_LIST}, {OCI_MANIFEST}, {DOCKER_MANIFEST}"
"""What every manifest request offers: a registry converts for those who offer less."""


def essence(content_type: str) -> str:
    """A Content-Type without its parameters, in lower case (RFC 9110, section 8.3.1)."""
    return content_type.partition(";")[0].strip().lower()
