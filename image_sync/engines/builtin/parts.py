"""What an image consists of, read at its source: manifests to push in order, blobs to bring.

What an index lists and is of no type that we know is copied and not interpreted (fault row 42): as
the manifest that its source serves it as, with the type that the index gives it, or as a blob.
"""

from collections.abc import Iterator

import msgspec

from image_sync.engines.base import CopyRequest
from image_sync.errors import ErrorKind, RegistryError
from image_sync.model import Endpoint
from image_sync.oci import Descriptor, Digest, Manifest
from image_sync.registry import RegistryClient, Tree, read_tree


class Document(msgspec.Struct, frozen=True):
    """A manifest as it is pushed."""

    digest: Digest
    media_type: str
    content: bytes


class Parts(msgspec.Struct, frozen=True):
    """An image.

    Attributes:
        levels: Its manifests: those of one level need nothing but those before, the top is last.
        blobs: Each once, the largest first.
        read: Bytes of the manifests that are the source's.
        size: Bytes of everything.
    """

    levels: tuple[tuple[Document, ...], ...]
    blobs: tuple[Descriptor, ...]
    read: int
    size: int


async def read_parts(client: RegistryClient, request: CopyRequest) -> Parts:
    """What an image consists of.

    Raises:
        RegistryError: The source does not have it, or there is something wrong with it.
    """
    source = request.source
    made = {manifest.digest: manifest for manifest in request.made}
    top = made.get(request.digest)
    if top is None:  # not by `read_tree`, so that its absence is told as what it is
        top = await client.get_manifest(source, source.repository.digest(request.digest))
    tree = await read_tree(client, source, request.digest, {**made, request.digest: top})
    strangers, blobs = [], {blob.digest: blob for blob in tree.blobs}
    if len(blobs) < len(tree.blobs):
        raise _wrong(source, f"{request.digest} gives one blob two sizes")
    for stranger in tree.strangers:
        content = await client.get_stranger(source, stranger)
        if content is None:
            blobs[stranger.digest] = stranger
        else:
            strangers.append(Document(stranger.digest, stranger.media_type, content))
    levels = ((*strangers,), *_levels(tree))
    documents = [document for level in levels for document in level]
    read = sum(len(each.content) for each in documents if each.digest not in made)
    size = sum(len(each.content) for each in documents) + sum(map(_size, blobs.values()))
    largest_first = tuple(sorted(blobs.values(), key=_size, reverse=True))
    return Parts(levels, largest_first, read, size)


def _size(blob: Descriptor) -> int:
    return blob.size


def _levels(tree: Tree) -> Iterator[tuple[Document, ...]]:
    left = {manifest.digest: manifest for manifest in tree.manifests}
    while left:
        level = [manifest for manifest in left.values() if not _waits(manifest, left)]
        for manifest in level:
            del left[manifest.digest]
        yield tuple(Document(each.digest, each.media_type, each.content) for each in level)


def _waits(manifest: Manifest, left: dict[Digest, Manifest]) -> bool:
    return any(child.digest in left for child in manifest.children)


def _wrong(source: Endpoint, what: str) -> RegistryError:
    return RegistryError(f"{source.repository}: {what}", ErrorKind.BAD_CONTENT, side=source.side)
