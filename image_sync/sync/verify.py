"""Whether an image is whole in a registry: every manifest hashed, every blob there, of its size.

Only local traffic at the cache; nothing is decided here but what of an image is damaged, and
whether it is for a wanted platform. Reading blobs to their last byte is in `proof.py`.
"""

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import assert_never

import msgspec

from image_sync.errors import CopyError, ErrorKind, RegistryError, Side
from image_sync.model import Damage, Endpoint, ImageSpec
from image_sync.oci import (
    AllPlatforms,
    Descriptor,
    Digest,
    Manifest,
    OnePlatform,
    Platform,
    PlatformChoice,
    PlatformList,
)
from image_sync.oci.manifest import MAX_MANIFEST
from image_sync.registry import RegistryClient, Tree, read_tree
from image_sync.registry.tree import Hole, survey_tree
from image_sync.runtime.parallel import IMAGE_REQUESTS, for_each

MAX_CONFIG = MAX_MANIFEST
"""Bytes of an image config that are read: the bound of manifests."""
_WRONG = frozenset({ErrorKind.BLOB_MISSING, ErrorKind.BAD_CONTENT})
"""Kinds of failure that speak of the image, and not of the registry."""


class Examined(msgspec.Struct, frozen=True):
    """What was found of an image.

    Attributes:
        tree: Its manifests that are there; empty if the top one is not.
        damage: All that is wrong; bounded by what the manifests can name.
        unread: Manifests that the registry failed to read, try after try: damaged, or it is.
    """

    tree: Tree
    damage: tuple[Damage, ...]
    unread: tuple[Hole, ...] = ()


Look = Callable[[RegistryClient, Endpoint, Descriptor], Awaitable[Damage | None]]
"""What finds out what is wrong with one blob; None where nothing is."""


async def look_at_blob(
    client: RegistryClient, endpoint: Endpoint, blob: Descriptor
) -> Damage | None:
    """What is wrong with a blob, by the registry's word on its presence and size.

    Raises:
        RegistryError: The registry did not say.
    """
    size = await client.head_blob(endpoint, blob.digest)
    if size is None:
        return missing(f"the blob {blob.digest}", blob.digest)
    if size in {-1, blob.size}:
        return None
    what = f"the blob {blob.digest} has {size} bytes there, and {blob.size} in the manifest"
    return Damage(blob.digest, what, ErrorKind.BLOB_MISSING)


async def examine(client: RegistryClient, endpoint: Endpoint, digest: Digest) -> Examined:
    """What of an image is damaged, by asking for everything below its top manifest.

    Raises:
        RegistryError: The registry did not say, or its manifests contradict each other.
    """
    tree, holes = await survey_tree(client, endpoint, digest)
    for hole in holes:
        if hole.error.kind not in _WRONG:
            raise hole.error
    return await _examined(client, endpoint, tree, holes, look_at_blob)


async def examine_further(
    client: RegistryClient, endpoint: Endpoint, digest: Digest, look: Look
) -> Examined:
    """The same with all that may be damage, for whoever tells people of it.

    Manifests that contradict each other are damage of the top one, and those that the registry
    fails to read are left for the caller to judge.

    Args:
        client: For the requests.
        endpoint: Where it is.
        digest: Its top manifest.
        look: How its blobs are looked at.

    Raises:
        RegistryError: The registry did not say.
    """
    try:
        tree, holes = await survey_tree(client, endpoint, digest)
    except RegistryError as error:
        if error.kind not in _WRONG or error.status:  # an answer that is wrong by itself
            raise
        return Examined(Tree(()), (Damage(digest, _told(endpoint, error), error.kind),))
    return await _examined(client, endpoint, tree, holes, look)


async def _examined(
    client: RegistryClient, endpoint: Endpoint, tree: Tree, holes: Sequence[Hole], look: Look
) -> Examined:
    below = await _missing_below(client, endpoint, tree, look)
    wrong = [hole for hole in holes if hole.error.kind in _WRONG]
    return Examined(
        tree,
        (*(Damage(h.digest, _told(endpoint, h.error), h.error.kind) for h in wrong), *below),
        tuple(hole for hole in holes if hole not in wrong),
    )


