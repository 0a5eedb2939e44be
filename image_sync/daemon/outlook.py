"""What is told of the schedule: when something is due next, and who missed a turn."""

from collections.abc import Callable, Sequence

from image_sync.events import Emit, PassPlanned, Warned
from image_sync.model import ImageSpec

_NEWS = 1.0
"""Seconds by which the next pass must come sooner or later to be told of again."""


class Outlook:
    """Tells what is news.

    Args:
        emit: Takes the events.
        clock: Seconds.
    """

    def __init__(self, emit: Emit, clock: Callable[[], float]) -> None:
        self._emit = emit
        self._clock = clock
        self._told: float | None = None  # when the next pass is

    def forget(self) -> None:
        """A pass began: whatever comes next is news."""
        self._told = None

    def tell(self, due: float | None) -> None:
        """Something is due in so many seconds, if anything is."""
        if due is None or due <= 0:
            return
        at = self._clock() + due
        if self._told is None or abs(at - self._told) > _NEWS:
            self._told = at
            self._emit(PassPlanned(due))

    def warn(self, late: Sequence[ImageSpec]) -> None:
        """Some images are still being worked on at their next turn."""
        count = len(late)
        many = f"{late[0]} is" if count == 1 else f"{count} images ({late[0]} and others) are"
        text = f"{many} still being worked on at their next turn, and miss it: raise the interval"
        self._emit(Warned("schedule", text))
