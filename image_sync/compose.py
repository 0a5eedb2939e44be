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
from image_sync.model import ImageSpec, Reason, SyncResult, Tally
from image_sync.registry import Authenticator, RegistryClient
from image_sync.runtime.files import remove_private_folders, sweep_private_folders
from image_sync.runtime.process import find_program, kill_all
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

_LAST_SECONDS = 5.0
"""For saving the ledger after a signal: KILL follows 30 s later in Kubernetes, 10 s in Docker."""
_SECONDS_PER_DAY = 86_400
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a pass in order; HUP is what a closed terminal sends."""


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
    async with _parts(resolved, orders, emit, environ) as (ledger, checker, copier):
        began, clock = datetime.now(UTC), anyio.current_time()
        pass_id = uuid4().hex[:12]
        emit(PassStarted(pass_id, len(orders.specs), orders.dry_run))
        for warning in resolved.warnings:
            emit(Warned("config", warning))
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
    emit(PassFinished(pass_id, Tally.of(results), duration, interrupted=signum is not None))
    return Swept(results=results, began=began, duration=duration, signal=signum)


async def _run(
    sweeping: Pass, ledger: Ledger, *, remember: bool
) -> tuple[list[SyncResult], int | None]:
    """The results, and the signal that ended the pass; a second signal ends the process."""
    caught: list[int] = []

    async def watch_signals() -> None:
        with anyio.open_signal_receiver(*_ENDING) as signals:
            async for signum in signals:
                if caught:
                    # No unwinding, which would wait for tools that do not end.
                    kill_all()
                    remove_private_folders()
                    os._exit(128 + signum)
                caught.append(signum)
                sweeping.stop()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch_signals)
        tasks.start_soon(ledger.load)
        results = await sweeping.run()
        if remember:
            await (ledger.save(_LAST_SECONDS) if caught else ledger.save())
        tasks.cancel_scope.cancel()
    cut_short = any(result.reason is Reason.INTERRUPTED for result in results)
    return results, caught[0] if cut_short else None


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
        engines = _engines(resolved, access, emit)
        _warn_of_no_tool(engines, environ, emit)
        selection = Selection(engines)
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


def _engines(resolved: Resolved, access: Access, emit: Emit) -> list[Engine]:
    """The engines, the preferred one first; an old version is only for one that was named."""
    preferred = resolved.settings.preferred_tool
    named = preferred if resolved.tool_is_named else None
    engines: list[Engine] = [
        Crane(access, emit, named=named is Tool.CRANE),
        Skopeo(access, emit, named=named is Tool.SKOPEO),
    ]
    return sorted(engines, key=lambda engine: engine.name != preferred)


def _warn_of_no_tool(engines: Sequence[Engine], environ: Mapping[str, str], emit: Emit) -> None:
    """Say at once, and once, what would else be said of each image that has to be copied."""
    names = [engine.name for engine in engines]
    if not any(find_program(name, environ) for name in names):
        nobody = f"neither {' nor '.join(names)} is on PATH"
        emit(Warned("engine", f"{nobody}: what is out of date cannot be copied; install one"))


def _today() -> int:
    return int(time.time() // _SECONDS_PER_DAY)
