"""Earlier images of a tag: kept before it moves, never lost on the way, removed when not wanted."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.errors import ErrorKind, RegistryError
from image_sync.events import Event, TagMoved, Warned
from image_sync.oci import Digest
from image_sync.oci.previous import kept_for, previous_tag
from image_sync.registry import RegistryClient
from image_sync.sync.previous import place_to_fill
from image_sync.sync.verify import verified_tree
from tests.hostile import Dropped, Fault, HostileRegistry, Refusal, WrongBytes
from tests.hostile.store import digest_of
from tests.sync.scene import TARGET_REPOSITORY, make_spec, move_tag_now

pytestmark = pytest.mark.anyio
TAG = "1.0"


def put(kept: HostileRegistry, name: str) -> str:
    """The digest of an image that the cache holds without a tag."""
    return kept.store.put_image(TARGET_REPOSITORY, None, layers=[name.encode()])


def row(kept: HostileRegistry) -> str:
    """What the tag names, then its `previous-1` and so on, by the names of images; `-` is none."""
    names = {put(kept, name): name for name in "ABCDEFG"}
    held = kept.store.repository(TARGET_REPOSITORY).tags
    selected = [TAG, *(previous_tag(TAG, number) for number in range(1, 9))]
    return "".join(names[held[tag]] if tag in held else "-" for tag in selected).rstrip("-")


def set_row(kept: HostileRegistry, names: str) -> None:
    """Have the tags name images, in the same order."""
    for number, name in enumerate(names):
        tag = previous_tag(TAG, number) if number else TAG
        if name != "-":
            kept.store.tag(TARGET_REPOSITORY, tag, put(kept, name))


def warnings(events: Sequence[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Warned)]


class Move:
    """Moves the tag as a pass does."""

    def __init__(self, client: RegistryClient, kept: HostileRegistry, events: list[Event]) -> None:
        self._client = client
        self._kept = kept
        self._events = events

    async def __call__(self, name: str, keep: int | None) -> None:
        spec = make_spec(target=self._kept.host)
        tree = await verified_tree(self._client, spec, Digest.parse(put(self._kept, name)))
        await move_tag_now(self._client, spec, tree, self._events.append, keep)


@pytest.fixture
def move(client: RegistryClient, kept: HostileRegistry, events: list[Event]) -> Move:
    return Move(client, kept, events)


async def test_the_image_that_a_tag_leaves_is_kept(kept: HostileRegistry, move: Move) -> None:
    """The latest is number 1, and the oldest falls out."""
    for name in "ABCD":
        await move(name, 2)
    assert row(kept) == "DCB"


async def test_nothing_is_kept_unless_it_is_wanted(kept: HostileRegistry, move: Move) -> None:
    """And one question is all that it costs to say so."""
    await move("A", 0)
    await move("B", 0)
    assert row(kept) == "B"
    assert len(kept.asked("*", "*previous*")) == 1


async def test_tags_of_earlier_images_are_left_alone_where_nobody_spoke_of_them(
    kept: HostileRegistry, move: Move
) -> None:
    """They may be somebody else's; and no question is asked."""
    set_row(kept, "CBA")
    kept.requests.clear()
    await move("D", None)
    assert row(kept) == "DBA"
    assert kept.asked("*", "*previous*") == []


async def test_a_tag_that_is_new_leaves_nothing(kept: HostileRegistry, move: Move) -> None:
    """There is nothing to keep, to ask for, or to remove."""
    await move("A", 3)
    assert row(kept) == "A"
    assert kept.asked("*", "*previous*") == []


async def test_a_tag_that_stays_shifts_nothing(kept: HostileRegistry, move: Move) -> None:
    """Moving it to where it is already is no move."""
    set_row(kept, "BA")
    await move("B", 3)
    assert row(kept) == "BA"
    assert kept.asked("PUT", "*") == []


