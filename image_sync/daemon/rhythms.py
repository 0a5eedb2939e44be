"""The rhythm of every image: that of all, or one of its own."""

from image_sync.config import Timing
from image_sync.model import ImageSpec
from image_sync.schedule import Calendared, Clock, Every, Jitter, Rhythm


class Rhythms:
    """Rhythms that stay the same for as long as they are wanted.

    So what is configured anew does not move the turns of what was there before.

    Args:
        timing: When passes begin.
        clock: Where time comes from.
    """

    def __init__(self, timing: Timing, clock: Clock) -> None:
        self._timing = timing
        self._clock = clock
        self._own: dict[float, Rhythm] = {}
        self.jitter = Jitter(timing.jitter)
        self.main = self._make()

    def adopt(self, timing: Timing) -> None:
        """Go by another timing from now on."""
        if timing == self._timing:
            return
        if timing.jitter != self._timing.jitter:
            self._own.clear()
            self.jitter = Jitter(timing.jitter)
        self._timing = timing
        self.main = self._make()

    def of(self, spec: ImageSpec) -> Rhythm:
        """The rhythm of an image."""
        if spec.interval is None:
            return self.main
        known = self._own.get(spec.interval)
        if known is None:
            known = self._own[spec.interval] = Every(spec.interval, self.jitter, self._clock)
        return known

    def _make(self) -> Rhythm:
        timing = self._timing
        if timing.calendar:
            return Calendared(timing.calendar, self.jitter, self._clock)
        return Every(timing.interval, self.jitter, self._clock)
