"""The images of this benchmark, what they consist of, and pushing them.

Small on purpose: a pass without changes moves no layer.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from itertools import groupby

import msgspec

from tests.bench.content import (
    INDEX,
    LAYER,
    MANIFEST,
    Content,
    config,
    descriptor,
    digest_of,
    document,
    manifest,
)
from tests.bench.push import Pusher

_PUSHERS = 8  # connections at once; a registry on the same few cores is busy with that
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


def images(count: int) -> list[Image]:
    """That many tags, always the same ones, in the order of a configuration."""
    return [
        Image(f"bench/app-{number // _TAGS_PER_REPOSITORY:05}", f"1.{number}.0")
        for number in range(count)
    ]


def content_of(image: Image, kind: Kind, *, cache: bool) -> Content:
    """What stands behind a tag at the source, or in the cache."""
    if kind is Kind.SINGLE:
        return _manifest(image, _ARCHITECTURES[0])
    children = tuple(_manifest(image, architecture) for architecture in _ARCHITECTURES)
    if kind is Kind.PLATFORM and cache:
        return children[0]
    entries = [
        {
            **descriptor(MANIFEST, child.body).document(),
            "platform": {"os": "linux", "architecture": architecture},
        }
        for child, architecture in zip(children, _ARCHITECTURES, strict=True)
    ]
    body = document({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
    return Content(INDEX, body, children=children)


def fill(host: str, images: Sequence[Image], kind: Kind, *, cache: bool) -> None:
    """Push every image into HOST:PORT, which speaks plain HTTP.

    Raises:
        PushError: It refused something.
    """
    groups = [list(group) for _, group in groupby(images, key=lambda image: image.repository)]

    def push_share(number: int) -> None:
        with Pusher(host) as pusher:
            for group in groups[number::_PUSHERS]:
                for image in group:
                    pusher.push(image.repository, image.tag, content_of(image, kind, cache=cache))

    with ThreadPoolExecutor(_PUSHERS) as pool:
        list(pool.map(push_share, range(_PUSHERS)))


def _manifest(image: Image, architecture: str) -> Content:
    layer = f"{image.repository} for {architecture}".encode()  # shared by the tags of a repository
    described = config(architecture, [digest_of(layer)])
    body = manifest(described, [descriptor(LAYER, layer)], image.tag)
    return Content(MANIFEST, body, blobs=(described, layer))
