"""One image on its way through a pass: what is known of it, what was tried, how long it took."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio

from image_sync.errors import ImageSyncError
from image_sync.model import ImageSpec, SyncResult
from image_sync.oci import Digest
from image_sync.schedule import Place
from image_sync.sync.checked import Checked
from image_sync.sync.failure import is_contested, is_outdated
from image_sync.sync.referrers import Referrer


class Item:
    """One image on its way through a pass.

    Attributes:
        put_at: When it was put into the pass, by the clock.
        checked: What its last check found.
        attempts: Copies begun.
        failures: Attempts that failed, before a copy began or after.
        doubted: A Y that the source turned out not to have.
        contested: Its tag was found to name what neither a check saw nor we put there.
        refused: A Y that the cache did not take, and its words.
        damaged: Parts of it that the cache holds damaged.
        referrers: What refers to it at the source and not in the cache.
        waited: Seconds of pauses.
        error: What it failed with last, if it waits for another try.
        cut_off: The result that it is to have, if it was given up while it was worked on.
        is_finished: It has its result.
    """

    __slots__ = (
        "_began",
        "_clock",
        "_scope",
        "_spent",
        "attempts",
        "checked",
        "contested",
        "cut_off",
        "damaged",
        "doubted",
        "error",
        "failures",
        "is_finished",
        "put_at",
        "referrers",
        "refused",
        "spec",
        "waited",
    )

    def __init__(self, spec: ImageSpec, clock: Callable[[], float]) -> None:
        self.spec = spec
        self.put_at = clock()
        self.checked: Checked | None = None
        self.attempts = 0
        self.failures = 0
        self.doubted: Digest | None = None
        self.contested = False
        self.refused: tuple[Digest, ImageSyncError] | None = None
        self.damaged: frozenset[Digest] = frozenset()
        self.referrers: tuple[Referrer, ...] = ()
        self.waited = 0.0
        self.error: ImageSyncError | None = None
        self.cut_off: CutOff | None = None
        self.is_finished = False
        self._scope: anyio.CancelScope | None = None  # of the work at hand
        self._clock = clock
        self._began: float | None = None  # when the work at hand began
        self._spent = 0.0  # seconds of work before that

    @property
    def is_worked_on(self) -> bool:
        """True while something is done about it; it waits otherwise."""
        return self._scope is not None

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

    def is_to_be_checked(self, expected: Digest, error: ImageSyncError) -> bool:
        """Whether a new check may help after a failure; once for either cause of that."""
        if is_outdated(error) and self.doubted is None:
            self.doubted = expected
            return True
        if is_contested(error) and not self.contested:
            self.contested = True
            return True
        return False

    def cancel(self, cut_off: "CutOff") -> None:
        """End the work at hand; it is to have that result then."""
        self.cut_off = cut_off
        if self._scope:
            self._scope.cancel()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the time of a block as work on it; it ends early if the work is cancelled."""
        self._began = self._clock()
        try:
            with anyio.CancelScope() as self._scope:
                yield
        finally:
            self._spent, self._began, self._scope = self.duration, None, None

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Leave the time of a block out of the work that it is part of."""
        self._spent, self._began = self.duration, None
        try:
            yield
        finally:
            self._began = self._clock()


class ItemAttempt:
    """An attempt at an image, in a place of the copies: a `bring.Attempt`."""

    def __init__(self, item: Item, place: Place) -> None:
        self.begin = item.begin
        self._item = item
        self._place = place

    @asynccontextmanager
    async def resting(self) -> AsyncGenerator[None, None]:
        """Give the place to others meanwhile, and stop the clock."""
        with self._item.idle():
            async with self._place.resting():
                yield


CutOff = Callable[[Item], SyncResult]
"""The result of an image that is given up."""
