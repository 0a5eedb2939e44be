"""One pass: every image checked, what changed copied, each with a result of its own.

Two lanes run side by side. Checks are many and cheap; copies are few, and one source host never
holds all their places while others have work. Nothing that waits (for a pause, or between attempts)
holds a place: it stands in its lane with a later due time. A pass is a window over the lanes: it
ends when every image has a result, when its time is over, or when it is stopped.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import anyio
import msgspec

from image_sync.errors import (
    EngineError,
    ErrorKind,
    ImageSyncError,
    RegistryError,
    Side,
    side_of,
)
from image_sync.events import AttemptFailed, Emit, ImageFinished
from image_sync.model import Action, ImageSpec, Reason, SyncResult
from image_sync.oci import Digest
from image_sync.runtime.retry import Backoff
from image_sync.schedule import Lane
from image_sync.sync.check import Checked
from image_sync.sync.copy import Deferred, Outcome
from image_sync.sync.failure import bug, is_outdated, may_pass, reason_of
from image_sync.sync.item import Item, known_result
from image_sync.sync.plan import Copy, Defer, Fail, Keep

Fact = Digest | ErrorKind | Side | str | int | None

MAX_ATTEMPTS = 3
"""Copies begun for one image in one pass."""
PATIENCE = 60.0
"""Seconds that one image waits for a paused host in a pass."""
_SLACK = 5.0
"""Seconds on top, for pauses that requests in flight together lengthen by moments."""
_SHORTEST_WAIT = 1.0
"""Seconds that an image waits at least when a host wants to be left alone."""
CHECKS_PER_HOST = 32
"""Checks of one source host at once: docs/design.md, section Speed."""


class Checks(Protocol):
    """What finds out about an image."""

    async def check(self, spec: ImageSpec, doubted: Digest | None = None) -> Checked:
        """What to do about it; `doubted` is a digest that the source did not have after all."""

    async def cost(self, checked: Checked) -> int | None:
        """Bytes that a copy would move at most."""


class Copies(Protocol):
    """What brings an image into the cache."""

    def affordable(self, checked: Checked) -> bool:
        """Whether its pulls may be spent."""

    async def attempt(self, checked: Checked, expected: Digest, number: int) -> Outcome | Deferred:
        """One attempt."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How a pass goes about its work.

    Attributes:
        concurrency: Images copied at once.
        check_concurrency: Images checked at once.
        timeout: Seconds for the whole pass, None for no bound.
        dry_run: Decide, and copy nothing.
        cost: Find out what a copy would move, where none is made.
    """

    concurrency: int
    check_concurrency: int
    timeout: float | None = None
    dry_run: bool = False
    cost: bool = False


class Pass:
    """One pass over some images; made for it and used once.

    Args:
        specs: The images.
        checks: Finds out.
        copies: Brings in.
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
        limits: Limits,
        emit: Emit,
        *,
        backoff: Callable[[int], float] | None = None,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._items = [Item(spec) for spec in specs]
        self._checks = checks
        self._copies = copies
        self._limits = limits
        self._emit = emit
        self._backoff = backoff or Backoff().delay
        self._clock = clock
        self._unfinished = Counter(spec.source.host for spec in specs)
        self._scope = anyio.CancelScope()
        self._stopped = Reason.PASS_TIMEOUT
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
                self._cut_off(item)
        return [item.result for item in self._items if item.result]

    def stop(self) -> None:
        """End the pass now: running copies are cancelled, the rest is reported as interrupted."""
        self._stopped = Reason.INTERRUPTED
        self._scope.cancel()

    def _check_share(self, _host: str) -> int:
        """What one host may hold; half of the places are kept for others while there are any."""
        width = self._limits.check_concurrency
        return min(CHECKS_PER_HOST, max(1, width // 2) if self._others() else width)

    def _copy_share(self, _host: str) -> int:
        """All places, or all but one while another host has work."""
        width = self._limits.concurrency
        return max(1, width - 1) if self._others() else width

    def _others(self) -> bool:
        return len(self._unfinished) > 1

    async def _check(self, item: Item) -> None:
        with self._guard(item, self._checking):
            item.checked = checked = await self._checks.check(item.spec, item.doubted)
            match checked.decision:
                case Keep():
                    self._conclude(item, Action.ALREADY_CACHED, Reason.UNCHANGED)
                case Defer():
                    self._conclude(item, Action.SKIPPED, Reason.DEFERRED)
                case Fail(reason=reason, error=error):
                    if not self._waits(item, self._checking, error):
                        self._fail(item, reason, error)
                case Copy(reason=reason) if self._limits.dry_run:
                    await self._estimate(item, checked, reason)
                case Copy():
                    self._copying.put(item, item.spec.source.host)

    async def _estimate(self, item: Item, checked: Checked, reason: Reason) -> None:
        """What a dry run says instead of copying."""
        if not self._copies.affordable(checked):
            self._conclude(item, Action.SKIPPED, Reason.DEFERRED)
            return
        cost = await self._checks.cost(checked) if self._limits.cost else None
        self._conclude(item, Action.SKIPPED, reason, cost_bytes=cost)

    async def _copy(self, item: Item) -> None:
        with self._guard(item, self._copying):
            checked = item.checked
            if checked is None or not isinstance(checked.decision, Copy):
                raise AssertionError(f"{item.spec} is copied without a decision to do so")
            expected, reason = checked.decision.expected, checked.decision.reason
            item.attempts += 1
            try:
                outcome = await self._copies.attempt(checked, expected, item.attempts)
            except ImageSyncError as error:
                self._after_failure(item, expected, error)
                return
            match outcome:
                case Deferred():
                    item.attempts -= 1
                    self._conclude(item, Action.SKIPPED, Reason.DEFERRED)
                case Outcome(engine=engine, bytes_copied=copied, bytes_reused=reused):
                    facts: dict[str, Fact] = {"bytes_copied": copied, "bytes_reused": reused}
                    self._conclude(item, Action.PULLED, reason, engine=engine, **facts)

    def _after_failure(self, item: Item, expected: Digest, error: ImageSyncError) -> None:
        """Wait, look again, try again, or give up."""
        if self._waits(item, self._copying, error):
            item.attempts -= 1
        elif item.attempts >= MAX_ATTEMPTS:
            self._fail(item, reason_of(error), error)
        elif item.doubted is None and is_outdated(error):
            item.doubted = expected
            self._again(item, self._checking, error, 0.0)
        elif may_pass(error):
            self._again(item, self._copying, error, self._backoff(item.attempts))
        else:
            self._fail(item, reason_of(error), error)

    def _again(self, item: Item, lane: Lane[Item], error: ImageSyncError, delay: float) -> None:
        self._emit(AttemptFailed(item.spec, item.attempts, str(error), error.kind, delay))
        lane.put(item, item.spec.source.host, delay)

    def _waits(self, item: Item, lane: Lane[Item], error: ImageSyncError) -> bool:
        """Put an image back until its host may be asked again, if that is soon."""
        if error.kind is not ErrorKind.RATE_LIMITED or not isinstance(error, RegistryError):
            return False
        if error.retry_after is None:
            return False
        pause = max(error.retry_after, _SHORTEST_WAIT)
        if pause > PATIENCE or item.waited + pause > PATIENCE + _SLACK:
            return False
        item.waited += pause
        lane.put(item, item.spec.source.host, pause)
        return True

    @contextmanager
    def _guard(self, item: Item, lane: Lane[Item]) -> Iterator[None]:
        """Counts the time spent on an image, and keeps its failure from touching any other."""
        item.began = began = self._clock()
        try:
            yield
        except ImageSyncError as error:
            if not self._waits(item, lane, error):
                self._fail(item, Reason.SOURCE_UNKNOWN, error)
        except Exception as error:  # noqa: BLE001 - one image's bug must not end the pass
            self._fail(item, Reason.INTERNAL, bug(item.spec, error))
        finally:
            item.began, item.spent = None, item.spent + self._clock() - began

    def _fail(self, item: Item, reason: Reason, error: ImageSyncError) -> None:
        self._conclude(
            item,
            Action.FAILED,
            reason,
            error=f"{error} ({error.hint})",
            error_kind=error.kind,
            error_side=side_of(error),
            engine=error.engine or None if isinstance(error, EngineError) else None,
        )

    def _conclude(self, item: Item, action: Action, reason: Reason, **facts: Fact) -> None:
        """Give an image its result, once; the pass is over when all have theirs."""
        if item.result is not None:
            return
        known = known_result(item, self._clock())
        item.result = result = msgspec.structs.replace(known, action=action, reason=reason, **facts)
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

    def _cut_off(self, item: Item) -> None:
        interrupted = self._stopped is Reason.INTERRUPTED
        self._conclude(
            item,
            Action.FAILED,
            self._stopped,
            error="the pass was interrupted before this image was done"
            if interrupted
            else "settings.pass_timeout_secs was over before this image was done",
            error_kind=ErrorKind.INTERRUPTED if interrupted else ErrorKind.TIMEOUT,
        )
