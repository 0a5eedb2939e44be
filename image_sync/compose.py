"""Wiring: the parts of a pass, built from a resolved configuration.

The only module between the configuration and everything that works without knowing it. Used by
everything that talks to registries; what is done with the parts, and when, is not decided here.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from image_sync import config
from image_sync.config import LeaseEntry, Resolved, Shard, Tool
from image_sync.credentials import CredentialStore, paths_of
from image_sync.engines import Access, Bandwidth, Builtin, Crane, Engine, Selection, Skopeo
from image_sync.errors import ConfigError, Problem
from image_sync.events import Emit, Warned
from image_sync.http import Http, Memory
from image_sync.kubernetes import ACCOUNT, Election, find_pod, reaching
from image_sync.model import ImageSpec, SyncResult
from image_sync.registry import Authenticator, RegistryClient
from image_sync.runtime.farewell import taking_back
from image_sync.runtime.process import find_program
from image_sync.schedule import Capacity
from image_sync.sync import (
    Bringer,
    Checker,
    Conversion,
    Copier,
    Examines,
    FileStore,
    Ledger,
    Limits,
    Maker,
    Pass,
    Referrers,
    RegistryStore,
    Reserves,
    Runner,
    Unchanged,
)

_UNBOUND = (
    "{} knows no bandwidth_limit and copies as fast as it can: the limit is kept where "
    "settings.preferred_tool is builtin"
)
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


class ProcessWide:
    """What holds for a process as a whole, whatever configurations come and go in it.

    Copies that an earlier configuration began count for the next one, and keep to its limits.

    Args:
        emit: Takes the events.

    Attributes:
        memory: What is known of hosts.
        copying: The places of the copies.
        bandwidth: How many bytes of blobs pass in a second.
    """

    def __init__(self, emit: Emit) -> None:
        self.memory = Memory(emit)
        self.copying = Capacity(0)
        self.bandwidth = Bandwidth()

    def adopt(self, resolved: Resolved) -> None:
        """Have another configuration hold from now on."""
        self.copying.total = resolved.settings.concurrency
        self.bandwidth.adopt(resolved.settings.bandwidth_limit, resolved.hosts)


class Parts(msgspec.Struct, frozen=True):
    """What passes are made of."""

    http: Http
    credentials: CredentialStore
    access: Access
    client: RegistryClient
    ledger: Ledger
    checker: Checker
    copier: Copier
    selection: Selection
    referrers: Referrers
    builtin: Builtin
    copying: Capacity

    def a_pass(
        self, resolved: Resolved, orders: Orders, emit: Emit, examines: Examines | None = None
    ) -> Pass:
        """A pass over some images.

        Args:
            resolved: The configuration.
            orders: What is wanted.
            emit: Takes the events.
            examines: Knows which unchanged images are damaged; None if nobody looks.
        """
        limits = Limits(
            concurrency=resolved.settings.concurrency,
            check_concurrency=resolved.settings.check_concurrency,
            timeout=resolved.settings.pass_timeout_secs,
            dry_run=orders.dry_run,
            cost=orders.cost,
        )
        looks = self._looks(examines)
        return Pass(orders.specs, self.checker, self.copier, looks, limits, emit)

    def a_runner(
        self,
        resolved: Resolved,
        emit: Emit,
        finished: Callable[[SyncResult], None],
        examines: Examines | None,
    ) -> Runner:
        """What works on images as they come due, one pass after the other.

        Args:
            resolved: The configuration.
            emit: Takes the events.
            finished: Told of every result.
            examines: Knows which unchanged images are damaged; None if nobody looks.
        """
        limits = Limits(
            concurrency=resolved.settings.concurrency,
            copying=self.copying,
            check_concurrency=resolved.settings.check_concurrency,
            timeout=resolved.settings.pass_timeout_secs,
            lasting=True,
        )
        looks = self._looks(examines)
        return Runner(self.checker, self.copier, looks, limits, emit, finished)

    def _looks(self, examines: Examines | None) -> Unchanged:
        return Unchanged(self.client, self.referrers, examines, self.builtin.neighbour)


@asynccontextmanager
async def assembled(
    resolved: Resolved,
    orders: Orders,
    emit: Emit,
    environ: Mapping[str, str],
    process: ProcessWide | None = None,
) -> AsyncIterator[Parts]:
    """The parts, open as long as the `async with`.

    Args:
        resolved: The configuration.
        orders: What is wanted.
        emit: Takes the events.
        environ: For finding tools and credentials.
        process: What holds for the whole process, where this is not all that it does.

    Raises:
        ConfigError: A file that the configuration names cannot be used.
    """
    settings, hosts = resolved.settings, resolved.hosts
    credentials = _credentials(resolved, emit, environ)
    process = process or ProcessWide(emit)
    async with Http(
        policies=hosts, emit=emit, source_proxy=settings.proxy, memory=process.memory
    ) as http:
        client = RegistryClient(http, Authenticator(http, credentials, hosts))
        ledger = Ledger(_store(resolved, client, orders.shard), emit, _today)
        reserves, maker = Reserves(http, hosts), Maker(client)
        conversion = Conversion(settings.on_docker_manifest, emit)
        access = Access(
            environ=environ,
            policies=hosts,
            credentials=credentials,
            source_proxy=settings.proxy,
        )
        deadline = float(settings.pull_timeout_secs)
        async with _builtin(client, process.bandwidth) as builtin:
            selection = Selection(_engines(resolved, access, builtin, emit))
            bringer = Bringer(client, maker, selection, http, reserves, deadline, emit)
            referrers = Referrers(client, builtin, http, reserves, deadline, emit)
            process.adopt(resolved)
            yield Parts(
                http,
                credentials,
                access,
                client,
                ledger,
                Checker(client, ledger, reserves, maker, conversion),
                Copier(
                    client,
                    bringer,
                    referrers,
                    reserves,
                    emit,
                    deadline=deadline,
                    keep_previous=settings.keep_previous,
                ),
                selection,
                referrers,
                builtin,
                process.copying,
            )


@asynccontextmanager
async def contending(
    lease: LeaseEntry, emit: Emit, environ: Mapping[str, str], account: Path = ACCOUNT
) -> AsyncIterator[Election]:
    """An election between the replicas that share a Lease, open as long as the `async with`.

    Args:
        lease: The Lease.
        emit: Takes the events.
        environ: Where the API is, and the Pod's name.
        account: Folder with the files of the Pod's account.

    Raises:
        ConfigError: This process runs in no Pod.
        ApiError: The Pod's account cannot be used.
    """
    pod = find_pod(environ, account)
    async with reaching(pod, lease.name, lease.namespace) as leases:
        yield Election(leases, pod.identity, float(lease.duration_secs), emit)


@asynccontextmanager
async def _builtin(client: RegistryClient, bandwidth: Bandwidth) -> AsyncIterator[Builtin]:
    """The builtin engine; at its end the uploads that it left unfinished are taken back."""
    builtin = Builtin(client, bandwidth=bandwidth)
    async with taking_back(builtin.aclose):
        yield builtin


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


def check_accounts(resolved: Resolved, emit: Emit, environ: Mapping[str, str]) -> None:
    """See that the files with credentials can be used that a configuration names.

    Raises:
        ConfigError: One cannot.
    """
    _credentials(resolved, emit, environ)


def account_files(resolved: Resolved, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Every file that may hold credentials under a configuration."""
    named = [policy.auth_file for policy in resolved.hosts.values() if policy.auth_file]
    return paths_of([*named, *resolved.settings.auth_files], environ)


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


def _engines(resolved: Resolved, access: Access, builtin: Builtin, emit: Emit) -> list[Engine]:
    """The engines, the preferred one first.

    A tool that is not there is left out, unless it was named: then it is worth a word. An old
    version is only for one that was named.
    """
    preferred = resolved.settings.preferred_tool
    named = preferred if resolved.tool_is_named else None
    tools: list[Engine] = [
        Crane(access, emit, named=named is Tool.CRANE),
        Skopeo(access, emit, named=named is Tool.SKOPEO),
    ]
    found = [
        tool for tool in tools if tool.name == named or find_program(tool.name, access.environ)
    ]
    engines = sorted([*found, builtin], key=lambda engine: engine.name != preferred)
    limits = (
        resolved.settings.bandwidth_limit,
        *(each.bandwidth for each in resolved.hosts.values()),
    )
    if any(limits) and engines[0] is not builtin:
        emit(Warned("engine", _UNBOUND.format(engines[0].name)))
    return engines


def _today() -> int:
    return int(time.time() // _SECONDS_PER_DAY)
