"""Turns come when they should: across jitter, changed clocks, sleep, and summer time."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.schedule import Calendar, Calendared, Every, Jitter, Rhythm
from tests.schedule.clocks import SetClock

BERLIN = ZoneInfo("Europe/Berlin")  # puts its clocks back by an hour
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # and this one by half of one
NONE = Jitter(0.0)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def turns_of(rhythm: Rhythm, clock: SetClock, seconds: float) -> list[float]:
    """When turns were had by one who takes each the moment it comes, on the clock never set."""
    found = []
    ends = clock.elapsed + seconds
    while clock.elapsed + rhythm.wait() <= ends:
        clock.pass_by(max(0.0, rhythm.wait()))
        rhythm.advance()
        found.append(clock.elapsed)
    return found


def named(expression: str, zone: ZoneInfo, after: datetime, count: int) -> list[str]:
    """The next moments that a calendar names, as its zone's clocks show them."""
    calendar, found = Calendar(expression, zone), []
    for _ in range(count):
        after = calendar.after(after)
        found.append(after.astimezone(zone).strftime("%d %H:%M %z"))
    return found


def test_turns_come_at_the_end_of_each_interval() -> None:
    """The first one is not at once: what is new is due by itself."""
    clock = SetClock()
    assert turns_of(Every(600.0, NONE, clock), clock, 1900.0) == [600.0, 1200.0, 1800.0]


def test_turns_do_not_drift_when_each_is_taken_a_little_late() -> None:
    """An interval is from start to start."""
    clock = SetClock()
    rhythm = Every(600.0, NONE, clock)
    for turn in range(1, 4):
        clock.pass_by(rhythm.wait() + 7.0)
        rhythm.advance()
        assert clock.elapsed + rhythm.wait() == 600.0 * (turn + 1)


@pytest.mark.parametrize("missed", [1.0, 600.0, 20 * 600.0 + 1.0])
def test_missed_turns_come_once_and_late(missed: float) -> None:
    """A process that was busy or stopped for hours has one turn, and the next in its time."""
    clock = SetClock()
    rhythm = Every(600.0, NONE, clock)
    clock.pass_by(600.0 + missed)
    assert rhythm.wait() == -missed
    rhythm.advance()
    assert 0 < rhythm.wait() <= 600.0


@pytest.mark.parametrize("seconds", [86_400.0, -86_400.0])
def test_an_interval_is_none_of_the_time_of_day(seconds: float) -> None:
    """A clock that is set, or a machine that slept, makes no turn and loses none."""
    clock = SetClock()
    rhythm = Every(600.0, NONE, clock)
    clock.pass_by(100.0)
    clock.set_by(seconds)
    assert rhythm.wait() == 500.0


@given(
    seed=st.integers(0, 1000),
    share=st.floats(0.0, 0.5),
    late=st.lists(st.floats(0.0, 2000.0), max_size=20),
)
def test_jitter_moves_turns_within_bounds_and_never_into_the_past(
    seed: int, share: float, late: list[float]
) -> None:
    """However late turns are taken, the next one lies ahead, and near where it should."""
    clock = SetClock()
    rhythm = Every(600.0, Jitter(share * 600.0, random.Random(seed)), clock)
    for seconds in late:
        wait = rhythm.wait()
        off = (clock.elapsed + wait) % 600.0
        assert min(off, 600.0 - off) <= share * 600.0 + 1e-6
        assert 0 < wait <= 600.0 * (1 + 2 * share)
        clock.pass_by(wait + seconds)
        rhythm.advance()


def test_jitter_moves_turns_both_ways_and_averages_out() -> None:
    """Turns stay on their grid over a day."""
    clock = SetClock()
    turns = turns_of(Every(600.0, Jitter(60.0, random.Random(1)), clock), clock, 86_400.0)
    offsets = [turn - 600.0 * number for number, turn in enumerate(turns, 1)]
    assert len(turns) in {143, 144}
    assert -60.0 <= min(offsets) < -30.0
    assert 30.0 < max(offsets) <= 60.0


