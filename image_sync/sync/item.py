"""One image on its way through a pass: what is known of it, what was tried, how long it took."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from image_sync.model import ImageSpec, SyncResult
from image_sync.oci import Digest
from image_sync.sync.check import Checked


class Item:
    """One image on its way through a pass.

    Attributes:
        checked: What its last check found.
        attempts: Copies begun.
        failures: Attempts that failed, before a copy began or after.
        doubted: A Y that the source turned out not to have.
        waited: Seconds of pauses.
        result: What came of it, once that is known.
    """

    __slots__ = (
        "_began",
        "_clock",
        "_spent",
        "attempts",
        "checked",
        "doubted",
        "failures",
        "result",
        "spec",
        "waited",
    )

    def __init__(self, spec: ImageSpec, clock: Callable[[], float]) -> None:
        self.spec = spec
        self.checked: Checked | None = None
        self.attempts = 0
        self.failures = 0
        self.doubted: Digest | None = None
        self.waited = 0.0
        self.result: SyncResult | None = None
        self._clock = clock
        self._began: float | None = None  # when the work at hand began
        self._spent = 0.0  # seconds of work before that

    @property
    def tries(self) -> int:
        """Which attempt this is: some fail before a copy begins, some are cut short by a pause."""
        return max(self.attempts, self.failures)

    @property
    def duration(self) -> float:
        """Seconds of work on it so far."""
        return self._spent + (self._clock() - self._began if self._began is not None else 0.0)

    def begin(self) -> int:
        """Count a copy that begins; which one it is, from 1."""
        self.attempts += 1
        return self.attempts

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the time of a block as work on it."""
        self._began = self._clock()
        try:
            yield
        finally:
            self._spent, self._began = self.duration, None
