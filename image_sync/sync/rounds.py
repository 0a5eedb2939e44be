"""Whose turn it is in a pass, so that every image has one within an interval.

What is done in it stands in `examining.py`.
"""

import random
from collections.abc import Callable

import anyio

from image_sync.oci import Reference

_GOLDEN = 0.6180339887498949
"""Fractional part of the golden ratio. However many of its multiples are taken, their fractional
parts lie evenly between 0 and 1 (Knuth, The Art of Computer Programming 3, section 6.4)."""
_FORGOTTEN_AFTER = 2
"""Intervals after which an image that nobody asks about is forgotten: it is configured no more."""


class Rounds:
    """Turns for every image, one in each interval, spread evenly over it.

    Each image has its own moment in the interval, and its turn comes when it is next asked about
    after that. So the longer an image is due, the sooner it has its turn; a pass gets the share of
    the time since the last one, and images that were late together part again. Kept in memory: a
    new process spreads all images over its first interval anew, beginning anywhere in it, so that
    one that is restarted often does not always leave out the same.

    Args:
        interval: Seconds.
        clock: Seconds that never jump.
        start: Where in the interval the first image's moment lies, from 0 to 1.

    Attributes:
        interval: Seconds.
    """

    def __init__(
        self,
        interval: float,
        clock: Callable[[], float] = anyio.current_time,
        start: float | None = None,
    ) -> None:
        self.interval = interval
        self._clock = clock
        self._phase = random.random() if start is None else start  # noqa: S311 - no secret
        self._turns: dict[Reference, _Turn] = {}
        self._swept = clock()

    def __len__(self) -> int:
        return len(self._turns)

    def take(self, reference: Reference) -> bool:
        """True if it is an image's turn; it stays so until the turn is done."""
        now = self._clock()
        turn = self._turns.get(reference)
        if turn is None:
            self._forget(now)
            self._phase = (self._phase + _GOLDEN) % 1
            self._turns[reference] = _Turn(now + self._phase * self.interval, now)
            return False
        turn.asked = now
        return turn.due <= now

    def done(self, reference: Reference) -> None:
        """The image was found whole: its next turn is at its moment in the next interval."""
        turn = self._turns.get(reference)
        late = self._clock() - turn.due if turn else -1.0
        if turn and late >= 0:
            turn.due += self.interval * (1 + late // self.interval)

    def _forget(self, now: float) -> None:
        """Drop what nobody asked about for long; looked for rarely, as it takes a look at all."""
        longest = _FORGOTTEN_AFTER * self.interval
        if now - self._swept >= longest:
            self._swept = now
            kept = {key: turn for key, turn in self._turns.items() if now - turn.asked < longest}
            self._turns = kept


class _Turn:
    """When an image is due, and when it was last asked about."""

    __slots__ = ("asked", "due")

    def __init__(self, due: float, asked: float) -> None:
        self.due = due
        self.asked = asked
