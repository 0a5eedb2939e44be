"""Keys are due by their rhythm, sooner or later as things went, and taken by one at a time."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from image_sync.schedule import Agenda, Every, Jitter
from tests.schedule.clocks import SetClock

NONE = Jitter(0.0)
GAP = 600.0


class Scene:
    """An agenda, its clock, and a rhythm of ten minutes."""

    def __init__(self, *keys: str) -> None:
        self.clock = SetClock()
        self.agenda: Agenda[str] = Agenda(self.clock.monotonic)
        self.main = self.every(GAP)
        for key in keys:
            self.agenda.put(key, self.main)

    def every(self, gap: float) -> Every:
        return Every(gap, NONE, self.clock)

    def taken(self, seconds: float = 0.0) -> list[str]:
        """What is due after so many seconds more."""
        self.clock.pass_by(seconds)
        return self.agenda.take().keys

    def times(self, seconds: float, outcome: Callable[[str], None]) -> list[float]:
        """When anything is taken in that time, by one who is done with it at once."""
        found, ends = [], self.clock.elapsed + seconds
        while (wait := self.agenda.wait()) is not None and self.clock.elapsed + wait <= ends:
            for key in self.taken(max(0.0, wait)):
                found.append(self.clock.elapsed)
                outcome(key)
        return found

    def fail(self, key: str) -> None:
        self.agenda.done(key, failed=True)

    def succeed(self, key: str) -> None:
        self.agenda.done(key, failed=False)


def test_a_key_is_due_when_it_is_added_and_then_at_its_turns() -> None:
    """From one turn to the next, whenever it was done in between."""
    scene = Scene("a")
    assert scene.times(1900.0, scene.succeed) == [0.0, 600.0, 1200.0, 1800.0]


def test_a_delay_puts_off_the_first_time_only() -> None:
    """The turns after that are the rhythm's."""
    scene = Scene()
    scene.agenda.put("a", scene.main, 45.0)
    assert scene.times(1300.0, scene.succeed) == [45.0, 600.0, 1200.0]


def test_nothing_is_due_where_there_is_nothing() -> None:
    """Nobody waits for a moment that never comes."""
    scene = Scene()
    assert scene.agenda.wait() is None
    assert scene.agenda.take() == ([], [], [])


def test_keys_of_one_rhythm_are_taken_together() -> None:
    """A turn is that of all, and says whose it was."""
    scene = Scene("a", "b")
    scene.agenda.put("c", scene.every(60.0))
    for key in scene.taken():
        scene.succeed(key)
    scene.clock.pass_by(60.0)
    assert scene.agenda.take().keys == ["c"]
    scene.clock.pass_by(540.0)
    due = scene.agenda.take()
    assert (sorted(due.keys), due.late) == (["a", "b"], ["c"])
    assert scene.main in due.turns


def test_what_is_worked_on_at_its_turn_is_late_and_misses_it() -> None:
    """Nothing piles up: it has the turn after that."""
    scene = Scene("a")
    assert scene.taken() == ["a"]
    for _ in range(3):
        scene.clock.pass_by(600.0)
        due = scene.agenda.take()
        assert (due.keys, due.late) == ([], ["a"])
    scene.succeed("a")
    assert scene.taken(10.0) == []
    assert scene.taken(590.0) == ["a"]


def test_a_long_sleep_makes_a_key_due_once() -> None:
    """One turn, not as many as were missed."""
    scene = Scene("a")
    scene.taken()
    scene.succeed("a")
    assert scene.taken(20 * 600.0 + 5.0) == ["a"]
    scene.succeed("a")
    assert scene.taken() == []


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        pytest.param(600.0, [0, 1, 3, 7, 13, 19, 25], id="ten minutes"),
        pytest.param(60.0, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243], id="a minute"),
        pytest.param(7200.0, [0, 1, 2, 3, 4], id="more than an hour"),
    ],
)
def test_what_keeps_failing_rests_twice_as_long_each_time_up_to_an_hour(
    gap: float, expected: list[int]
) -> None:
    """Never shorter than its gap, never longer than an hour unless that is its gap."""
    scene = Scene()
    scene.agenda.put("a", scene.every(gap))
    times = scene.times(gap * expected[-1], scene.fail)
    assert [time / gap for time in times] == expected


def test_success_ends_the_rests() -> None:
    """The next failure begins with the shortest again."""
    scene = Scene("a")
    outcomes = iter([True, True, True, False, True, True, True])
    times = scene.times(
        600.0 * 12, lambda key: scene.agenda.done(key, failed=next(outcomes, False))
    )
    assert [time / 600.0 for time in times] == [0, 1, 3, 7, 8, 9, 11]


