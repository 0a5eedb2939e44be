"""Images with large layers, and pushing them.

Layers are gzip over random bytes: what no tool can or wants to compress, and what skopeo, which
looks at the first bytes, does not take for an uncompressed layer.
"""

import random
import zlib
from collections.abc import Iterator, Sequence

import msgspec

from tests.bench.content import (
    CONFIG,
    LAYER,
    MANIFEST,
    Content,
    Descriptor,
    config,
    descriptor,
    digest_of,
    manifest,
)
from tests.bench.push import Pusher

TAG = "1.0.0"
_MB = 1_000_000
_GZIP_LAYER = f"{LAYER}+gzip"
_GZIP = 16 + zlib.MAX_WBITS  # zlib: a gzip header and trailer
_PIECE_BYTES = 1024 * 1024

# Four families as distributions and language runtimes are cut: 155 MB of bases. With 10 images of
# each, every one with a layer of its own, 202 MB are unique and 1.6 GB are named.
_FAMILIES_MB = ((4, 8), (30, 12, 6), (28, 14, 3), (30, 20))
_IMAGES_OF_A_FAMILY = 10
_OWN_LAYER_MB = 1.175


class Layer(msgspec.Struct, frozen=True):
    """A layer to be made; equal ones have equal bytes."""

    name: str
    size: int  # bytes before gzip, which adds less than 0.1 %

    def pieces(self) -> Iterator[bytes]:
        """Its bytes, the same ones each time."""
        source = random.Random(self.name)
        gzip = zlib.compressobj(0, zlib.DEFLATED, _GZIP)
        for start in range(0, self.size, _PIECE_BYTES):
            yield gzip.compress(source.randbytes(min(_PIECE_BYTES, self.size - start)))
        yield gzip.flush()


class Sketch(msgspec.Struct, frozen=True):
    """An image to be made."""

    repository: str
    layers: tuple[Layer, ...]


class Image(msgspec.Struct, frozen=True):
    """An image that is in the source."""

    repository: str
    digest: str  # of the manifest behind TAG
    parts: dict[str, int]  # digests of manifest and blobs, and their sizes in bytes


def families(scale: float = 1) -> tuple[Sketch, ...]:
    """40 images of 4 base families, mixed as in a list by name; sizes times `scale`."""
    bases = [
        tuple(_layer(f"base {family}.{number}", size * scale) for number, size in enumerate(sizes))
        for family, sizes in enumerate(_FAMILIES_MB)
    ]
    return tuple(
        Sketch(
            f"bench/app-{number:02}",
            (*bases[number % len(bases)], _layer(f"app {number}", _OWN_LAYER_MB * scale)),
        )
        for number in range(_IMAGES_OF_A_FAMILY * len(bases))
    )


def one_blob(megabytes: float) -> tuple[Sketch, ...]:
    """One image with one layer."""
    return (Sketch("bench/large", (_layer("large", megabytes),)),)


def fill(host: str, sketches: Sequence[Sketch]) -> tuple[Image, ...]:
    """Push every image into HOST:PORT, which speaks plain HTTP.

    Raises:
        PushError: It refused something.
    """
    held: dict[Layer, tuple[Descriptor, str]] = {}  # and the repository that holds it
    with Pusher(host) as pusher:
        return tuple(_pushed(pusher, sketch, held) for sketch in sketches)


def needed_bytes(images: Sequence[Image]) -> int:
    """What has to be read to have all of them: each digest once."""
    return sum({digest: size for image in images for digest, size in image.parts.items()}.values())


def named_bytes(images: Sequence[Image]) -> int:
    """The sum of their sizes."""
    return sum(sum(image.parts.values()) for image in images)


def _layer(name: str, megabytes: float) -> Layer:
    return Layer(name, round(megabytes * _MB))


def _pushed(pusher: Pusher, sketch: Sketch, held: dict[Layer, tuple[Descriptor, str]]) -> Image:
    for layer in sketch.layers:
        if layer in held:
            pushed, holder = held[layer]
            pusher.mount(sketch.repository, pushed.digest, holder=holder)
        else:
            pushed = pusher.push_stream(sketch.repository, layer.pieces(), _GZIP_LAYER)
            held[layer] = (pushed, sketch.repository)
    layers = [held[layer][0] for layer in sketch.layers]
    described = config("amd64", [layer.digest for layer in layers])  # nobody unpacks them
    body = manifest(described, layers, sketch.repository)
    pusher.push(sketch.repository, TAG, Content(MANIFEST, body, blobs=(described,)))
    parts = [descriptor(MANIFEST, body), descriptor(CONFIG, described), *layers]
    return Image(sketch.repository, digest_of(body), {part.digest: part.size for part in parts})
