"""How fast bytes moved just now. Pure: the clock is given.

Not here: whether that is fast enough, which is the engines' business.
"""

from collections import deque

_WINDOW = 10.0
"""Seconds over which a rate is taken: long enough to read it, short enough to see a stall."""
_SAMPLES = 16
"""Counts that are kept: a copy tells one a second at most, so they reach back beyond the window."""
_SHORTEST = 1.0
"""Seconds that a copy counts as running at least: its first bytes would look like a flood."""


class Pace:
    """Bytes that one copy moved, and how fast.

    Attributes:
        moved: Bytes so far.
    """

    __slots__ = ("_samples", "moved")

    def __init__(self, now: float) -> None:
        self.moved = 0
        self._samples: deque[tuple[float, int]] = deque([(now, 0)], _SAMPLES)

    def count(self, now: float, moved: int) -> None:
        """Take note of the bytes moved so far; fewer than before mean that it began again."""
        if moved < self.moved:
            self._samples = deque([(self._samples[-1][0], 0)], _SAMPLES)
        self.moved = moved
        self._samples.append((now, moved))

    def rate(self, now: float) -> float:
        """Bytes per second over the last ten seconds, or since the start."""
        since, then = self._samples[0]
        for at, moved in self._samples:
            if at > now - _WINDOW:
                break
            since, then = at, moved
        return (self.moved - then) / max(_SHORTEST, now - since)
