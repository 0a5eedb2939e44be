"""Images on their way: checked, copied where something changed, each with one result.

Two lanes run side by side (`lanes.py`). Nothing that waits, for a pause or between attempts, holds
a place: it stands in its lane with a later due time. Which images are worked on, and when, is not
decided here: `passing.py` has them all at once, a process that goes on has them as they come due.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import anyio
import msgspec

from image_sync.errors import ErrorKind, ImageSyncError
from image_sync.events import AttemptFailed, Emit, Postponed, Warned
from image_sync.model import ImageSpec, Reason, SyncResult, Verdict
from image_sync.oci import Digest
from image_sync.runtime.retry import Backoff
from image_sync.schedule import Lane, Place
from image_sync.sync.bring import Outcome
from image_sync.sync.checked import Checked
from image_sync.sync.copy import Deferred
from image_sync.sync.failure import bug, is_refusal, may_pass, reason_of, reason_of_look
from image_sync.sync.item import CutOff, Item, ItemAttempt
from image_sync.sync.lanes import Lanes
from image_sync.sync.patience import is_bearable, pause_after
from image_sync.sync.plan import Copy, Defer, Fail, Keep
from image_sync.sync.results import deferred, failed, kept, out_of_time, paused, planned, pulled
from image_sync.sync.roles import Checks, Copies, Limits, Looks

MAX_ATTEMPTS = 3
"""Attempts at one image in one pass."""
_TOGETHER = 0.1
"""Seconds within which images were put together: thousands are, and their time is over at once."""


class Runner:
    """Works on images until it is closed and all have a result; used once.

    Args:
        checks: Finds out.
        copies: Brings in.
        looks: Looks closer at what is unchanged.
        limits: How much at once.
        emit: Told of what happens on the way.
        finished: Told of every result.
        backoff: Seconds before the next attempt, by the number of the last.
        clock: Seconds.
    """

    def __init__(
        self,
        checks: Checks,
        copies: Copies,
        looks: Looks,
        limits: Limits,
        emit: Emit,
        finished: Callable[[SyncResult], None],
        *,
        backoff: Callable[[int], float] | None = None,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._checks = checks
        self._copies = copies
        self._looks = looks
        self._limits = limits
        self._emit = emit
        self._finished = finished
        self._backoff = backoff or Backoff().delay
        self._clock = clock
        self._items: dict[int, Item] = {}  # without a result, in their order; by `id` of the spec
        self._more = anyio.Event()  # something was put
        self._closed = False
        self._draining: CutOff | None = None
        self._lanes = Lanes(limits, self._check, self._copy, clock)

    def expect(self, hosts: Collection[str]) -> None:
        """Keep a place free for source hosts whose images may come at any time."""
        self._lanes.expect(hosts)

    @property
    def copies(self) -> int:
        """How many images are being copied now."""
        return self._lanes.copies.busy

    def put(self, spec: ImageSpec) -> None:
        """Have an image worked on."""
        item = Item(spec, self._clock)
        self._items[id(spec)] = item
        self._more.set()
        self._lanes.enter(item)
        self._queue(item, self._lanes.checks)

    async def run(self) -> None:
        """Work until it is closed and idle."""
        async with anyio.create_task_group() as tasks:
            if self._limits.timeout is not None:
                tasks.start_soon(self._give_up_after, self._limits.timeout)
            await self._lanes.run()
            tasks.cancel_scope.cancel()

    def close(self) -> None:
        """Nothing more is put: end once all have their results."""
        self._closed = True
        self._end_if_idle()

    def end(self, cut_off: CutOff, spec: ImageSpec | None = None, *, waiting: bool = False) -> None:
        """Give up an image, or all; or only if they wait, where `waiting`.

        They have the result `cut_off` once nothing works on them.
        """
        if spec is None:
            items = list(self._items.values())
        else:
            items = [self._items[id(spec)]] if id(spec) in self._items else []
        for item in items:
            if not item.is_worked_on:
                self._conclude(item, cut_off(item))
            elif not waiting:
                item.cancel(cut_off)

    def drain(self, cut_off: CutOff) -> None:
        """Begin nothing more: what is being worked on goes on, and the rest is given up."""
        self._draining = cut_off
        self.end(cut_off, waiting=True)

    async def _give_up_after(self, seconds: float) -> None:
        """Give up what has no result so many seconds after it was put."""
        while True:
            oldest = next((item for item in self._items.values() if not item.cut_off), None)
            if oldest is None:
                self._more = anyio.Event()
                await self._more.wait()
                continue
            await anyio.sleep(max(0.0, oldest.put_at + seconds - self._clock()))
            over = self._clock() - seconds + _TOGETHER
            for item in list(self._items.values()):
                if item.put_at <= over and not item.cut_off:
                    self.end(out_of_time, item.spec)

    def _queue(self, item: Item, lane: Lane[Item], delay: float = 0.0) -> None:
        if self._draining:
            self._conclude(item, self._draining(item))
        else:
            lane.put(item, item.spec.source.host, delay)

    async def _check(self, item: Item, _: Place) -> None:
        if item.is_finished:
            return
        with self._guard(item):
            item.checked = checked = await self._checks.check(item.spec, item.doubted)
            match checked.decision:
                case Keep(expected=expected):
                    await self._look(item, checked, expected)
                case Defer():
                    self._conclude(item, deferred(item))
                case Fail(reason=reason, error=error):
                    if not self._waits_to_check(item, error):
                        self._conclude(item, failed(item, reason, error))
                case Copy(expected=expected) if item.refused and item.refused[0] == expected:
                    error = item.refused[1]
                    self._conclude(item, failed(item, reason_of(error, begun=True), error))
                case Copy(reason=reason):
                    await self._bring(item, checked, reason)

    async def _look(self, item: Item, checked: Checked, expected: Digest) -> None:
        """See whether an unchanged image is whole, and whether referrers came late."""
        try:
            found = await self._looks.look(item.spec, expected)
        except ImageSyncError as error:
            if not self._waits_to_check(item, error):
                self._conclude(item, failed(item, reason_of_look(error), error))
            return
        if found.damaged:
            item.damaged = found.damaged
            repair = Copy(expected, Verdict.DAMAGED)
            item.checked = msgspec.structs.replace(checked, decision=repair)
            await self._bring(item, item.checked, repair.reason)
        elif found.referrers:
            item.referrers = found.referrers
            await self._bring(item, checked, Reason.REFERRERS)
        else:
            self._conclude(item, kept(item))

    async def _bring(self, item: Item, checked: Checked, reason: Reason) -> None:
        """Have something copied, or say that it would be."""
        if self._limits.dry_run:
            await self._plan(item, checked, reason)
        elif item.refused and not self._draining:
            # Whether the cache takes it now tells what becomes of all that wait.
            self._lanes.copies.put_first(item, item.spec.source.host)
        else:
            self._queue(item, self._lanes.copies)

    async def _plan(self, item: Item, checked: Checked, reason: Reason) -> None:
        """What a dry run does instead of copying."""
        if not self._copies.affordable(checked):
            self._conclude(item, deferred(item))
            return
        cost = None
        try:
            if self._limits.cost:
                cost = await self._checks.cost(checked)
        except ImageSyncError as error:
            if self._waits_to_check(item, error):
                return
            self._emit(Warned("cost", f"{item.spec}: what a copy would move is unknown: {error}"))
        self._conclude(item, planned(item, reason, cost))

    async def _copy(self, item: Item, place: Place) -> None:
        if item.is_finished:
            return
        with self._guard(item):
            checked, before = item.checked, item.attempts
            assert checked, f"{item.spec} is copied without a check"  # noqa: S101
            if self._checks.overtaken(checked):
                self._queue(item, self._lanes.checks)
                return
            attempt = ItemAttempt(item, place)
            match checked.decision:
                case Copy(expected=expected, reason=reason):
                    copy = self._copies.attempt(checked, expected, attempt, item.damaged)
                case Keep(expected=expected):
                    reason = Reason.REFERRERS
                    copy = self._copies.refer(checked, item.referrers, attempt)
                case _:
                    raise AssertionError(f"{item.spec} is copied without a decision to do so")
            try:
                outcome = await copy
            except ImageSyncError as error:
                self._after_failure(item, checked, expected, error, begun=item.attempts > before)
                return
            match outcome:
                case Deferred():
                    self._conclude(item, deferred(item))
                case Outcome():
                    self._checks.settled(checked)
                    self._conclude(item, pulled(item, reason, outcome))

    def _after_failure(
        self, item: Item, checked: Checked, expected: Digest, error: ImageSyncError, *, begun: bool
    ) -> None:
        """Wait, look again, try again, or give up."""
        if item.attempts < MAX_ATTEMPTS and self._waits(item, self._lanes.copies, error):
            return
        if is_refusal(error) and item.refused is None and self._checks.refused(checked):
            item.refused = expected, error
            self._again(item, self._lanes.checks, error, 0.0)
            return
        item.failures += 1
        if item.tries < MAX_ATTEMPTS:
            if item.is_to_be_checked(expected, error):
                self._again(item, self._lanes.checks, error, 0.0)
                return
            if may_pass(error):
                self._again(item, self._lanes.copies, error, self._backoff(item.tries))
                return
        self._conclude(item, failed(item, reason_of(error, begun=begun), error))

    def _again(self, item: Item, lane: Lane[Item], error: ImageSyncError, delay: float) -> None:
        item.error = error
        self._emit(AttemptFailed(item.spec, item.tries, str(error), error.kind, delay))
        self._queue(item, lane, delay)

    def _waits_to_check(self, item: Item, error: ImageSyncError) -> bool:
        """Wait for a pause, but not for a host that is down: it must not make a pass long."""
        limited = error.kind is ErrorKind.RATE_LIMITED
        return limited and self._waits(item, self._lanes.checks, error)

    def _waits(self, item: Item, lane: Lane[Item], error: ImageSyncError) -> bool:
        """Put an image back until a host may be asked again, if it is known when and that is soon.

        Where nobody waits for the last image, it may also come back much later.
        """
        pause = pause_after(error)
        if pause is None:
            return False
        item.error = error
        if not is_bearable(pause, item.waited):
            if self._limits.lasting and error.kind is ErrorKind.RATE_LIMITED:
                self._conclude(item, paused(item, error, pause))
                return True
            return False
        item.waited += pause
        self._emit(Postponed(item.spec, pause, str(error)))
        self._queue(item, lane, pause)
        return True

    @contextmanager
    def _guard(self, item: Item) -> Iterator[None]:
        """Counts the time spent on an image, and keeps a bug met with it from touching others."""
        with item.working():
            try:
                yield
            except Exception as error:  # noqa: BLE001 - one image's bug must not end the others
                self._conclude(item, failed(item, Reason.INTERNAL, bug(item.spec, error)))
        if item.cut_off:
            self._conclude(item, item.cut_off(item))

    def _conclude(self, item: Item, result: SyncResult) -> None:
        """Give an image its result, once."""
        if item.is_finished:
            return
        item.is_finished = True
        item.checked = None  # tens of thousands of these would be kept for nothing
        del self._items[id(item.spec)]
        self._lanes.leave(item)
        self._finished(result)
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._closed and not self._items:
            self._lanes.close()
