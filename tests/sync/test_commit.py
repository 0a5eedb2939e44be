"""When and how a tag of the cache moves, over real sockets."""

import pytest

from image_sync.errors import CopyError, RegistryError, Side
from image_sync.events import Event, TagMoved
from image_sync.oci import Digest
from image_sync.registry import RegistryClient
from image_sync.sync.commit import move_tag
from image_sync.sync.failure import is_contested
from image_sync.sync.verify import verified_tree
from tests.hostile import Dropped, Fault, HostileRegistry, Refusal, TagMoves
from tests.sync.scene import TARGET_REPOSITORY, make_spec, move_tag_now

pytestmark = pytest.mark.anyio
REPOSITORY = TARGET_REPOSITORY


async def test_a_tag_moves_to_a_verified_image_and_says_so(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """From the old digest to the new one, by one PUT of the very bytes."""
    old = kept.store.put_image(REPOSITORY, "1.0", layers=[b"old"])
    new = kept.store.put_image(REPOSITORY, None, layers=[b"new"])
    spec = make_spec(target=kept.host)
    tree = await verified_tree(client, spec, Digest.parse(new))
    await move_tag_now(client, spec, tree, events.append)
    assert kept.store.tagged(REPOSITORY, "1.0") == new
    [moved] = [event for event in events if isinstance(event, TagMoved)]
    assert (str(moved.old), str(moved.new)) == (old, new)


async def test_a_tag_that_is_there_already_is_not_moved_again(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """Another instance, or an earlier attempt, was here (fault row 56)."""
    digest = kept.store.put_image(REPOSITORY, "1.0")
    spec = make_spec(target=kept.host)
    tree = await verified_tree(client, spec, Digest.parse(digest))
    await move_tag_now(client, spec, tree, events.append)
    assert kept.asked("PUT", "*") == []
    assert not [event for event in events if isinstance(event, TagMoved)]


async def test_a_lost_answer_to_the_tags_put_is_settled_by_asking(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """Fault row 54: the effect happened, and that is what counts."""
    digest = kept.store.put_image(REPOSITORY, None)
    spec = make_spec(target=kept.host)
    tree = await verified_tree(client, spec, Digest.parse(digest))
    kept.inject(Fault("PUT", "*", Dropped(), times=1))
    await move_tag_now(client, spec, tree, events.append)
    assert kept.store.tagged(REPOSITORY, "1.0") == digest


async def test_a_tag_that_names_something_else_right_after_is_an_error(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """Two writers, or a cache that says yes and does nothing."""
    other = kept.store.put_image(REPOSITORY, None, layers=[b"theirs"])
    digest = kept.store.put_image(REPOSITORY, None, layers=[b"ours"])
    spec = make_spec(target=kept.host)
    tree = await verified_tree(client, spec, Digest.parse(digest))
    kept.inject(Fault("PUT", "*", TagMoves(kept.store, REPOSITORY, "1.0", other)))
    with pytest.raises(CopyError) as caught:
        await move_tag_now(client, spec, tree, events.append)
    assert (caught.value.operation, caught.value.side) == ("commit", Side.TARGET)
    assert is_contested(caught.value)
    assert not [event for event in events if isinstance(event, TagMoved)]


async def test_a_tag_that_another_writer_moved_since_the_check_stays_there(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """What it names may be newer than what we copied; the error says from where to where."""
    seen = kept.store.put_image(REPOSITORY, None, layers=[b"seen"])
    theirs = kept.store.put_image(REPOSITORY, "1.0", layers=[b"theirs"])
    ours = kept.store.put_image(REPOSITORY, None, layers=[b"ours"])
    spec = make_spec(target=kept.host)
    tree = await verified_tree(client, spec, Digest.parse(ours))
    with pytest.raises(CopyError, match=f"was moved from {seen} to {theirs}") as caught:
        await move_tag(client, spec, tree, events.append, seen=Digest.parse(seen))
    assert is_contested(caught.value)
    assert kept.store.tagged(REPOSITORY, "1.0") == theirs
    assert kept.asked("PUT", "*") == []


async def test_a_tag_that_was_removed_since_the_check_is_made_again(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """No image is in the way."""
    seen, ours = Digest.of(b"seen"), kept.store.put_image(REPOSITORY, None)
    spec = make_spec(target=kept.host)
    tree = await verified_tree(client, spec, Digest.parse(ours))
    await move_tag(client, spec, tree, events.append, seen=seen)
    assert kept.store.tagged(REPOSITORY, "1.0") == ours


async def test_a_refused_tag_stays_where_it_was(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """The registry's own words come out."""
    old = kept.store.put_image(REPOSITORY, "1.0", layers=[b"old"])
    new = kept.store.put_image(REPOSITORY, None, layers=[b"new"])
    spec = make_spec(target=kept.host)
    tree = await verified_tree(client, spec, Digest.parse(new))
    kept.inject(Fault("PUT", "*", Refusal(400, "MANIFEST_INVALID", "no such types here")))
    with pytest.raises(RegistryError, match="no such types here"):
        await move_tag_now(client, spec, tree, events.append)
    assert kept.store.tagged(REPOSITORY, "1.0") == old
