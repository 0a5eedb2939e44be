"""How long a host is left alone."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.http.pauses import LONGEST, SHORTEST, Pauses, parse_retry_after
from tests.http.virtual import VirtualClock

SENT = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)  # a clock that is years ahead (fault row 58)
DATE = format_datetime(SENT, usegmt=True)


def in_seconds(seconds: int) -> str:
    return format_datetime(SENT + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("120", 120.0, id="seconds"),
        pytest.param(" 7 ", 7.0, id="spaces"),
        pytest.param("1.5", 1.0, id="fraction"),
        pytest.param("0", SHORTEST, id="zero"),
        pytest.param("9999999999", LONGEST, id="capped"),
        pytest.param(in_seconds(90), 90.0, id="date"),
        pytest.param(in_seconds(-90), SHORTEST, id="past"),
        pytest.param(in_seconds(86_400), LONGEST, id="date-capped"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", SHORTEST, id="rfc850"),
        pytest.param("-5", None, id="negative"),
        pytest.param("soon", None, id="words"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_retry_after_is_read(value: str | None, seconds: float | None) -> None:
    """Seconds, or a date against the Date of the same answer, not against our clock (row 8)."""
    assert parse_retry_after(value, DATE, now=0.0) == seconds


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_without_a_date_our_clock_is_all_there_is(date: str | None) -> None:
    """An answer without a usable Date is compared with wall time."""
    assert parse_retry_after(in_seconds(60), date, now=SENT.timestamp()) == 60.0


@given(st.text(), st.text())
def test_any_header_gives_a_bounded_wait_or_none(value: str, date: str) -> None:
    """A value or nothing, whatever a registry sends."""
    seconds = parse_retry_after(value, date, now=0.0)
    assert seconds is None or SHORTEST <= seconds <= LONGEST


@given(st.integers(1, 21_600))
def test_seconds_and_date_mean_the_same(seconds: int) -> None:
    """Both forms of RFC 9110, section 10.2.3."""
    assert parse_retry_after(str(seconds), DATE, 0.0) == float(seconds)
    assert parse_retry_after(in_seconds(seconds), DATE, 0.0) == float(seconds)


def test_a_pause_ends_by_itself() -> None:
    """On the monotonic clock."""
    clock = VirtualClock()
    pauses = Pauses(clock)
    pauses.pause("h", 10.0, pulls_only=False)
    clock.now += 9.0
    assert pauses.left("h", pulls=False) == pytest.approx(1.0)
    assert pauses.left("other", pulls=True) == 0.0
    clock.now += 1.0
    assert pauses.left("h", pulls=False) == 0.0


def test_pauses_without_a_word_double_up_to_an_hour() -> None:
    """60 s, 120 s, … 3600 s (fault row 10)."""
    clock = VirtualClock()
    pauses = Pauses(clock)
    seconds = []
    for _ in range(9):
        seconds.append(pauses.pause("h", None, pulls_only=False))
        clock.now += seconds[-1]
    assert seconds == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_a_success_starts_the_doubling_again() -> None:
    """Only a success of the same kind: HEADs go on while pulls are paused and say nothing."""
    clock = VirtualClock()
    pauses = Pauses(clock)
    for _ in range(3):
        clock.now += pauses.pause("h", None, pulls_only=True)
    pauses.succeeded("h", pulls=False)
    clock.now += pauses.pause("h", None, pulls_only=True)
    assert pauses.left("h", pulls=True) == 0.0
    pauses.succeeded("h", pulls=True)
    assert pauses.pause("h", None, pulls_only=True) == 60.0


def test_answers_to_one_burst_are_one_strike() -> None:
    """32 requests in flight that get 429 together do not double the pause 32 times."""
    clock = VirtualClock()
    pauses = Pauses(clock)
    assert [pauses.pause("h", None, pulls_only=False) for _ in range(32)] == [60.0] * 32
    clock.now += 60.0
    assert pauses.pause("h", None, pulls_only=False) == 120.0


def test_a_pause_is_never_shortened() -> None:
    """A second word asks for more, or for nothing."""
    pauses = Pauses(VirtualClock())
    pauses.pause("h", 100.0, pulls_only=False)
    assert pauses.pause("h", 5.0, pulls_only=False) == 100.0
    assert pauses.left("h", pulls=False) == 100.0


def test_a_pull_pause_holds_back_pulls_only() -> None:
    """HEADs cost no pull (fault row 9)."""
    pauses = Pauses(VirtualClock())
    pauses.pause("h", 50.0, pulls_only=True)
    assert pauses.left("h", pulls=False) == 0.0
    assert pauses.left("h", pulls=True) == 50.0