async def _missing_below(
    client: RegistryClient, endpoint: Endpoint, tree: Tree, look: Look
) -> list[Damage]:
    """What is damaged of that which an image's manifests name."""
    damage: list[Damage] = []

    async def check(blob: Descriptor) -> None:
        found = await look(client, endpoint, blob)
        if found:
            damage.append(found)

    async def check_stranger(child: Descriptor) -> None:
        """Engines push what they do not know as a manifest or as a blob."""
        if await client.head_blob(endpoint, child.digest) is not None:
            return
        if await client.head_manifest(endpoint, endpoint.repository.digest(child.digest)) is None:
            damage.append(missing(f"{child.digest} ({child.media_type})", child.digest))

    await for_each(check, tree.blobs, workers=IMAGE_REQUESTS)
    await for_each(check_stranger, tree.strangers, workers=IMAGE_REQUESTS)
    return damage


async def verified_tree(
    client: RegistryClient, spec: ImageSpec, digest: Digest, *, blobs: bool = True
) -> Tree:
    """The image that the cache holds under a digest, known to be whole.

    Args:
        client: For the requests.
        spec: The image.
        digest: Its top manifest.
        blobs: Ask for its blobs as well: False where the cache acknowledged each of them.

    Raises:
        CopyError: Something is missing or wrong.
        RegistryError: The cache did not say.
    """
    try:
        tree = await read_tree(client, spec.target, digest)
        damage = await _missing_below(client, spec.target, tree, look_at_blob) if blobs else []
    except RegistryError as error:
        if error.kind not in _WRONG:
            raise
        raise CopyError(error.message, error.kind, operation="verify", side=Side.TARGET) from error
    if damage:
        raise _damaged(spec.target, damage)
    await check_wanted(client, spec, tree)
    return tree


async def check_wanted(client: RegistryClient, spec: ImageSpec, tree: Tree) -> None:
    """Make sure that an image in the cache is for the platforms that are wanted.

    Raises:
        CopyError: It is for another one.
        RegistryError: The cache did not say.
    """
    wanted = _wanted(spec.platforms)
    if wanted:
        await check_platform(client, spec.target, tree.top, wanted)


def missing(what: str, digest: Digest) -> Damage:
    """The damage that something is not there."""
    return Damage(digest, f"{what} is missing", ErrorKind.BLOB_MISSING)


def unreadable(endpoint: Endpoint, hole: Hole) -> Damage:
    """The damage that a registry cannot read a manifest: it is there, and not as it was pushed."""
    what = f"the manifest {hole.digest} is refused: {_told(endpoint, hole.error)}"
    return Damage(hole.digest, what, ErrorKind.BAD_CONTENT)


def _told(endpoint: Endpoint, error: RegistryError) -> str:
    """An error without the repository, which is known where this is read."""
    return error.message.removeprefix(f"{endpoint.repository}").lstrip(":@ ")


def _damaged(endpoint: Endpoint, damage: Sequence[Damage]) -> CopyError:
    first, others = damage[0], len(damage) - 1
    more = f", and {others} more of its parts are damaged" if others else ""
    return CopyError(
        f"{endpoint.repository}: {first.what}{more}",
        first.kind,
        operation="verify",
        side=endpoint.side,
    )


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


def _wanted(choice: PlatformChoice) -> frozenset[Platform]:
    """The platforms that a single image may be for; empty if every one will do."""
    match choice:
        case OnePlatform(platform=platform):
            return frozenset({platform})
        case PlatformList(platforms=platforms):
            return frozenset(platforms)
        case AllPlatforms():
            return frozenset()
        case _:
            assert_never(choice)


def _fits(found: Platform, wanted: Platform, *, variant: bool) -> bool:
    same = (found.os, found.architecture) == (wanted.os, wanted.architecture)
    return same and (not variant or found.variant == wanted.variant)


def _wrong(endpoint: Endpoint, what: str) -> CopyError:
    return CopyError(
        f"{endpoint.repository}: {what}",
        ErrorKind.BAD_CONTENT,
        operation="verify",
        side=endpoint.side,
    )