async def test_only_the_tag_itself_is_told_of(
    kept: HostileRegistry, move: Move, events: list[Event]
) -> None:
    """Nobody waits for the others."""
    set_row(kept, "A")
    await move("B", 3)
    moved = [event.reference.tag for event in events if isinstance(event, TagMoved)]
    assert (moved, warnings(events)) == ([TAG], [])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("AABC", "EABC", id="before the tag itself"),
        pytest.param("DAAB", "EDAB", id="before the first"),
        pytest.param("DABB", "EDAB", id="before the second"),
        pytest.param("DA-B", "EDAB", id="a gap"),
        pytest.param("D-AB", "EDAB", id="a gap in front"),
        pytest.param("DABD", "EDAB", id="kept already, as the oldest"),
        pytest.param("DAA", "EDA", id="one twice"),
        pytest.param("D", "ED", id="the first one"),
    ],
)
async def test_a_shift_that_was_cut_off_goes_on(
    kept: HostileRegistry, move: Move, before: str, after: str
) -> None:
    """Nothing is shifted twice, and no image that had a name loses its last one."""
    set_row(kept, before)
    await move("E", 3)
    assert row(kept) == after


@pytest.mark.parametrize("requests", range(15))
async def test_an_end_between_any_two_requests_loses_nothing(
    kept: HostileRegistry, move: Move, requests: int
) -> None:
    """Whenever it comes, every image that is to be kept has a tag, and the next try ends it."""
    set_row(kept, "DCBA")
    dead = kept.inject(Fault("*", "*/manifests/*", Refusal(403, "DENIED"), after=requests))
    try:
        await move("E", 3)
    except RegistryError as error:
        assert error.kind is ErrorKind.DENIED  # noqa: PT017 - the last requests may fail unnoticed
    kept.remove(dead)
    assert set("BCD") <= set(row(kept))
    await move("E", 3)
    assert row(kept) == "EDCB"


@given(
    held=st.text("ABCDEFG-", max_size=6),
    wanted=st.lists(st.sampled_from("ABCDEFG"), max_size=12),
    most=st.integers(1, 5),
)
def test_what_is_kept_is_what_the_tag_left_last(held: str, wanted: list[str], most: int) -> None:
    """From any state on: the first is what the tag left, and no image is there twice for long."""
    named: list[Digest | None] = [
        None if name == "-" else Digest.of(name.encode()) for name in held.ljust(most, "-")[:most]
    ]
    for name in wanted:
        digest, before = Digest.of(name.encode()), set(named) - {None}
        place = place_to_fill(named, digest)
        given_up = named[place - 1]
        named = [digest, *named[: place - 1], *named[place:]]
        lost = before - set(named)
        assert lost <= {given_up}
        assert not lost or place == most
        assert named[0] == digest
        assert len(named) == most


async def test_a_damaged_image_is_not_kept_and_stops_nothing(
    kept: HostileRegistry, move: Move, events: list[Event]
) -> None:
    """Its manifest has other bytes, or is gone: that is said once, and the tag moves."""
    set_row(kept, "AB")
    damaged = put(kept, "A")
    kept.inject(Fault("GET", f"*/{damaged}", WrongBytes()))
    await move("C", 2)
    assert row(kept)[0] == "C"
    assert "B" in row(kept)
    [warning] = warnings(events)
    assert damaged in warning


async def test_an_image_that_the_cache_refuses_is_not_kept(
    kept: HostileRegistry, move: Move, events: list[Event]
) -> None:
    """It lost a blob: a registry that looks takes no manifest for it."""
    set_row(kept, "A")
    kept.store.repository(TARGET_REPOSITORY).blobs.pop(digest_of(b"A"))
    await move("B", 1)
    held = kept.store.repository(TARGET_REPOSITORY).tags
    assert previous_tag(TAG, 1) not in held
    assert "damaged" in warnings(events)[0]


async def test_an_earlier_image_that_the_cache_takes_no_more_is_not_called_damaged(
    kept: HostileRegistry, move: Move, events: list[Event]
) -> None:
    """It refuses what it took once, as with another configuration: that is what is said."""
    set_row(kept, "A")
    kept.inject(Fault("PUT", "*previous*", Refusal(415, "MANIFEST_INVALID", "no such types")))
    await move("B", 1)
    assert row(kept) == "B"
    [warning] = warnings(events)
    assert "the cache refuses it" in warning
    assert "damaged" not in warning


