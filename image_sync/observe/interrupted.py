"""How many copies a process cut off, for the last line of its log."""

from image_sync.events import Event, ImageFinished
from image_sync.model import Reason, SyncResult


class Interrupted:
    """A subscriber that counts copies which had begun and were given up because of a signal.

    Attributes:
        copies: How many so far.
    """

    def __init__(self) -> None:
        self.copies = 0

    def __call__(self, event: Event) -> None:
        """Count one."""
        self.copies += isinstance(event, ImageFinished) and was_cut_off(event.result)


def was_cut_off(result: SyncResult) -> bool:
    """True if a copy of an image had begun when a signal ended the work."""
    return result.reason is Reason.INTERRUPTED and result.attempts > 0
