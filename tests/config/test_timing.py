"""When passes begin follows from the settings, and what is wrong with them is told with its place.

Which moments a calendar names is tested where calendars are: `tests/schedule/test_rhythm.py`.
"""

import pytest

from image_sync.config import Timing
from image_sync.schedule import Calendar
from tests.config.support import complaints, resolved, with_images, with_settings


def timing(**settings: str) -> Timing:
    return resolved(with_settings(**settings)).timing


def test_passes_are_ten_minutes_apart_if_nothing_is_said() -> None:
    """Exactly, and by no calendar."""
    assert resolved("cache_registry: zot.svc:5000\nimages: []\n").timing == Timing(600.0, 0.0, None)


def test_an_interval_and_its_jitter_are_seconds() -> None:
    """Up to a half of it."""
    assert timing(interval_secs="60", jitter_secs="30") == Timing(60.0, 30.0, None)


def test_a_schedule_takes_the_place_of_the_interval() -> None:
    """In its time zone, UTC if none is named; the jitter is not bound by the interval then."""
    found = timing(schedule="'*/15 6-22 * * *'", time_zone="Europe/Berlin", jitter_secs="900")
    assert found.jitter == 900.0
    assert isinstance(found.calendar, Calendar)
    assert (found.calendar.expression, found.calendar.zone.key) == (
        "*/15 6-22 * * *",
        "Europe/Berlin",
    )
    other = timing(schedule="'0 3 * * *'").calendar
    assert other is not None
    assert other.zone.key == "UTC"


def test_equal_settings_have_equal_timings() -> None:
    """So that a reload that changes nothing moves no turn."""
    assert timing(schedule="'0 3 * * *'") == timing(schedule="'0 3 * * *'")
    assert timing(schedule="'0 3 * * *'") != timing(schedule="'0 4 * * *'")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        pytest.param(
            {"schedule": "'61 * * * *'"},
            "<stdin>:4:13: settings.schedule: found '61 * * * *', expected a cron expression such "
            "as */15 6-22 * * *: bad minute",
            id="a wrong minute",
        ),
        pytest.param(
            {"schedule": "'@daily'"},
            "expected a cron expression such as */15 6-22 * * *: expected 5 fields: minute hour "
            "day month weekday",
            id="a word",
        ),
        pytest.param(
            {"schedule": "'0 0 30 2 *'"},
            "settings.schedule: found '0 0 30 2 *'",
            id="a day that never comes",
        ),
        pytest.param(
            {"time_zone": "Europe/Berln"},
            "<stdin>:4:14: settings.time_zone: found 'Europe/Berln', expected a time zone such as "
            "Europe/Berlin",
            id="no zone",
        ),
        pytest.param({"time_zone": "../etc/passwd"}, "settings.time_zone", id="a path"),
        pytest.param({"time_zone": "Europe"}, "settings.time_zone", id="a folder of zones"),
        pytest.param({"time_zone": '"a\\0b"'}, "settings.time_zone", id="a zero byte"),
        pytest.param(
            {"interval_secs": "61", "jitter_secs": "31"},
            "<stdin>:5:16: settings.jitter_secs: found 31, expected at most half of "
            "settings.interval_secs, which is 30",
            id="more jitter than half of the interval",
        ),
        pytest.param({"interval_secs": "0"}, "settings.interval_secs", id="no interval"),
        pytest.param({"interval_secs": "10m"}, "settings.interval_secs", id="a unit"),
        pytest.param({"jitter_secs": "-1"}, "settings.jitter_secs", id="a negative jitter"),
        pytest.param(
            {"shutdown_grace_secs": "-1"}, "settings.shutdown_grace_secs", id="a negative grace"
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_what_is_expected(
    settings: dict[str, str], complaint: str
) -> None:
    """One line for it."""
    [line] = complaints(with_settings(**settings))
    assert complaint in line


def test_everything_wrong_is_told_at_once() -> None:
    """A wrong zone does not hide a wrong jitter."""
    text = with_settings(time_zone="Nowhere", jitter_secs="301", interval_secs="600")
    assert len(complaints(text)) == 2


def test_an_image_may_have_an_interval_of_its_own() -> None:
    """Seconds again; without one it goes with all the others."""
    entries = (
        "{source: quay.io/a/b, tag: '1', interval_secs: 60}",
        "{source: quay.io/a/b, tag: '2'}",
    )
    specs = resolved(with_images(*entries)).specs
    assert [spec.interval for spec in specs] == [60.0, None]
    [line] = complaints(with_images("{source: quay.io/a/b, tag: '1', interval_secs: 0}"))
    assert "images[0].interval_secs" in line


def test_a_wrong_zone_does_not_hide_a_wrong_calendar() -> None:
    """Both are told at once."""
    text = with_settings(time_zone="Nowhere", schedule="'* * *'")
    assert len(complaints(text)) == 2
