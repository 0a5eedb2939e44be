"""All manifests of an image at one registry, read level by level and hashed.

OCI image spec 1.1, image-index.md: an index may list indexes. Blobs are not read here, and nobody
asks here whether they are there.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from image_sync.errors import ErrorKind, RegistryError
from image_sync.model import Endpoint
from image_sync.oci import Descriptor, Digest, Manifest, mediatypes
from image_sync.oci.manifest import MAX_CHILDREN, MAX_MANIFEST
from image_sync.registry.client import RegistryClient
from image_sync.runtime.parallel import IMAGE_REQUESTS, for_each

MAX_DEPTH = 4
"""Levels of nested indexes (fault row 38); BuildKit makes 1."""
MAX_MANIFESTS = MAX_CHILDREN + 1
"""Manifests of one image: a flat index of the longest kind."""
MAX_TREE = 4 * MAX_MANIFEST
"""Bytes of all manifests of one image, which are in memory together; a real index with 20 of them
has under 100 kB."""

Manifests = Mapping[Digest, Manifest]


class Tree(msgspec.Struct, frozen=True):
    """An image as its manifests describe it."""

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
        known = mediatypes.INDEXES_AND_MANIFESTS
        return tuple(child for child in children if child.media_type not in known)

    @property
    def size(self) -> int:
        """Bytes of its blobs and manifests."""
        blobs = {blob.digest: blob.size for blob in self.blobs}
        return sum(blobs.values()) + sum(len(manifest.content) for manifest in self.manifests)


class Hole(NamedTuple):
    """A manifest that a registry should have and has not, or serves with other bytes.

    Attributes:
        digest: Which one.
        error: What the registry answered: BLOB_MISSING, BAD_CONTENT, or UNAVAILABLE where it could
            not read it.
    """

    digest: Digest
    error: RegistryError


async def read_tree(
    client: RegistryClient, endpoint: Endpoint, digest: Digest, made: Manifests | None = None
) -> Tree:
    """All manifests of an image, hashed.

    Args:
        client: For the requests.
        endpoint: Where it is.
        digest: Its top manifest.
        made: Manifests at hand, which the registry is not asked for.

    Raises:
        RegistryError: One is missing (BLOB_MISSING), there is something wrong between them
            (BAD_CONTENT), or the registry did not say.
    """
    reader = _Reader(client, endpoint, made or {}, holes=None)
    return await reader.read(digest)


async def survey_tree(
    client: RegistryClient, endpoint: Endpoint, digest: Digest
) -> tuple[Tree, tuple[Hole, ...]]:
    """The manifests of an image that are there, and those that are not; what is below is unknown.

    The tree is empty if the top manifest itself is a hole.

    Raises:
        RegistryError: There is something wrong between the manifests that are there (BAD_CONTENT),
            or the registry did not say.
    """
    holes: list[Hole] = []
    tree = await _Reader(client, endpoint, {}, holes).read(digest)
    return tree, tuple(holes)


class _Reader:
    """Reads one image.

    Args:
        client: For the requests.
        endpoint: Where it is.
        made: Manifests at hand.
        holes: Where holes are noted; None if the first one is an error.
    """

    def __init__(
        self, client: RegistryClient, endpoint: Endpoint, made: Manifests, holes: list[Hole] | None
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._made = made
        self._holes = holes
        self._found: dict[Digest, Manifest] = {}

    async def read(self, digest: Digest) -> Tree:
        """The image, as far as it is there."""
        seen, level = {digest}, [digest]
        for _ in range(MAX_DEPTH + 1):
            if len(seen) > MAX_MANIFESTS:
                raise self._wrong(f"{digest} has more than {MAX_MANIFESTS} manifests")
            read = await self._read_level(level)
            self._found |= read
            level = list(dict.fromkeys(_below(read, seen)))
            seen.update(level)
            if not level:
                self._check_sizes()
                return Tree(tuple(self._found.values()))
        raise self._wrong(f"{digest} is nested deeper than {MAX_DEPTH} levels")

    async def _read_level(self, digests: list[Digest]) -> Manifests:
        """Some manifests, in their order."""
        budget = MAX_TREE - _bytes(self._found)
        read = {each: self._made[each] for each in digests if each in self._made}

        async def fetch(digest: Digest) -> None:
            manifest = await self._fetch(digest)
            if manifest:
                read[digest] = manifest
            if _bytes(read) > budget:
                raise self._wrong(f"an image has more than {MAX_TREE} bytes of manifests")

        unknown = [digest for digest in digests if digest not in read]
        await for_each(fetch, unknown, workers=IMAGE_REQUESTS)
        return {digest: read[digest] for digest in digests if digest in read}

    async def _fetch(self, digest: Digest) -> Manifest | None:
        """A manifest; None if it is a hole and was noted."""
        reference = self._endpoint.repository.digest(digest)
        try:
            return await self._client.get_manifest(self._endpoint, reference)
        except RegistryError as error:
            hole = _hole(self._endpoint, digest, error)
            if hole is None:
                raise
            if self._holes is None:
                raise hole.error from error.__cause__
            self._holes.append(hole)
            return None

    def _check_sizes(self) -> None:
        """Pullers believe an index's word on sizes, and refuse a child that has another."""
        for manifest in self._found.values():
            for child in manifest.children:
                held = self._found.get(child.digest)
                if held and len(held.content) != child.size:
                    raise self._wrong(
                        f"{manifest.digest} says that {child.digest} has {child.size} bytes, and "
                        f"it has {len(held.content)}",
                    )

    def _wrong(self, what: str) -> RegistryError:
        message = f"{self._endpoint.repository}: {what}"
        return RegistryError(message, ErrorKind.BAD_CONTENT, side=self._endpoint.side)


def _below(read: Manifests, seen: set[Digest]) -> Iterator[Digest]:
    for manifest in read.values():
        for child in manifest.children:
            known = child.media_type in mediatypes.INDEXES_AND_MANIFESTS
            if known and child.digest not in seen:
                yield child.digest


def _bytes(manifests: Manifests) -> int:
    return sum(len(manifest.content) for manifest in manifests.values())


def _hole(endpoint: Endpoint, digest: Digest, error: RegistryError) -> Hole | None:
    """What a refusal says of a manifest; None if it speaks of the registry only.

    Distribution answers 500, try after try, for a manifest of which only a part is on its disk.
    """
    if error.kind is ErrorKind.BAD_CONTENT and error.status == HTTPStatus.OK:
        return Hole(digest, error)
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return Hole(digest, error)
    if error.kind is not ErrorKind.NOT_FOUND:
        return None
    missing = RegistryError(
        f"{endpoint.repository}: the manifest {digest} is missing",
        ErrorKind.BLOB_MISSING,
        side=error.side,
        method=error.method,
        url=error.url,
        status=error.status,
        codes=error.codes,
    )
    return Hole(digest, missing)
