"""The images of a benchmark, and the documents they consist of.

Small on purpose: a pass without changes moves no layer. Pushing them belongs in `fill.py`.
"""

import hashlib
import json
from enum import StrEnum

import msgspec

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_TAGS_PER_REPOSITORY = 4  # a list as operators write it: a few versions of each image
_ARCHITECTURES = ("amd64", "arm64", "ppc64le")


class Kind(StrEnum):
    """What stands behind each tag."""

    SINGLE = "single"  # a manifest, on both sides
    INDEX = "index"  # an index of three platforms, on both sides
    PLATFORM = "platform"  # such an index at the source, its linux/amd64 child in the cache


class Image(msgspec.Struct, frozen=True):
    """One tag."""

    repository: str
    tag: str


class Content(msgspec.Struct, frozen=True):
    """A manifest and what has to be pushed before it."""

    media_type: str
    body: bytes
    blobs: tuple[bytes, ...] = ()
    children: tuple["Content", ...] = ()


def images(count: int) -> list[Image]:
    """That many tags, always the same ones, in the order of a configuration."""
    return [
        Image(f"bench/app-{number // _TAGS_PER_REPOSITORY:05}", f"1.{number}.0")
        for number in range(count)
    ]


def digest_of(content: bytes) -> str:
    """Its sha256 digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def content_of(image: Image, kind: Kind, *, cache: bool) -> Content:
    """What stands behind a tag at the source, or in the cache."""
    if kind is Kind.SINGLE:
        return _manifest(image, _ARCHITECTURES[0])
    children = tuple(_manifest(image, architecture) for architecture in _ARCHITECTURES)
    if kind is Kind.PLATFORM and cache:
        return children[0]
    entries = [
        {
            **_descriptor(MANIFEST, child.body),
            "platform": {"os": "linux", "architecture": architecture},
        }
        for child, architecture in zip(children, _ARCHITECTURES, strict=True)
    ]
    body = _document({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
    return Content(INDEX, body, children=children)


def _manifest(image: Image, architecture: str) -> Content:
    layer = f"{image.repository} for {architecture}".encode()  # shared by the tags of a repository
    rootfs = {"type": "layers", "diff_ids": [digest_of(layer)]}
    config = _document({"os": "linux", "architecture": architecture, "rootfs": rootfs})
    body = _document(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(_CONFIG, config),
            "layers": [_descriptor(_LAYER, layer)],
            "annotations": {"org.opencontainers.image.version": image.tag},
        }
    )
    return Content(MANIFEST, body, blobs=(config, layer))


def _descriptor(media_type: str, content: bytes) -> dict[str, str | int]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _document(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
