"""Days on end of a daemon, in virtual time: what it promises holds through all that happens.

The gate plays a week of 2,000 images, whose passes are a day apart, and a day of fewer, whose
passes are ten minutes apart; `IMAGE_SYNC_WEEK=full` plays a week of 2,000 images with passes every
ten minutes, which takes half an hour.
"""

import os
import random
import sys
import time
from zoneinfo import ZoneInfo

import pytest

from image_sync.config import Timing
from image_sync.schedule import Calendar
from tests.clock import run_virtually
from tests.daemon.week.scopes import CONCURRENCY, make_scope
from tests.daemon.week.timetable import HOUR, a_week, arrange_trouble
from tests.daemon.week.week import POLICIES, Week

JITTER = 30.0
TEN_MINUTES = Timing(600.0, JITTER, None)
A_DAY = Timing(24 * HOUR, JITTER, None)
QUARTERS = Timing(600.0, JITTER, Calendar("*/15 * * * *", ZoneInfo("Europe/Berlin")))
A_TURN_LOST = 1_800.0
"""Seconds between two quarters of an hour, one of which is lost: a time of day that is set back may
be noticed just after one, half a minute late."""
IN_TURN = 120.0
"""Seconds until the last image of a turn has had its own: the images of a host, at its rate (150
at 3 a second is the longest, and twice that where two rhythms have a turn at once), and a moment in
which a host that hangs has places to give back."""
LONGEST_REST = HOUR
"""Seconds that an image that failed is left alone, unless its interval is longer."""


CASES = [
    pytest.param(A_DAY, 7.0, 1.0, 24 * HOUR, id="a-week-of-2000-images"),
    pytest.param(TEN_MINUTES, 1.0, 0.1, 600.0, id="a-day-of-passes-every-ten-minutes"),
    pytest.param(QUARTERS, 1.0, 0.1, A_TURN_LOST, id="a-day-of-passes-by-the-calendar"),
]
if os.environ.get("IMAGE_SYNC_WEEK") == "full":
    CASES.append(pytest.param(TEN_MINUTES, 7.0, 1.0, 600.0, id="every-ten-minutes-for-a-week"))


def play(timing: Timing, days: float, share: float, seed: int = 1) -> tuple[Week, str]:
    """A simulation that is over, and its summary."""

    async def scenario() -> tuple[Week, str]:
        week = Week(seed, share)
        arrange_trouble(week.hosts, week.random, days)
        await week.play(make_scope(week.specs, POLICIES, timing), a_week(days))
        return week, str(week)

    random.seed(seed)  # of the jitter
    began = time.perf_counter()
    week, summary = run_virtually(scenario)
    return week, f"{summary}\nplayed in {time.perf_counter() - began:.0f} s"


@pytest.mark.parametrize(("timing", "days", "share", "every"), CASES)
def test_nobody_is_starved_asked_too_much_or_forgotten(
    timing: Timing,
    days: float,
    share: float,
    every: float,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Images of hosts that are well have their turns, however others and clocks behave.

    Hosts are never asked beyond their limits or during a pause, passes take turns, nothing is done
    twice at once, what failed comes back, the cache catches up, and nothing piles up.
    """
    week, summary = play(timing, days, share)
    with capsys.disabled():
        sys.stdout.write(f"\n{summary}\n")
    record = week.record
    assert week.offences() == []
    for own, gap in record.gaps.items():
        assert gap <= (own or every) + 2 * JITTER + IN_TURN, own
    for own, late in record.returns.items():
        assert late <= max(LONGEST_REST, own or every) + 2 * JITTER + IN_TURN, own
    assert record.copies_at_once <= CONCURRENCY
    assert week.behind() == []
    assert week.kept["images"] == len(week.scope.specs if week.scope else ())
    assert (week.kept["at work"], week.kept["items"], week.kept["generations"]) == (0, 0, 1)
    assert week.kept["turns"] <= week.kept["images"]
    assert week.kept["rhythms"] <= len({spec.interval for spec in week.specs}) + 2
    assert week.kept["tasks"] <= 20
