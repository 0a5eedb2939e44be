"""Whether an image is whole in a registry: every manifest hashed, every blob present, of its size.

Only local traffic at the cache; nothing is decided here but "whole" or not.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import msgspec

from image_sync.errors import CopyError, ErrorKind, RegistryError
from image_sync.model import Endpoint
from image_sync.oci import Descriptor, Digest, Manifest, Platform, mediatypes
from image_sync.oci.manifest import MAX_CHILDREN, MAX_MANIFEST
from image_sync.registry import RegistryClient
from image_sync.runtime.parallel import for_each

MAX_DEPTH = 4
"""Levels of nested indexes (fault row 38); BuildKit makes 1."""
MAX_MANIFESTS = MAX_CHILDREN + 1
"""Manifests of one image: a flat index of the longest kind."""
MAX_TREE = 4 * MAX_MANIFEST
"""Bytes of all manifests of one image, which are in memory together; a real index with 20 of them
has under 100 kB."""
MAX_CONFIG = MAX_MANIFEST
"""Bytes of an image config that are read: the bound of manifests."""
_REQUESTS = 8
"""Requests in flight for one image."""
_MANIFEST_TYPES = mediatypes.INDEXES | mediatypes.MANIFESTS


class Tree(msgspec.Struct, frozen=True):
    """An image as its manifests describe it; they are all there."""

    manifests: tuple[Manifest, ...]  # top first

    @property
    def top(self) -> Manifest:
        """The manifest that was asked for."""
        return self.manifests[0]

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Its blobs, each digest and size once."""
        blobs = (blob for manifest in self.manifests for blob in manifest.blobs)
        return tuple({(blob.digest, blob.size): blob for blob in blobs}.values())

    @property
    def strangers(self) -> tuple[Descriptor, ...]:
        """What its indexes list beside manifests of known types (image-index.md, manifests)."""
        children = (child for manifest in self.manifests for child in manifest.children)
        return tuple(child for child in children if child.media_type not in _MANIFEST_TYPES)

    @property
    def size(self) -> int:
        """Bytes of its blobs and manifests."""
        blobs = {blob.digest: blob.size for blob in self.blobs}
        return sum(blobs.values()) + sum(len(manifest.content) for manifest in self.manifests)


async def read_tree(client: RegistryClient, endpoint: Endpoint, digest: Digest) -> Tree:
    """All manifests of an image, hashed.

    Raises:
        CopyError: One is missing, or there is something wrong between them.
        RegistryError: The registry did not say, or served other bytes.
    """
    found: dict[Digest, Manifest] = {}
    level = [digest]
    for _ in range(MAX_DEPTH + 1):
        if len(found) + len(level) > MAX_MANIFESTS:
            raise _wrong(endpoint, f"{digest} has more than {MAX_MANIFESTS} manifests")
        found |= await _read_level(client, endpoint, level, MAX_TREE - _bytes(found))
        level = list(dict.fromkeys(_below(found)))
        if not level:
            _check_sizes(endpoint, found)
            return Tree(tuple(found.values()))
    raise _wrong(endpoint, f"{digest} is nested deeper than {MAX_DEPTH} levels")


async def check_blobs(client: RegistryClient, endpoint: Endpoint, tree: Tree) -> None:
    """Make sure that everything below an image's manifests is there and has its size.

    Raises:
        CopyError: Something is missing or of another size.
        RegistryError: The registry did not say.
    """

    async def check(blob: Descriptor) -> None:
        size = await client.head_blob(endpoint, blob.digest)
        if size is None:
            raise _missing(endpoint, f"the blob {blob.digest}")
        if size not in {-1, blob.size}:
            raise CopyError(
                f"{endpoint.repository}: the blob {blob.digest} has {size} bytes there, and "
                f"{blob.size} in the manifest",
                ErrorKind.BLOB_MISSING,
                operation="verify",
                side=endpoint.side,
            )

    async def check_stranger(child: Descriptor) -> None:
        """Engines push what they do not know as a manifest or as a blob."""
        if await client.head_blob(endpoint, child.digest) is not None:
            return
        if await client.head_manifest(endpoint, endpoint.repository.digest(child.digest)) is None:
            raise _missing(endpoint, f"{child.digest} ({child.media_type})")

    await for_each(check, tree.blobs, workers=_REQUESTS)
    await for_each(check_stranger, tree.strangers, workers=_REQUESTS)


