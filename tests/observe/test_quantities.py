"""Amounts are told as people read them."""

from image_sync.observe import human_bytes, human_seconds


def test_bytes_are_told_in_units_of_a_thousand() -> None:
    """As disks and networks count."""
    told = [human_bytes(count) for count in (0, 999, 1000, 1_500_000, 2 * 10**9, 3 * 10**12)]
    assert told == ["0 B", "999 B", "1.0 kB", "1.5 MB", "2.0 GB", "3.0 TB"]


def test_seconds_are_told_in_their_two_largest_units() -> None:
    """Smaller ones say nothing any more; less than none is none."""
    told = [human_seconds(seconds) for seconds in (-1, 0.4, 59.4, 59.6, 3599, 7260, 90_000)]
    assert told == ["0 s", "0 s", "59 s", "1 min 0 s", "59 min 59 s", "2 h 1 min", "1 d 1 h"]
