"""OCI's own nouns as values: pure, without I/O and without a clock.

What belongs here follows from the OCI image and distribution specifications and from the bytes
alone. What a registry does belongs in `registry/`, what we do with it in `sync/`.
"""

from image_sync.oci.digest import Digest
from image_sync.oci.manifest import Descriptor, Manifest, ManifestError
from image_sync.oci.platform import (
    AllPlatforms,
    OnePlatform,
    Platform,
    PlatformChoice,
    PlatformList,
)
from image_sync.oci.reference import Reference, Repository

__all__ = [
    "AllPlatforms",
    "Descriptor",
    "Digest",
    "Manifest",
    "ManifestError",
    "OnePlatform",
    "Platform",
    "PlatformChoice",
    "PlatformList",
    "Reference",
    "Repository",
]