class _Config(msgspec.Struct):
    """The part of an image config that names its platform: OCI image spec 1.1, config.md."""

    os: str | None = None
    architecture: str | None = None
    variant: str | None = None


async def check_platform(
    client: RegistryClient, endpoint: Endpoint, manifest: Manifest, wanted: AbstractSet[Platform]
) -> None:
    """Make sure that an image's own config names one of the wanted platforms.

    Indexes and artifacts have no config that names one, and pass. A variant counts only where the
    config names one: many configs of `arm` images leave it to the index.

    Raises:
        CopyError: It is for another platform.
        RegistryError: The config could not be read.
    """
    if manifest.config is None or not manifest.is_image:
        return
    content = await client.get_blob(endpoint, manifest.config, MAX_CONFIG)
    try:
        config = msgspec.json.decode(content, type=_Config)
        if not config.os or not config.architecture:
            return
        found = Platform.normalised(config.os, config.architecture, config.variant or None)
    except (ValueError, RecursionError) as error:
        raise _wrong(endpoint, f"the config of {manifest.digest} is damaged: {error}") from error
    if not any(_fits(found, each, variant=bool(config.variant)) for each in wanted):
        choice = " or ".join(map(str, sorted(wanted)))
        raise CopyError(
            f"{endpoint.repository}: {choice} wanted, {found} found in {manifest.digest}",
            ErrorKind.NO_PLATFORM,
            operation="verify",
            side=endpoint.side,
        )


def _fits(found: Platform, wanted: Platform, *, variant: bool) -> bool:
    same = (found.os, found.architecture) == (wanted.os, wanted.architecture)
    return same and (not variant or found.variant == wanted.variant)


async def _read_level(
    client: RegistryClient, endpoint: Endpoint, digests: list[Digest], budget: int
) -> dict[Digest, Manifest]:
    """Some manifests, in their order.

    Args:
        client: For the requests.
        endpoint: Where they are.
        digests: Which ones.
        budget: Bytes that they may have together.
    """
    read: dict[Digest, Manifest] = {}

    async def fetch(digest: Digest) -> None:
        try:
            read[digest] = await client.get_manifest(endpoint, endpoint.repository.digest(digest))
        except RegistryError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                raise _missing(endpoint, f"the manifest {digest}") from error
            raise
        if _bytes(read) > budget:
            raise _wrong(endpoint, f"an image has more than {MAX_TREE} bytes of manifests")

    await for_each(fetch, digests, workers=_REQUESTS)
    return {digest: read[digest] for digest in digests}


def _bytes(manifests: dict[Digest, Manifest]) -> int:
    return sum(len(manifest.content) for manifest in manifests.values())


def _below(found: dict[Digest, Manifest]) -> Iterator[Digest]:
    for manifest in found.values():
        for child in manifest.children:
            if child.digest not in found and child.media_type in _MANIFEST_TYPES:
                yield child.digest


def _check_sizes(endpoint: Endpoint, found: dict[Digest, Manifest]) -> None:
    """Pullers believe an index's word on sizes, and refuse a child that has another."""
    for manifest in found.values():
        for child in manifest.children:
            held = found.get(child.digest)
            if held and len(held.content) != child.size:
                raise _wrong(
                    endpoint,
                    f"{manifest.digest} says that {child.digest} has {child.size} bytes, and it "
                    f"has {len(held.content)}",
                )


def _missing(endpoint: Endpoint, what: str) -> CopyError:
    return CopyError(
        f"{endpoint.repository}: {what} is missing",
        ErrorKind.BLOB_MISSING,
        operation="verify",
        side=endpoint.side,
    )


def _wrong(endpoint: Endpoint, what: str) -> CopyError:
    return CopyError(
        f"{endpoint.repository}: {what}",
        ErrorKind.BAD_CONTENT,
        operation="verify",
        side=endpoint.side,
    )
