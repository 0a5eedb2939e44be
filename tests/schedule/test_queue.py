"""The due queue gives keys when they are due, and groups their turns."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.schedule import DueQueue

Put = tuple[str, str, float]  # key, group, due


def anyone(_: str) -> bool:
    """Every group may have a turn."""
    return True


def filled(*puts: Put) -> DueQueue[str]:
    queue: DueQueue[str] = DueQueue()
    for key, group, due in puts:
        queue.put(key, group, due)
    return queue


def taken(
    queue: DueQueue[str], now: float, admits: Callable[[str], bool] = anyone
) -> list[tuple[str, str]]:
    """All that the queue gives at one time."""
    found = []
    while (turn := queue.pop(now, admits)) is not None:
        found.append(turn)
    return found


@pytest.mark.parametrize(
    ("puts", "expected"),
    [
        pytest.param([], "", id="nothing"),
        pytest.param([("a1", "a", 0), ("a2", "a", 0)], "a1 a2", id="one-group-keeps-its-order"),
        pytest.param(
            [("a1", "a", 0), ("a2", "a", 0), ("a3", "a", 0), ("b1", "b", 0), ("b2", "b", 0)],
            "a1 b1 a2 b2 a3",
            id="two-groups-take-turns",
        ),
        pytest.param(
            [("a1", "a", 0), ("b1", "b", 0), ("c1", "c", 0), ("a2", "a", 0)],
            "a1 b1 c1 a2",
            id="a-group-waits-for-all-others",
        ),
        pytest.param(
            [("a1", "a", 3), ("a2", "a", 1), ("a3", "a", 2)],
            "a2 a3 a1",
            id="a-group-is-ordered-by-due-time",
        ),
        pytest.param(
            [("a1", "a", 11), ("a2", "a", 0), ("b1", "b", 12)],
            "a2",
            id="what-is-not-due-stays",
        ),
        pytest.param([("a1", "a", 10)], "a1", id="due-at-this-very-moment"),
    ],
)
def test_turns(puts: list[Put], expected: str) -> None:
    """Groups take turns; inside one the earliest goes first, and the first put among equals."""
    assert [key for key, _ in taken(filled(*puts), now=10)] == expected.split()


def test_a_turn_says_its_group() -> None:
    """What pop gives is the key with the group it was put in."""
    assert filled(("key", "group", 0)).pop(0, anyone) == ("key", "group")


def test_one_large_group_does_not_hold_up_a_small_one() -> None:
    """The only image of one registry is second behind a thousand of another."""
    queue = filled(*((f"a{n}", "a", 0.0) for n in range(1000)), ("b", "b", 0.0))
    assert [key for key, _ in taken(queue, now=0)][:3] == ["a0", "b", "a1"]


def test_a_group_that_is_not_admitted_keeps_its_turn() -> None:
    """Others go on meanwhile, and it is next when it is admitted again."""
    queue = filled(("a1", "a", 0), ("b1", "b", 0), ("b2", "b", 0))
    assert queue.pop(0, lambda group: group != "a") == ("b1", "b")
    assert taken(queue, now=0) == [("a1", "a"), ("b2", "b")]


def test_a_group_that_comes_back_is_last() -> None:
    """A key that is put back right away does not overtake other groups."""
    queue = filled(("a1", "a", 0), ("b1", "b", 0), ("c1", "c", 0))
    assert queue.pop(0, anyone) == ("a1", "a")
    queue.put("a1", "a", 0)
    assert [key for key, _ in taken(queue, now=0)] == ["b1", "c1", "a1"]


def test_next_due_looks_at_admitted_groups_only() -> None:
    """When to look again does not depend on those who may not have a turn."""
    queue = filled(("a1", "a", 1), ("b1", "b", 2), ("b2", "b", 9))
    assert queue.next_due(anyone) == 1
    assert queue.next_due(lambda group: group == "b") == 2
    assert queue.next_due(lambda _: False) is None
    assert filled().next_due(anyone) is None


puts = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=30)


@given(puts, st.integers(0, 5), st.sets(st.sampled_from("abc")))
def test_every_due_key_of_an_admitted_group_is_given_once(
    entries: list[tuple[str, int]], now: int, admitted: set[str]
) -> None:
    """None is lost, none is given twice, none early, and the rest stays."""
    numbered = [(str(number), group, float(due)) for number, (group, due) in enumerate(entries)]
    queue = filled(*numbered)
    given_out = taken(queue, now, admitted.__contains__)
    due = {(key, group) for key, group, at in numbered if at <= now and group in admitted}
    assert Counter(given_out) == Counter(due)
    left = Counter((key, group) for key, group, _ in numbered) - Counter(due)
    assert Counter(taken(queue, now=5)) == left


@given(puts)
def test_between_two_turns_of_a_group_every_waiting_group_has_one(
    entries: list[tuple[str, int]],
) -> None:
    """No group has two turns while another that could go has none."""
    queue = filled(*((str(number), group, 0.0) for number, (group, _) in enumerate(entries)))
    groups = [group for _, group in taken(queue, now=0)]
    for place, group in enumerate(groups):
        later = groups[place + 1 :]
        until = later.index(group) if group in later else len(later)
        between = later[:until]
        if group in later:
            assert {*between} >= {*later} - {group}
