"""Passes as windows over work that never ends: when one begins, what is in it, when it is over.

A pass begins when something is due and none is running, and it is over when all that came due
meanwhile has a result. Where the next turn of all images comes first, it is over as well, and what
is not done belongs to the next one: there are never two, and nothing piles up.
"""

from collections.abc import Callable, Iterable
from uuid import uuid4

from image_sync.events import Emit, PassFinished, PassResized, PassStarted
from image_sync.model import Reason, SyncResult, Tally
from image_sync.oci import Reference


class Passes:
    """The pass that is running, if one is.

    Args:
        emit: Told when a pass begins and when it is over.
        clock: Seconds.
    """

    def __init__(self, emit: Emit, clock: Callable[[], float]) -> None:
        self._emit = emit
        self._clock = clock
        self._unfinished: set[Reference] = set()
        self._size = 0  # images of the running one, done or not
        self._tally = Tally.of(())
        self._interrupted = False  # an image of it was
        self._id = ""
        self._began: float | None = None

    def take(self, references: Iterable[Reference], *, turn: bool) -> None:
        """Something is due; at the turn of all images another pass begins."""
        if turn:
            self.close()
        before = len(self._unfinished)
        self._unfinished.update(references)
        if self._began is not None:
            self._resize(len(self._unfinished) - before)
        elif self._unfinished:
            self._began, self._id = self._clock(), uuid4().hex[:12]
            self._size = len(self._unfinished)
            self._emit(PassStarted(self._id, self._size, dry_run=False))

    def finish(self, result: SyncResult) -> None:
        """An image has its result."""
        self._tally += Tally.of([result])
        self._interrupted |= result.reason is Reason.INTERRUPTED
        self._unfinished.discard(result.spec.target_reference)
        self._close_if_done()

    def drop(self, reference: Reference) -> None:
        """An image is not waited for any more."""
        if reference in self._unfinished:
            self._unfinished.remove(reference)
            self._resize(-1)
            self._close_if_done()

    def close(self, *, interrupted: bool = False) -> None:
        """The running pass is over; interrupted as well if an image of it was."""
        if self._began is None:
            return
        interrupted |= self._interrupted
        duration = self._clock() - self._began
        tally, self._tally, self._began = self._tally, Tally.of(()), None
        self._interrupted = False
        left = len(self._unfinished)
        self._emit(PassFinished(self._id, tally, duration, interrupted, unfinished=left))

    def _resize(self, change: int) -> None:
        """The running pass has more or fewer images than it began with."""
        if change and self._began is not None:
            self._size += change
            self._emit(PassResized(self._id, self._size))

    def _close_if_done(self) -> None:
        if not self._unfinished:
            self.close()
