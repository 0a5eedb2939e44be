"""Small images for two platforms, the same bytes each time: OCI image spec 1.1. Pure.

Their layers are tars, so that whoever pulls one can unpack it. All images stand on one base layer
for each platform, as most do.
"""

import hashlib
import io
import tarfile
from collections.abc import Iterable

import msgspec

from image_sync.oci import Digest, mediatypes

ARCHITECTURES = ("amd64", "arm64")
BASE, OWN = 400_000, 60_000
"""Bytes of a file in the base layer, and of one in the layer that an image has for itself: enough
to tell one from the other, and few enough for a demo."""
_LAYER = "application/vnd.oci.image.layer.v1.tar"


class Content(msgspec.Struct, frozen=True):
    """Some bytes with what they are.

    Attributes:
        media_type: What they are.
        content: The bytes.
        architecture: For which one they are, if they are a manifest of one.
    """

    media_type: str
    content: bytes
    architecture: str | None = None

    @property
    def digest(self) -> Digest:
        """Their digest."""
        return Digest.of(self.content)

    def descriptor(self) -> dict[str, object]:
        """How others refer to them: descriptor.md."""
        found: dict[str, object] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": len(self.content),
        }
        if self.architecture:
            found["platform"] = {"os": "linux", "architecture": self.architecture}
        return found


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image for every platform.

    Attributes:
        base: The layers that all images have.
        own: The layers and configs that only this one has.
        children: The manifest for each platform.
        index: What its tag names.
    """

    base: tuple[Content, ...]
    own: tuple[Content, ...]
    children: tuple[Content, ...]
    index: Content

    @property
    def blobs(self) -> tuple[Content, ...]:
        """All blobs."""
        return self.base + self.own


def make(name: str, version: str) -> Image:
    """An image of a name; another version has other layers of its own."""
    base, own, children = [], [], []
    for architecture in ARCHITECTURES:
        below = _layer("base", f"base for {architecture}", BASE)
        layer = _layer(name, f"{name} {version} for {architecture}", OWN)
        config = _config(architecture, (below, layer))
        base.append(below)
        own += [config, layer]
        children.append(_manifest(architecture, config, (below, layer)))
    index = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_INDEX,
        "manifests": [child.descriptor() for child in children],
    }
    return Image(
        base=tuple(base),
        own=tuple(own),
        children=tuple(children),
        index=Content(mediatypes.OCI_INDEX, msgspec.json.encode(index)),
    )


def _layer(name: str, seed: str, size: int) -> Content:
    """A tar of one file, with bytes that follow from a seed."""
    buffer, file = io.BytesIO(), tarfile.TarInfo(f"opt/{name}/data")
    file.size = size
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(file, io.BytesIO(hashlib.shake_128(seed.encode()).digest(size)))
    return Content(_LAYER, buffer.getvalue())


def _config(architecture: str, layers: tuple[Content, ...]) -> Content:
    """What a runtime reads of an image: config.md."""
    document = {
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [str(layer.digest) for layer in layers]},
    }
    return Content(mediatypes.OCI_CONFIG, msgspec.json.encode(document))


def _manifest(architecture: str, config: Content, layers: tuple[Content, ...]) -> Content:
    document = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_MANIFEST,
        "config": config.descriptor(),
        "layers": [layer.descriptor() for layer in layers],
    }
    return Content(mediatypes.OCI_MANIFEST, msgspec.json.encode(document), architecture)


def sizes(contents: Iterable[Content]) -> int:
    """Bytes of some contents together, each counted once."""
    return sum({each.digest: len(each.content) for each in contents}.values())
