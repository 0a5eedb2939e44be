"""Moving a tag of the cache: the only place that does, and only after everything under it is there.

An engine pushes by digest and is believed nothing: what it left was read back from the cache before
(`bring.py`), and only then is it named. So a lying, half-finished or orphaned tool never
moves a tag, and a pass that is killed anywhere leaves the old tag serving.
"""

from image_sync.errors import CopyError, ErrorKind, Side
from image_sync.events import Emit, TagMoved
from image_sync.model import ImageSpec
from image_sync.oci import Digest
from image_sync.registry import RegistryClient, Tree
from image_sync.sync.failure import COMMIT
from image_sync.sync.previous import Previous


async def move_tag(
    client: RegistryClient,
    spec: ImageSpec,
    tree: Tree,
    emit: Emit,
    *,
    seen: Digest | None,
    keep_previous: int | None = None,
) -> None:
    """Have the cache's tag name a verified image, and make sure that it does.

    The tag is asked once more before it moves: a copy takes minutes, and an earlier attempt or
    another instance may have been here (fault rows 50 and 56). One that moved meanwhile to another
    image stays there: who moved it may have seen more of the source.

    Args:
        client: For the requests.
        spec: Whose tag it is.
        tree: The image, verified.
        emit: Told of the move.
        seen: What the tag named when the image was checked, None for nothing.
        keep_previous: How many earlier images keep a tag; where the last cannot be given one, the
            tag does not move, unless that image is damaged or refused. None to leave such tags
            alone.

    Raises:
        CopyError: The tag names something else, before it moved or right after.
        RegistryError: The cache did not take it, or not the one for the earlier image.
    """
    top = tree.top
    previous = Previous(client, spec, emit)
    old = await _named(client, spec)
    if old == top.digest:
        return
    if old and old != seen:
        raise _contested(spec, f"was moved from {seen or 'nothing'} to {old} since it was checked")
    if old and keep_previous:
        await previous.keep(old, keep_previous)
    await client.put_manifest(spec.target, spec.target_reference, top.content, top.media_type)
    new = await _named(client, spec)
    if new != top.digest:
        raise _contested(spec, f"names {new or 'nothing'} right after it was moved to {top.digest}")
    emit(TagMoved(spec, spec.target_reference, old, top.digest))
    if old and keep_previous is not None:
        await previous.trim(keep_previous)


async def _named(client: RegistryClient, spec: ImageSpec) -> Digest | None:
    head = await client.head_manifest(spec.target, spec.target_reference)
    return head.digest if head else None


def _contested(spec: ImageSpec, what: str) -> CopyError:
    return CopyError(
        f"{spec.target_reference} {what}: is another writer at work?",
        ErrorKind.BAD_CONTENT,
        operation=COMMIT,
        side=Side.TARGET,
        hint="two instances with different views of one tag undo each other's work",
    )