@pytest.mark.parametrize("status", [403, 507])
async def test_an_image_that_cannot_be_kept_for_now_keeps_its_tag(
    kept: HostileRegistry, move: Move, events: list[Event], status: int
) -> None:
    """The tag does not move, so that nothing is lost."""
    set_row(kept, "A")
    kept.inject(Fault("PUT", "*previous*", Refusal(status, "DENIED", "not now")))
    with pytest.raises(RegistryError, match="previous-1"):
        await move("B", 1)
    assert row(kept) == "A"
    assert not [event for event in events if isinstance(event, TagMoved)]


async def test_a_lost_answer_changes_nothing(kept: HostileRegistry, move: Move) -> None:
    """Fault row 54: each PUT is settled by asking."""
    set_row(kept, "CBA")
    kept.inject(Fault("PUT", "*", Dropped(), times=1))
    await move("D", 2)
    assert row(kept) == "DCB"


async def test_fewer_are_kept_when_the_number_shrinks(
    kept: HostileRegistry, move: Move, events: list[Event]
) -> None:
    """The tags beyond it are removed, the oldest first, and only by their names."""
    set_row(kept, "EDCBA")
    await move("F", 2)
    assert row(kept) == "FED"
    asked = [request.path.rpartition("/")[2] for request in kept.asked("DELETE", "*")]
    assert asked == [previous_tag(TAG, 4), previous_tag(TAG, 3)]
    assert warnings(events) == []


async def test_none_are_kept_when_the_number_becomes_zero(
    kept: HostileRegistry, move: Move
) -> None:
    """With the next move."""
    set_row(kept, "CBA")
    await move("D", 0)
    assert row(kept) == "D"


@pytest.mark.parametrize("status", [400, 405])
async def test_tags_that_cannot_be_removed_stay(
    kept: HostileRegistry, move: Move, events: list[Event], status: int
) -> None:
    """One warning, no further try in this pass, and the move counts."""
    set_row(kept, "DCBA")
    kept.inject(Fault("DELETE", "*", Refusal(status, "UNSUPPORTED")))
    await move("E", 1)
    assert row(kept) == "EDBA"
    assert len(kept.asked("DELETE", "*")) == 1
    [warning] = warnings(events)
    assert previous_tag(TAG, 3) in warning


async def test_a_removal_that_is_denied_stops_nothing(
    kept: HostileRegistry, move: Move, events: list[Event]
) -> None:
    """An account that may push need not be one that may delete."""
    set_row(kept, "CBA")
    kept.inject(Fault("DELETE", "*", Refusal(403, "DENIED")))
    await move("D", 0)
    assert row(kept) == "DBA"
    [warning] = warnings(events)
    assert "denied" in warning
    assert previous_tag(TAG, 2) in warning


async def test_a_question_for_earlier_images_that_fails_names_the_tag_in_question(
    kept: HostileRegistry, move: Move, events: list[Event]
) -> None:
    """Not the one before it, which may not even be a name that is ever used."""
    set_row(kept, "CBA")
    kept.inject(Fault("HEAD", f"*{previous_tag(TAG, 1)}", Refusal(403, "DENIED")))
    await move("D", 0)
    assert row(kept) == "DBA"
    [warning] = warnings(events)
    assert f"{previous_tag(TAG, 1)} is not removed" in warning


@pytest.mark.parametrize(
    ("tag", "whose"),
    [
        ("1.0.previous-1", "1.0"),
        ("a.previous-12", "a"),
        ("a.previous-1.previous-2", "a.previous-1"),
        ("a.previous-100", "a"),
        ("a.previous-101", None),
        ("a.previous-0", None),
        ("a.previous-01", None),
        ("a.previous-", None),
        (".previous-1", None),
        ("a.previous-x", None),
        ("previous-1", None),
    ],
)
def test_a_name_tells_whose_image_it_keeps(tag: str, whose: str | None) -> None:
    """Only names that are made for it."""
    assert kept_for(tag) == whose


@given(st.from_regex(r"[a-z0-9._-]{1,20}", fullmatch=True), st.integers(1, 100))
def test_every_name_that_is_made_is_recognised(tag: str, number: int) -> None:
    """Whatever the tag is, it is the one found again."""
    assert kept_for(previous_tag(tag, number)) == tag
