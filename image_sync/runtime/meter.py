"""Whether a child moves bytes, judged by its counters. Pure: the clock and the counters are given.

Not here: where the counters come from (`process.py`).
"""

from collections import deque

_STEADY = 16 * 1024
"""Bytes per second that count as moving: the floor that requests of ours have, too."""
_WINDOW = 5.0
"""Seconds over which a rate is taken."""
_RECENT = 1.0
"""Seconds within which a byte must have moved."""


class Meter:
    """What a child's byte counters say over time.

    Attributes:
        moved: Bytes it had read at the last look; None where the kernel does not tell.
    """

    def __init__(self, now: float) -> None:
        self.moved: int | None = None
        self._total = 0
        self._last_move = now
        self._samples: deque[tuple[float, int]] = deque([(now, 0)])

    def look(self, now: float, counters: tuple[int, int] | None) -> None:
        """Take note of the bytes read and written so far; None where nobody can tell."""
        if counters is None:
            return
        self.moved = counters[0]
        if sum(counters) != self._total:
            self._total = sum(counters)
            self._last_move = now
        self._samples.append((now, counters[0]))
        while now - self._samples[0][0] > _WINDOW:
            self._samples.popleft()

    def idle(self, now: float) -> float:
        """Seconds since a byte moved; 0.0 where nobody can tell."""
        return 0.0 if self.moved is None else now - self._last_move

    def steady(self, now: float) -> bool:
        """True if bytes were moving until just now, and not by the drop."""
        if self.moved is None or now - self._last_move > _RECENT:
            return False
        since, then = self._samples[0]
        return self.moved - then >= _STEADY * (now - since)