def test_the_start_is_put_off_by_no_more_than_the_jitter() -> None:
    """And never is before now."""
    jitter = Jitter(60.0, random.Random(1))
    starts = [jitter.start() for _ in range(200)]
    assert 0.0 <= min(starts) < 10.0
    assert 50.0 < max(starts) <= 60.0


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        pytest.param(
            "*/30 * * * *",
            BERLIN,
            utc(2026, 3, 29, 0, 10),
            ["29 01:30 +0100", "29 03:00 +0200", "29 03:30 +0200"],
            id="half-hourly, an hour is left out",
        ),
        pytest.param(
            "30 2 * * *",
            BERLIN,
            utc(2026, 3, 28, 0, 0),
            ["28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"],
            id="daily, in the hour that is left out",
        ),
        pytest.param(
            "0 2,3 * * *",
            BERLIN,
            utc(2026, 3, 29, 0, 0),
            ["29 03:00 +0200", "30 02:00 +0200"],
            id="two that fall together come once",
        ),
        pytest.param(
            "*/30 * * * *",
            BERLIN,
            utc(2026, 10, 25, 0, 10),
            ["25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100", "25 03:00 +0100"],
            id="half-hourly, an hour comes twice",
        ),
        pytest.param(
            "30 2 * * *",
            BERLIN,
            utc(2026, 10, 24, 12, 0),
            ["25 02:30 +0200", "26 02:30 +0100"],
            id="daily, in the hour that comes twice",
        ),
        pytest.param(
            "30 2 * * *",
            BERLIN,
            utc(2026, 10, 25, 1, 10),
            ["26 02:30 +0100"],
            id="daily, asked in its second time",
        ),
        pytest.param(
            "*/15 * * * *",
            LORD_HOWE,
            utc(2026, 10, 3, 15, 10),
            ["04 01:45 +1030", "04 02:30 +1100", "04 02:45 +1100"],
            id="quarterly, half an hour is left out",
        ),
        pytest.param(
            "10 2 * * *",
            LORD_HOWE,
            utc(2026, 10, 3, 12, 0),
            ["04 02:30 +1100", "05 02:10 +1100"],
            id="daily, in the half hour that is left out",
        ),
        pytest.param(
            "*/15 * * * *",
            LORD_HOWE,
            utc(2026, 4, 4, 14, 40),
            ["05 01:45 +1100", "05 01:30 +1030", "05 01:45 +1030", "05 02:00 +1030"],
            id="quarterly, half an hour comes twice",
        ),
        pytest.param(
            "45 1 * * *",
            LORD_HOWE,
            utc(2026, 4, 4, 12, 0),
            ["05 01:45 +1100", "06 01:45 +1030"],
            id="daily, in the half hour that comes twice",
        ),
    ],
)
def test_no_turn_is_lost_and_none_comes_twice_where_clocks_change(
    expression: str, zone: ZoneInfo, after: datetime, expected: list[str]
) -> None:
    """As cron of Debian has it."""
    assert named(expression, zone, after, len(expected)) == expected


@given(
    start=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - made UTC below
    zone=st.sampled_from([BERLIN, LORD_HOWE, ZoneInfo("UTC"), ZoneInfo("Asia/Kolkata")]),
    every=st.sampled_from([5, 10, 15, 30]),
)
def test_a_calendar_of_minutes_has_the_turns_of_its_definition(
    start: datetime, zone: ZoneInfo, every: int
) -> None:
    """All these zones are whole half hours from UTC: so are the turns, whatever clocks do."""
    after = start.replace(tzinfo=UTC)
    step = timedelta(minutes=every)
    first = after - (after - utc(2025, 12, 31)) % step + step
    calendar = Calendar(f"*/{every} * * * *", zone)
    moment, found = after, []
    for _ in range(3):
        moment = calendar.after(moment)
        found.append(moment)
    assert found == [first, first + step, first + 2 * step]


def test_the_hour_that_comes_twice_has_its_turns_twice_also_when_they_come_early() -> None:
    """A turn that jitter moved forward is followed by the next, not by that of an hour later."""
    clock = SetClock(utc(2026, 10, 24, 23, 50))
    rhythm = Calendared(Calendar("*/30 * * * *", BERLIN), Jitter(300.0, random.Random(4)), clock)
    turns = turns_of(rhythm, clock, 4 * 3600.0)
    assert len(turns) == 8
    assert max(after - before for before, after in pairwise(turns)) <= 2400.0


