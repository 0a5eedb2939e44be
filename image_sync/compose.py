"""Wiring: the parts of a pass, built from a resolved configuration.

The only module between the configuration and everything that works without knowing it. Used by
every verb that talks to registries.
"""

import os
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import anyio
import msgspec

from image_sync import config
from image_sync.config import Resolved, Shard, Tool
from image_sync.credentials import CredentialStore
from image_sync.engines import Access, Crane, Engine, Selection, Skopeo
from image_sync.errors import ConfigError, Problem
from image_sync.events import Emit, PassFinished, PassStarted, Warned
from image_sync.http import Http
from image_sync.model import Action, ImageSpec, Reason, SyncResult
from image_sync.registry import Authenticator, RegistryClient
from image_sync.runtime.files import sweep_private_folders
from image_sync.sync import (
    Checker,
    Copier,
    FileStore,
    Ledger,
    Limits,
    Pass,
    RegistryStore,
    Reserves,
)

_SAVE_SECONDS = 30.0
"""For the ledger at the end of a pass: some small requests to the cache, also after a signal."""
_SECONDS_PER_DAY = 86_400


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What a verb wants of a pass.

    Attributes:
        specs: The images.
        shard: Which part of the configuration they are.
        dry_run: Decide, copy nothing, write nothing.
        cost: Find out what copies would move, where none are made.
    """

    specs: Sequence[ImageSpec]
    shard: Shard = Shard(0, 1)
    dry_run: bool = False
    cost: bool = False


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """A pass that is over.

    Attributes:
        began: When it began, in UTC.
        duration: Seconds it took.
        signal: The signal that cut it short, None if it ran to its end.
    """

    results: list[SyncResult]
    began: datetime
    duration: float
    signal: int | None


async def sweep(
    resolved: Resolved, orders: Orders, emit: Emit, environ: Mapping[str, str]
) -> Swept:
    """One pass over some images, with the report's facts.

    Raises:
        ConfigError: A file that the configuration names cannot be used.
    """
    sweep_private_folders()  # which a killed process of ours left behind, with accounts in them
    began, clock = datetime.now(UTC), anyio.current_time()
    pass_id = uuid4().hex[:12]
    emit(PassStarted(pass_id, len(orders.specs), orders.dry_run))
    for warning in resolved.warnings:
        emit(Warned("config", warning))
    async with _parts(resolved, orders, emit, environ) as (ledger, checker, copier):
        settings = resolved.settings
        limits = Limits(
            concurrency=settings.concurrency,
            check_concurrency=settings.check_concurrency,
            timeout=settings.pass_timeout_secs,
            dry_run=orders.dry_run,
            cost=orders.cost,
        )
        sweeping = Pass(orders.specs, checker, copier, limits, emit)
        results, signum = await _run(sweeping, ledger, remember=not orders.dry_run)
    duration = anyio.current_time() - clock
    emit(_finished(pass_id, results, duration, interrupted=signum is not None))
    return Swept(results=results, began=began, duration=duration, signal=signum)


async def _run(
    sweeping: Pass, ledger: Ledger, *, remember: bool
) -> tuple[list[SyncResult], int | None]:
    """The results, and the signal that ended the pass; a second signal ends the process."""
    caught: list[int] = []

    async def watch_signals() -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for signum in signals:
                if caught:
                    # No unwinding, which would wait for tools; they die with us by their
                    # parent-death signal, and the next start sweeps their private folders.
                    os._exit(128 + signum)
                caught.append(signum)
                sweeping.stop()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch_signals)
        tasks.start_soon(ledger.load)
        results = await sweeping.run()
        if remember:
            with anyio.move_on_after(_SAVE_SECONDS):
                await ledger.save()
        tasks.cancel_scope.cancel()
    return results, caught[0] if caught else None


@asynccontextmanager
async def _parts(
    resolved: Resolved, orders: Orders, emit: Emit, environ: Mapping[str, str]
) -> AsyncIterator[tuple[Ledger, Checker, Copier]]:
    settings, hosts = resolved.settings, resolved.hosts
    credentials = _credentials(resolved, emit, environ)
    async with Http(policies=hosts, emit=emit, source_proxy=settings.proxy) as http:
        client = RegistryClient(http, Authenticator(http, credentials, hosts))
        ledger = Ledger(_store(resolved, client, orders.shard), emit, _today)
        reserves = Reserves(http, hosts)
        access = Access(
            environ=environ,
            policies=hosts,
            credentials=credentials,
            source_proxy=settings.proxy,
        )
        selection = Selection(_engines(settings.preferred_tool, access, emit))
        deadline = float(settings.pull_timeout_secs)
        copier = Copier(client, selection, http, reserves, deadline, emit)
        yield ledger, Checker(client, ledger, reserves), copier


def _credentials(resolved: Resolved, emit: Emit, environ: Mapping[str, str]) -> CredentialStore:
    """The credentials at hand.

    Raises:
        ConfigError: A file that the configuration names cannot be used.
    """
    named = {host: policy.auth_file for host, policy in resolved.hosts.items()}
    credentials = CredentialStore(
        files=resolved.settings.auth_files,
        host_files={host: name for host, name in named.items() if name},
        environ=environ,
        emit=emit,
    )
    problems = [
        Problem(problem.message, problem.path)
        for problem in credentials.problems()
        if problem.configured  # of the others the store itself warns when it needs them
    ]
    if problems:
        raise ConfigError(problems)
    return credentials


def _store(
    resolved: Resolved, client: RegistryClient, shard: Shard
) -> RegistryStore | FileStore | None:
    match resolved.settings.ledger:
        case config.LEDGER_NOWHERE:
            return None
        case config.LEDGER_IN_REGISTRY:
            tag = f"shard-{shard.index}-of-{shard.count}"
            return RegistryStore(client, resolved.cache.ledger, tag)
        case path:
            return FileStore(Path(path))


def _engines(preferred: Tool, access: Access, emit: Emit) -> list[Engine]:
    """The engines, the preferred one first; an old version is only for one that was named."""
    engines: list[Engine] = [
        Crane(access, emit, named=preferred is Tool.CRANE),
        Skopeo(access, emit, named=preferred is Tool.SKOPEO),
    ]
    return sorted(engines, key=lambda engine: engine.name != preferred)


def _today() -> int:
    return int(time.time() // _SECONDS_PER_DAY)


def _finished(
    pass_id: str, results: Sequence[SyncResult], duration: float, *, interrupted: bool
) -> PassFinished:
    actions = [result.action for result in results]
    return PassFinished(
        pass_id,
        {action: actions.count(action) for action in Action},
        sum(result.reason is Reason.DEFERRED for result in results),
        sum(result.bytes_copied or 0 for result in results),
        duration,
        interrupted,
    )
