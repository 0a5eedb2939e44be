"""Bodies that trickle."""

import pytest

from image_sync.http.deadlines import Deadlines, Floor, TooSlow

DEADLINES = Deadlines()


def test_a_trickle_is_stopped_after_a_minute() -> None:
    """One byte every two seconds beats every idle deadline (fault row 25)."""
    floor = Floor(DEADLINES)
    for _ in range(29):
        floor.arrived(1, 2.0)
    with pytest.raises(TooSlow):
        floor.arrived(1, 2.0)


def test_a_body_at_the_floor_goes_on_for_ever() -> None:
    """16 KiB/s is enough."""
    floor = Floor(DEADLINES)
    for _ in range(3600):
        floor.arrived(16 * 1024, 1.0)


def test_a_fast_start_does_not_pay_for_a_trickle() -> None:
    """Each minute counts for itself."""
    floor = Floor(DEADLINES)
    floor.arrived(10**9, 60.0)
    for _ in range(59):
        floor.arrived(1, 1.0)
    with pytest.raises(TooSlow):
        floor.arrived(1, 1.0)


def test_time_in_which_nobody_waited_does_not_count() -> None:
    """A slow consumer of ours is no fault of the peer (fault row 26)."""
    floor = Floor(DEADLINES)
    for _ in range(10_000):
        floor.arrived(1, 0.0)
