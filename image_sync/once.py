"""The life of a process that does one thing and ends: its signals, and what it leaves behind."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar
from uuid import uuid4

import anyio
import msgspec

from image_sync.compose import Orders, Parts, assembled
from image_sync.config import Resolved
from image_sync.errors import ErrorKind
from image_sync.events import Emit, PassFinished, PassStarted, Stopped, Warned
from image_sync.hosting import Purpose, hosted
from image_sync.model import ImageSpec, Reason, SyncResult, Tally, Verified
from image_sync.runtime.beside import Task, beside
from image_sync.runtime.files import sweep_private_folders
from image_sync.runtime.signals import ENDING, Ending, acting_on
from image_sync.sync import LAST_SECONDS, DamagedParts, Examines, Inspection, KnownDamage

Result = TypeVar("Result")


class Ended(msgspec.Struct, Generic[Result], frozen=True, kw_only=True):
    """A pass or a verification that is over.

    Attributes:
        results: What came of each image.
        began: When it began, in UTC.
        duration: Seconds it took.
        signal: The signal that cut it short, None if it ran to its end.
    """

    results: list[Result]
    began: datetime
    duration: float
    signal: int | None


async def sweep(
    resolved: Resolved,
    orders: Orders,
    emit: Emit,
    environ: Mapping[str, str],
    tasks: Sequence[Task] = (),
) -> Ended[SyncResult]:
    """One pass over some images, with the report's facts; `tasks` run as long as it does.

    Raises:
        ConfigError: A file that the configuration names cannot be used.
    """
    return await _life(
        resolved,
        orders,
        emit,
        environ,
        work=lambda parts: _Sweep(parts, resolved, orders, emit),
        cut_short=lambda result: result.reason is Reason.INTERRUPTED,
        purpose=Purpose.READING if orders.dry_run else Purpose.ONE_PASS,
        tasks=tasks,
    )


async def inspect(
    resolved: Resolved,
    orders: Orders,
    emit: Emit,
    environ: Mapping[str, str],
    *,
    deep: bool,
    heal: bool,
) -> Ended[Verified]:
    """One verification of some images in the cache, with the report's facts.

    Args:
        resolved: The configuration.
        orders: Which images.
        emit: Takes the events.
        environ: For finding tools and credentials.
        deep: Read every blob.
        heal: Have a pass copy again what is damaged.

    Raises:
        ConfigError: A file that the configuration names cannot be used.
    """

    def inspection(parts: Parts) -> Inspection:
        return Inspection(
            orders.specs,
            parts.client,
            emit,
            healer=_Healing(parts, resolved, orders, emit) if heal else None,
            deep=deep,
            concurrency=resolved.settings.check_concurrency,
        )

    return await _life(
        resolved,
        orders,
        emit,
        environ,
        work=inspection,
        cut_short=lambda result: result.error_kind is ErrorKind.INTERRUPTED,
        purpose=Purpose.ONE_PASS if heal else Purpose.READING,
    )


class _Work(Protocol[Result]):
    """What a process is started for."""

    async def run(self) -> list[Result]:
        """What came of every image."""

    def stop(self) -> None:
        """End now."""


async def _life(
    resolved: Resolved,
    orders: Orders,
    emit: Emit,
    environ: Mapping[str, str],
    *,
    work: Callable[[Parts], _Work[Result]],
    cut_short: Callable[[Result], bool],
    purpose: Purpose,
    tasks: Sequence[Task] = (),
) -> Ended[Result]:
    """A process from its start to its end, in which the first signal ends the work in order.

    Args:
        resolved: The configuration.
        orders: What is wanted.
        emit: Takes the events.
        environ: For finding tools and credentials.
        work: What is done with the parts.
        cut_short: Whether an image was not done because of a signal.
        purpose: What the cache is served for, if that is the embedded registry.
        tasks: What runs as long as the work does.
    """
    async with _prepared(resolved, orders, purpose, emit, environ) as parts:
        began, clock = datetime.now(UTC), anyio.current_time()
        doing = work(parts)
        ending = Ending(
            lambda _: doing.stop(),
            leaving=lambda signum: emit(Stopped(signal=signum, at_once=True)),
        )
        async with acting_on(dict.fromkeys(ENDING, ending)), beside(tasks):
            results = await doing.run()
    return Ended(
        results=results,
        began=began,
        duration=anyio.current_time() - clock,
        signal=ending.signal if any(map(cut_short, results)) else None,
    )


@asynccontextmanager
async def _prepared(
    resolved: Resolved,
    orders: Orders,
    purpose: Purpose,
    emit: Emit,
    environ: Mapping[str, str],
) -> AsyncIterator[Parts]:
    """The parts, in a process that was tidied up."""
    sweep_private_folders()  # which a killed process of ours left behind, with accounts in them
    async with (
        hosted(resolved, purpose, emit, environ),
        assembled(resolved, orders, emit, environ) as parts,
    ):
        for warning in resolved.warnings:
            emit(Warned("config", warning))
        yield parts


class _Sweep:
    """One pass, with its events and what it remembers.

    Args:
        parts: What it is made of.
        resolved: The configuration.
        orders: What is wanted of it.
        emit: Takes the events.
        examines: Knows which unchanged images are damaged.
    """

    def __init__(
        self,
        parts: Parts,
        resolved: Resolved,
        orders: Orders,
        emit: Emit,
        examines: Examines | None = None,
    ) -> None:
        self._ledger = parts.ledger
        self._orders = orders
        self._emit = emit
        self._pass = parts.a_pass(resolved, orders, emit, examines)
        self._stopped = False

    async def run(self) -> list[SyncResult]:
        """The result of every image."""
        clock, pass_id = anyio.current_time(), uuid4().hex[:12]
        self._emit(PassStarted(pass_id, len(self._orders.specs), self._orders.dry_run))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._ledger.load)
            results = await self._pass.run()
            if not self._orders.dry_run:
                await self._remember()
            tasks.cancel_scope.cancel()
        duration = anyio.current_time() - clock
        interrupted = any(result.reason is Reason.INTERRUPTED for result in results)
        self._emit(PassFinished(pass_id, Tally.of(results), duration, interrupted=interrupted))
        return results

    def stop(self) -> None:
        """End it now; what it learnt is remembered still."""
        self._stopped = True
        self._pass.stop()

    async def _remember(self) -> None:
        await (self._ledger.save(LAST_SECONDS) if self._stopped else self._ledger.save())


class _Healing:
    """A pass over damaged images, made when it is known which ones those are."""

    def __init__(self, parts: Parts, resolved: Resolved, orders: Orders, emit: Emit) -> None:
        self._parts = parts
        self._resolved = resolved
        self._orders = orders
        self._emit = emit
        self._sweep: _Sweep | None = None

    async def heal(self, specs: Sequence[ImageSpec], damage: DamagedParts) -> list[SyncResult]:
        """The result of every damaged image."""
        orders = msgspec.structs.replace(self._orders, specs=specs)
        known = KnownDamage(damage)
        self._sweep = _Sweep(self._parts, self._resolved, orders, self._emit, known)
        return await self._sweep.run()

    def stop(self) -> None:
        """End the pass, if there is one."""
        if self._sweep:
            self._sweep.stop()
