"""Passes as windows over work that never ends: when one begins, what is in it, when it is over.

A pass begins when something is due and none is running, and it is over when all that came due
meanwhile has a result. Where the next turn of all images comes first, it is over as well, and what
is not done belongs to the next one: there are never two, and nothing piles up.
"""

from collections.abc import Callable, Iterable
from uuid import uuid4

from image_sync.events import Emit, PassFinished, PassStarted
from image_sync.model import Reason, SyncResult, Tally
from image_sync.oci import Reference


class Passes:
    """The pass that is running, if one is.

    Args:
        emit: Told when a pass begins and when it is over.
        clock: Seconds.

    Attributes:
        began: When the running one began, None if none is running.
    """

    def __init__(self, emit: Emit, clock: Callable[[], float]) -> None:
        self._emit = emit
        self._clock = clock
        self._unfinished: set[Reference] = set()
        self._tally = Tally.of(())
        self._interrupted = False  # an image of it was
        self._id = ""
        self.began: float | None = None

    def take(self, references: Iterable[Reference], *, turn: bool) -> None:
        """Something is due; at the turn of all images another pass begins."""
        if turn:
            self.close()
        self._unfinished.update(references)
        if self.began is None and self._unfinished:
            self.began, self._id = self._clock(), uuid4().hex[:12]
            self._emit(PassStarted(self._id, len(self._unfinished), dry_run=False))

    def finish(self, result: SyncResult) -> None:
        """An image has its result."""
        self._tally += Tally.of([result])
        self._interrupted |= result.reason is Reason.INTERRUPTED
        self.drop(result.spec.target_reference)

    def drop(self, reference: Reference) -> None:
        """An image is not waited for any more."""
        self._unfinished.discard(reference)
        if not self._unfinished:
            self.close()

    def close(self, *, interrupted: bool = False) -> None:
        """The running pass is over; interrupted as well if an image of it was."""
        if self.began is None:
            return
        interrupted |= self._interrupted
        duration = self._clock() - self.began
        tally, self._tally, self.began = self._tally, Tally.of(()), None
        self._interrupted = False
        left = len(self._unfinished)
        self._emit(PassFinished(self._id, tally, duration, interrupted, unfinished=left))
