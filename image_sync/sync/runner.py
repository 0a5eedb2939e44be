"""One pass: every image checked, what changed copied, each with a result of its own.

Two lanes run side by side. Checks are many and cheap; copies are few, and one source host never
holds all their places while others have work. Nothing that waits (for a pause, or between attempts)
holds a place: it stands in its lane with a later due time. A pass is a window over the lanes: it
ends when every image has a result, when its time is over, or when it is stopped.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import anyio
import msgspec

from image_sync.errors import ErrorKind, ImageSyncError
from image_sync.events import AttemptFailed, Emit, ImageFinished, Warned
from image_sync.model import ImageSpec, Reason, SyncResult, Verdict
from image_sync.oci import Digest
from image_sync.runtime.retry import Backoff
from image_sync.schedule import Lane, Place
from image_sync.sync.bring import Outcome
from image_sync.sync.checked import Checked
from image_sync.sync.copy import Deferred
from image_sync.sync.failure import bug, is_refusal, may_pass, reason_of, reason_of_look
from image_sync.sync.item import Item, ItemAttempt
from image_sync.sync.plan import Copy, Defer, Fail, Keep
from image_sync.sync.results import (
    deferred,
    failed,
    interrupted,
    kept,
    out_of_time,
    planned,
    pulled,
)
from image_sync.sync.roles import Checks, Copies, Limits, Looks

MAX_ATTEMPTS = 3
"""Attempts at one image in one pass."""
PATIENCE = 60.0
"""Seconds that one image waits in a pass for hosts that are to be left alone."""
_SLACK = 5.0
"""Seconds on top, for pauses that requests in flight together lengthen by moments."""
_SHORTEST_WAIT = 1.0
"""Seconds that an image waits at least when a host is to be left alone."""
CHECKS_PER_HOST = 32
"""Checks of one source host at once: docs/design.md, section Speed."""


class Pass:
    """One pass over some images; made for it and used once.

    Args:
        specs: The images.
        checks: Finds out.
        copies: Brings in.
        looks: Looks closer at what is unchanged.
        limits: How much at once, and for how long.
        emit: Told of every result.
        backoff: Seconds before the next attempt, by the number of the last.
        clock: Seconds.
    """

    def __init__(
        self,
        specs: Sequence[ImageSpec],
        checks: Checks,
        copies: Copies,
        looks: Looks,
        limits: Limits,
        emit: Emit,
        *,
        backoff: Callable[[int], float] | None = None,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._items = [Item(spec, clock) for spec in specs]
        self._checks = checks
        self._copies = copies
        self._looks = looks
        self._limits = limits
        self._emit = emit
        self._backoff = backoff or Backoff().delay
        self._clock = clock
        self._unfinished = Counter(spec.source.host for spec in specs)
        self._scope = anyio.CancelScope()
        self._interrupted = False
        self._checking: Lane[Item] = Lane(
            width=limits.check_concurrency, share=self._check_share, work=self._check, clock=clock
        )
        self._copying: Lane[Item] = Lane(
            width=limits.concurrency, share=self._copy_share, work=self._copy, clock=clock
        )

    async def run(self) -> list[SyncResult]:
        """The result of every image, in the order of the specs."""
        for item in self._items:
            self._checking.put(item, item.spec.source.host)
        if self._limits.timeout is not None:
            self._scope.deadline = self._clock() + self._limits.timeout
        with self._scope:
            if self._items and not self._scope.cancel_called:
                async with anyio.create_task_group() as lanes:
                    lanes.start_soon(self._checking.run)
                    lanes.start_soon(self._copying.run)
        for item in self._items:
            if item.result is None:
                cut_off = interrupted if self._interrupted else out_of_time
                self._conclude(item, cut_off(item))
        return [item.result for item in self._items if item.result]

    def stop(self) -> None:
        """End the pass now: running copies are cancelled, the rest is reported as interrupted."""
        self._interrupted = True
        self._scope.cancel()

    def _check_share(self, _host: str) -> int:
        """Places for checks that one host may hold: half of them while another is not done."""
        width = self._limits.check_concurrency
        return min(CHECKS_PER_HOST, width if self._is_alone() else max(1, width // 2))

    def _copy_share(self, _host: str) -> int:
        """Places for copies that one host may hold: all but one while another is not done.

        One that is still being checked counts: a copy takes minutes, so a place that is given away
        is not back when that host needs it.
        """
        width = self._limits.concurrency
        return width if self._is_alone() else max(1, width - 1)

    def _is_alone(self) -> bool:
        """Whether all images that have no result yet are of one host."""
        return len(self._unfinished) <= 1

    async def _check(self, item: Item, _: Place) -> None:
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
        elif item.refused:
            # Whether the cache takes it now tells what becomes of all that wait.
            self._copying.put_first(item, item.spec.source.host)
        else:
            self._copying.put(item, item.spec.source.host)

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
        with self._guard(item):
            checked, before = item.checked, item.attempts
            assert checked, f"{item.spec} is copied without a check"  # noqa: S101
            if self._checks.overtaken(checked):
                self._checking.put(item, item.spec.source.host)
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
        if item.attempts < MAX_ATTEMPTS and self._waits(item, self._copying, error):
            return
        if is_refusal(error) and item.refused is None and self._checks.refused(checked):
            item.refused = expected, error
            self._again(item, self._checking, error, 0.0)
            return
        item.failures += 1
        if item.tries < MAX_ATTEMPTS:
            if item.is_to_be_checked(expected, error):
                self._again(item, self._checking, error, 0.0)
                return
            if may_pass(error):
                self._again(item, self._copying, error, self._backoff(item.tries))
                return
        self._conclude(item, failed(item, reason_of(error, begun=begun), error))

    def _again(self, item: Item, lane: Lane[Item], error: ImageSyncError, delay: float) -> None:
        item.error = error
        self._emit(AttemptFailed(item.spec, item.tries, str(error), error.kind, delay))
        lane.put(item, item.spec.source.host, delay)

    def _waits_to_check(self, item: Item, error: ImageSyncError) -> bool:
        """Wait for a pause, but not for a host that is down: it must not make a pass long."""
        limited = error.kind is ErrorKind.RATE_LIMITED
        return limited and self._waits(item, self._checking, error)

    def _waits(self, item: Item, lane: Lane[Item], error: ImageSyncError) -> bool:
        """Put an image back until a host may be asked again, if it is known when and that is soon.

        That is a host that is paused, or one that is down and whose circuit is open.
        """
        if error.retry_after is None:
            return False
        pause = max(error.retry_after, _SHORTEST_WAIT)
        if pause > PATIENCE or item.waited + pause > PATIENCE + _SLACK:
            return False
        item.waited += pause
        item.error = error
        lane.put(item, item.spec.source.host, pause)
        return True

    @contextmanager
    def _guard(self, item: Item) -> Iterator[None]:
        """Counts the time spent on an image, and keeps a bug met with it from touching others."""
        with item.working():
            try:
                yield
            except Exception as error:  # noqa: BLE001 - one image's bug must not end the pass
                self._conclude(item, failed(item, Reason.INTERNAL, bug(item.spec, error)))

    def _conclude(self, item: Item, result: SyncResult) -> None:
        """Give an image its result, once; the pass is over when all have theirs."""
        if item.result is not None:
            return
        item.result = result
        item.checked = None  # tens of thousands of these would be kept for nothing
        host = item.spec.source.host
        self._unfinished[host] -= 1
        if not self._unfinished[host]:
            del self._unfinished[host]
            self._checking.reconsider()
            self._copying.reconsider()
        if not self._unfinished:
            self._checking.close()
            self._copying.close()
        self._emit(ImageFinished(result))