def calendared(expression: str, clock: SetClock) -> Calendared:
    return Calendared(Calendar(expression, ZoneInfo("UTC")), NONE, clock)


def test_the_turns_of_a_calendar_come_at_its_moments() -> None:
    """One each, and the gap is that to the next."""
    clock = SetClock()
    rhythm = calendared("0 6,7 * * *", clock)
    assert rhythm.gap == 3600.0
    assert turns_of(rhythm, clock, 2 * 86_400.0) == [
        6 * 3600.0,
        7 * 3600.0,
        30 * 3600.0,
        31 * 3600.0,
    ]


@pytest.mark.parametrize("slept", [False, True], ids=["set forward", "slept"])
def test_a_jump_ahead_brings_one_turn_of_a_calendar(slept: bool) -> None:  # noqa: FBT001
    """Twenty moments went by: one turn, and the next in its time."""
    clock = SetClock()
    rhythm = calendared("*/15 * * * *", clock)
    clock.set_by(20 * 900.0 + 60.0)
    if slept:
        clock.pass_by(5.0)
    assert rhythm.wait() <= 0
    rhythm.advance()
    assert 0 < rhythm.wait() <= 900.0


def test_a_clock_set_back_is_followed_and_not_waited_for() -> None:
    """A day back is no day without turns."""
    clock = SetClock()
    rhythm = calendared("*/15 * * * *", clock)
    clock.pass_by(100.0)
    clock.set_by(-86_400.0)
    assert rhythm.wait() == 800.0


def test_a_clock_set_forward_by_mistake_and_back_again_costs_one_turn() -> None:
    """The turns go on as if nothing had been."""
    clock = SetClock()
    rhythm = calendared("*/15 * * * *", clock)
    clock.pass_by(60.0)
    clock.set_by(30 * 86_400.0)
    assert rhythm.wait() <= 0
    rhythm.advance()
    clock.set_by(-30 * 86_400.0)
    assert rhythm.wait() == 840.0


def test_a_clock_corrected_by_seconds_brings_no_turn_again() -> None:
    """What was had at 00:15 is not due again when it is 00:14:58 once more."""
    clock = SetClock()
    rhythm = calendared("*/15 * * * *", clock)
    clock.pass_by(900.0)
    rhythm.advance()
    clock.set_by(-2.0)
    assert rhythm.wait() == 902.0


@given(
    seed=st.integers(0, 1000),
    most=st.floats(0.0, 4000.0),
    late=st.lists(st.floats(0.0, 5000.0), max_size=10),
)
def test_jitter_never_moves_a_turn_of_a_calendar_into_the_past(
    seed: int, most: float, late: list[float]
) -> None:
    """Also where moments lie close together and far apart in turn."""
    clock = SetClock()
    rhythm = Calendared(
        Calendar("0,5 * * * *", ZoneInfo("UTC")), Jitter(most, random.Random(seed)), clock
    )
    for seconds in late:
        assert rhythm.wait() > 0
        clock.pass_by(rhythm.wait() + seconds)
        rhythm.advance()


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("* * * *", "expected 5 fields"),
        ("0 * * * * *", "expected 5 fields"),
        ("@hourly", "expected 5 fields"),
        ("61 * * * *", "bad minute"),
        ("* * 31 2 *", "bad day-of-month"),
        ("x * * * *", "bad minute"),
    ],
)
def test_what_is_no_calendar_says_why(expression: str, why: str) -> None:
    """A wrong field, a wrong number of them, a day that never comes."""
    with pytest.raises(ValueError, match=why):
        Calendar(expression, BERLIN)


@given(st.text(max_size=20) | st.from_regex(r"([0-9*/,L#-]{1,4} ){4}[0-9*/,L#-]{1,4}"))
def test_any_text_is_a_calendar_or_says_why_not(text: str) -> None:
    """Nothing but ValueError comes of a wrong one; a right one names a moment."""
    try:
        calendar = Calendar(text, BERLIN)
    except ValueError:
        return
    assert calendar.after(utc(2026, 1, 1)) > utc(2026, 1, 1)