def test_a_failing_key_delays_no_other() -> None:
    """Each rests for itself."""
    scene = Scene("bad", "good")
    found: list[tuple[str, float]] = []

    def note(key: str) -> None:
        found.append((key, scene.clock.elapsed / 600.0))
        scene.agenda.done(key, failed=key == "bad")

    scene.times(600.0 * 4, note)
    assert [time for key, time in found if key == "good"] == [0, 1, 2, 3, 4]
    assert [time for key, time in found if key == "bad"] == [0, 1, 3]


def test_what_was_postponed_is_due_then_and_no_turn_comes_before() -> None:
    """A pause is waited for, and it is no failure."""
    scene = Scene("a")
    scene.taken()
    scene.agenda.postpone("a", 1500.0)
    assert scene.times(2500.0, scene.succeed) == [1500.0, 1800.0, 2400.0]


def test_a_pause_leaves_the_count_of_failures() -> None:
    """Neither one more, nor a fresh start."""
    scene = Scene("a")
    for _ in range(2):
        scene.times(0.0, scene.fail)
        scene.clock.pass_by(600.0)
    scene.clock.pass_by(600.0)
    assert scene.taken() == ["a"]
    scene.agenda.postpone("a", 60.0)
    assert scene.times(60.0, scene.fail) == [1860.0]
    assert scene.times(3600.0, scene.fail) == [1860.0 + 2340.0]


def test_a_changed_key_is_due_at_once_and_its_failures_are_forgotten() -> None:
    """It may be right now."""
    scene = Scene("a")
    for _ in range(2):
        scene.times(600.0, scene.fail)
    scene.agenda.put("a", scene.main)
    assert scene.taken() == ["a"]
    scene.fail("a")
    assert scene.times(600.0, scene.succeed) == [1800.0]


def test_a_key_changed_while_it_is_worked_on_is_due_when_that_is_over() -> None:
    """Once, and not before."""
    scene = Scene("a")
    scene.taken()
    scene.agenda.put("a", scene.main)
    assert scene.taken(10.0) == []
    scene.succeed("a")
    assert scene.taken() == ["a"]
    scene.succeed("a")
    assert scene.taken() == []


def test_a_key_changed_while_it_is_worked_on_does_not_wait_for_a_pause() -> None:
    """The host that asked for it may not be its host any more."""
    scene = Scene("a")
    scene.taken()
    scene.agenda.put("a", scene.main)
    scene.agenda.postpone("a", 3600.0)
    assert scene.taken() == ["a"]


def test_another_rhythm_alone_makes_nothing_due() -> None:
    """Only its turns are other ones."""
    scene = Scene("a", "b")
    for key in scene.taken():
        scene.succeed(key)
    scene.agenda.adapt("a", scene.every(60.0))
    assert scene.taken(10.0) == []
    assert scene.taken(50.0) == ["a"]


def test_what_is_removed_is_gone_and_what_comes_of_it_is_nothing() -> None:
    """Also while it is worked on."""
    scene = Scene("a", "b")
    scene.taken()
    scene.agenda.remove("a")
    scene.agenda.remove("b")
    scene.fail("a")
    scene.agenda.postpone("b", 5.0)
    assert "a" not in scene.agenda
    assert scene.agenda.wait() is None
    assert scene.taken(600.0) == []


def test_hurry_makes_all_due_that_nobody_works_on() -> None:
    """What rests as well; what is worked on is not taken twice."""
    scene = Scene("failed", "fine", "busy")
    scene.taken()
    scene.fail("failed")
    scene.succeed("fine")
    scene.agenda.hurry()
    assert sorted(scene.taken()) == ["failed", "fine"]


def test_hurry_can_be_for_what_failed_only() -> None:
    """Other credentials change nothing for the rest."""
    scene = Scene("failed", "fine")
    scene.taken()
    scene.fail("failed")
    scene.succeed("fine")
    scene.agenda.hurry(failing=True)
    assert scene.taken() == ["failed"]


KEYS = st.sampled_from("abcde")
GAPS = st.sampled_from([60.0, 600.0, 7200.0])
LONGEST_LULL = 7200.0 + 3600.0 + 600.0
"""Seconds within which whatever is not worked on and not paused must be due."""


