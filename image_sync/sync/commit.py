"""Moving a tag of the cache: the only place that does, and only after everything under it is there.

An engine pushes by digest and is believed nothing: what it left is read back from the cache,
hashed, checked blob by blob, and only then named. So a lying, half-finished or orphaned tool never
moves a tag, and a pass that is killed anywhere leaves the old tag serving.
"""

from typing import assert_never

from image_sync.errors import CopyError, ErrorKind, Side
from image_sync.events import Emit, TagMoved
from image_sync.model import ImageSpec
from image_sync.oci import AllPlatforms, Digest, OnePlatform, Platform, PlatformChoice, PlatformList
from image_sync.registry import RegistryClient
from image_sync.sync.verify import Tree, check_blobs, check_platform, read_tree


async def verified_tree(client: RegistryClient, spec: ImageSpec, digest: Digest) -> Tree:
    """The image that the cache holds under a digest, known to be whole.

    Raises:
        CopyError: Something is missing or wrong.
        RegistryError: The cache did not say, or served other bytes.
    """
    tree = await read_tree(client, spec.target, digest)
    await check_blobs(client, spec.target, tree)
    wanted = _wanted(spec.platforms)
    if wanted:
        await check_platform(client, spec.target, tree.top, wanted)
    return tree


async def move_tag(client: RegistryClient, spec: ImageSpec, tree: Tree, emit: Emit) -> None:
    """Have the cache's tag name a verified image, and make sure that it does.

    The tag is asked once more before it moves: a copy takes minutes, and an earlier attempt or
    another instance may have been here (fault rows 50 and 56).

    Raises:
        CopyError: The cache took the tag and names something else.
        RegistryError: The cache did not take it.
    """
    top = tree.top
    old = await _named(client, spec)
    if old == top.digest:
        return
    await client.put_manifest(spec.target, spec.target_reference, top.content, top.media_type)
    new = await _named(client, spec)
    if new != top.digest:
        raise CopyError(
            f"{spec.target_reference} names {new or 'nothing'} right after it was moved to "
            f"{top.digest}: is another writer at work?",
            ErrorKind.BAD_CONTENT,
            operation="commit",
            side=Side.TARGET,
        )
    emit(TagMoved(spec, spec.target_reference, old, top.digest))


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


async def _named(client: RegistryClient, spec: ImageSpec) -> Digest | None:
    head = await client.head_manifest(spec.target, spec.target_reference)
    return head.digest if head else None