class AnyOrder(RuleBasedStateMachine):
    """Whatever is asked of an agenda in whatever order.

    The model knows of each key whether it is worked on, since when it has been waiting, and for
    how long it was paused.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = SetClock()
        self.agenda: Agenda[str] = Agenda(self.clock.monotonic)
        self.rhythms = {gap: Every(gap, NONE, self.clock) for gap in (60.0, 600.0, 7200.0)}
        self.free: dict[str, float] = {}  # until when its lull may last
        self.busy: dict[str, bool] = {}  # whether it is due again when it is done

    @initialize()
    def begin(self) -> None:
        self.agenda.put("a", self.rhythms[600.0])
        self.free["a"] = self.clock.elapsed

    @rule(key=KEYS, gap=GAPS)
    def put(self, key: str, gap: float) -> None:
        self.agenda.put(key, self.rhythms[gap])
        if key in self.busy:
            self.busy[key] = True
        else:
            self.free[key] = self.clock.elapsed

    @rule(key=KEYS)
    def remove(self, key: str) -> None:
        if key in self.agenda:
            self.agenda.remove(key)
        self.free.pop(key, None)
        self.busy.pop(key, None)

    @rule(key=KEYS, gap=GAPS)
    def adapt(self, key: str, gap: float) -> None:
        if key in self.agenda:
            self.agenda.adapt(key, self.rhythms[gap])

    @rule(key=KEYS, failed=st.booleans())
    def done(self, key: str, *, failed: bool) -> None:
        self.agenda.done(key, failed=failed) if key in self.busy else None
        self._release(key, LONGEST_LULL)

    @rule(key=KEYS, pause=st.floats(0.0, 20_000.0))
    def postpone(self, key: str, pause: float) -> None:
        self.agenda.postpone(key, pause) if key in self.busy else None
        self._release(key, pause)

    @rule(failing=st.booleans())
    def hurry(self, *, failing: bool) -> None:
        self.agenda.hurry(failing=failing)
        if not failing:
            self.free = dict.fromkeys(self.free, self.clock.elapsed)

    @rule(seconds=st.floats(0.0, 4000.0))
    def take(self, seconds: float) -> None:
        self.clock.pass_by(seconds)
        due = self.agenda.take()
        assert len(set(due.keys)) == len(due.keys)
        assert set(due.keys) <= self.free.keys(), "taken twice, or after it was removed"
        assert set(due.late) <= self.busy.keys()
        for key in due.keys:
            del self.free[key]
            self.busy[key] = False
        starved = [key for key, ends in self.free.items() if self.clock.elapsed > ends]
        assert not starved

    @invariant()
    def what_is_known_is_what_was_put(self) -> None:
        assert {key for key in "abcde" if key in self.agenda} == self.free.keys() | self.busy.keys()

    @invariant()
    def nobody_waits_for_ever(self) -> None:
        assert (self.agenda.wait() is None) == (not self.free and not self.busy)

    def _release(self, key: str, lull: float) -> None:
        if key in self.busy:
            self.free[key] = self.clock.elapsed + (0.0 if self.busy.pop(key) else lull)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_what_is_worked_on_is_due_again_after_it_when_all_is_wanted_now() -> None:
    """What was found may be from before; its rhythm goes on as it was."""
    scene = Scene("a", "b")
    assert sorted(scene.taken()) == ["a", "b"]
    scene.succeed("b")
    scene.agenda.hurry()
    assert scene.taken() == ["b"]
    scene.succeed("a")
    assert scene.taken() == ["a"]
    scene.succeed("a")
    scene.succeed("b")
    assert scene.taken(599.0) == []
    assert sorted(scene.taken(1.0)) == ["a", "b"]


def test_what_is_worked_on_is_due_again_if_it_fails_when_failures_are_wanted_now() -> None:
    """It may have failed for what is mended now; only what is under way at that time."""
    scene = Scene("a", "b")
    scene.taken()
    scene.agenda.hurry(failing=True)
    scene.fail("a")
    scene.succeed("b")
    assert scene.taken() == ["a"]
    scene.fail("a")
    assert scene.taken() == []


def test_turns_of_a_rhythm_are_told_though_no_key_goes_by_it() -> None:
    """Of the one that is kept, and of no former one."""
    scene = Scene()
    own = scene.every(100.0)
    scene.agenda.put("a", own)
    scene.agenda.keep(scene.main)
    scene.taken()
    scene.clock.pass_by(600.0)
    assert scene.main in scene.agenda.take().turns
    other = scene.every(200.0)
    scene.agenda.keep(other)
    scene.clock.pass_by(600.0)
    turns = scene.agenda.take().turns
    assert other in turns
    assert scene.main not in turns
    scene.agenda.keep(own)
    scene.agenda.keep(other)
    scene.clock.pass_by(600.0)
    assert own in scene.agenda.take().turns


@pytest.mark.parametrize("began", [1.0, 500.0, 900.0, 1700.0])
def test_what_failed_between_two_turns_rests_no_longer_than_an_hour(began: float) -> None:
    """Nor shorter than half of its gap; where its turns are an hour apart or less."""
    scene = Scene()
    half_an_hour = scene.every(1800.0)
    scene.agenda.put("a", half_an_hour)
    scene.times(0.0, scene.fail)
    scene.clock.pass_by(began)
    scene.agenda.hurry()
    times = scene.times(20_000.0, scene.fail)
    assert times[0] == began
    rests = [after - before for before, after in pairwise(times)]
    assert max(rests) <= 3600.0
    assert min(rests) >= 900.0
