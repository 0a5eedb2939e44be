"""A whole process under a Lease: told to end, cut off, or waiting for its turn."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import msgspec
import pytest

from image_sync.config import Scope, Shard
from image_sync.daemon import Process, Source
from image_sync.errors import ApiError, ConfigError
from image_sync.events import (
    ConfigAdopted,
    ConfigRejected,
    Event,
    LeadershipChanged,
    ProcessStarted,
    Stopping,
)
from image_sync.kubernetes import PodLeases, Record
from tests.config.support import resolved
from tests.hostile import Fault, Gate, Held, HostileRegistry
from tests.kubernetes.clusterapi import LEASE, ClusterApi

pytestmark = pytest.mark.anyio

PATIENCE = 10.0
"""Seconds for anything here: far less than copies have when the process is told to end (25)."""
OTHER = "another-replica"


@pytest.fixture
def gate() -> Gate:
    """Closed: what is checked stays so."""
    return Gate()


@pytest.fixture
async def source(gate: Gate) -> AsyncIterator[HostileRegistry]:
    """A source that answers nothing as long as the gate is closed."""
    async with HostileRegistry("127.0.0.3") as registry:
        registry.inject(Fault("*", "*", Held(gate)))
        yield registry


@pytest.fixture
async def cache() -> AsyncIterator[HostileRegistry]:
    """An empty one."""
    async with HostileRegistry("127.0.0.2") as registry:
        yield registry


@pytest.fixture
async def environ(cluster: ClusterApi, tmp_path: Path) -> Mapping[str, str]:
    """What a container of the cluster is told."""
    host, port = cluster.host.split(":")
    api = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    return {"PATH": str(tmp_path), "HOME": str(tmp_path), "POD_NAME": "pod", **api}


@pytest.fixture
def scope(source: HostileRegistry, cache: HostileRegistry) -> Scope:
    """One image to keep, and a Lease of 10 s: it is renewed every 1.3 s."""
    found = resolved(f"""\
        cache_registry: {cache.host}
        images: [{{source: {source.host}/team/app, tag: 1, cache_as: app}}]
        registries: {{{source.host}: {{plain_http: true}}}}
        settings: {{ledger: none, lease: {{name: {LEASE}, duration_secs: 10}}}}
    """)
    return Scope(resolved=found, specs=found.specs, shard=Shard(0, 1))


@pytest.fixture
def daemon(scope: Scope, environ: Mapping[str, str], account: Path) -> "Daemon":
    """A process in a Pod of the cluster."""
    return Daemon(scope, environ, account)


class Daemon:
    """A process, and what it told."""

    def __init__(self, scope: Scope, environ: Mapping[str, str], account: Path) -> None:
        self.file = scope  # what would be read now
        source = Source(read=lambda: self.file, fingerprint=lambda: None, known=None)
        self.events: list[Event] = []
        self._news = anyio.Event()
        self.process = Process(scope, source, self._note, environ, lambda: None, account=account)

    @property
    def leaderships(self) -> list[tuple[bool, str]]:
        """Whether it led, and who did, without what is random in its own name."""
        told = [event for event in self.events if isinstance(event, LeadershipChanged)]
        return [(event.leads, event.leader.split("_")[0]) for event in told]

    async def until(self, wanted: Callable[[], bool]) -> None:
        """Return once something is so; looked at with each event."""
        while not wanted():
            self._news = anyio.Event()
            await self._news.wait()

    def told(self, kind: type[Event]) -> int:
        """How many events of a kind there were."""
        return sum(isinstance(event, kind) for event in self.events)

    def _note(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()


@asynccontextmanager
async def running(daemon: Daemon) -> AsyncIterator[None]:
    """Have it run, and see that it has ended soon after the block."""
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(daemon.process.run)
            await daemon.until(lambda: daemon.told(ProcessStarted) == 1)
            yield


async def working(daemon: Daemon, gate: Gate) -> None:
    """Return when the process leads and waits for the source."""
    await gate.reached()
    assert daemon.leaderships == [(True, "pod")]


def with_auth_file(scope: Scope, path: str) -> Scope:
    """The same, with another file of credentials."""
    settings = msgspec.structs.replace(scope.resolved.settings, auth_files=(path,))
    found = msgspec.structs.replace(scope.resolved, settings=settings)
    return msgspec.structs.replace(scope, resolved=found)


def terminate() -> None:
    """Tell this process to end, and with it the one under test."""
    os.kill(os.getpid(), signal.SIGTERM)


def give(cluster: ClusterApi, holder: str) -> None:
    """Have the Lease name somebody."""
    cluster.touch()["spec"] |= {"holderIdentity": holder, "leaseDurationSeconds": 3600}


def holder(cluster: ClusterApi) -> str:
    name: str = cluster.leases[LEASE]["spec"]["holderIdentity"]
    return name


async def ending(cluster: ClusterApi, gate: Gate, daemon: Daemon) -> None:
    """Return when the process leads, was told to end, and still works."""
    await working(daemon, gate)
    terminate()
    await daemon.until(lambda: daemon.told(Stopping) == 1)
    assert holder(cluster).startswith("pod_")


async def test_one_that_is_told_to_end_gives_the_lease_back_when_it_has(
    cluster: ClusterApi, gate: Gate, daemon: Daemon
) -> None:
    """And not before: what is being worked on may take a while."""
    async with running(daemon):
        await ending(cluster, gate, daemon)
        gate.open()
    assert daemon.leaderships == [(True, "pod"), (False, "")]
    assert holder(cluster) == ""


async def test_a_lease_that_is_lost_while_a_process_ends_ends_it(
    cluster: ClusterApi, gate: Gate, daemon: Daemon
) -> None:
    """It does not wait to lead again, and takes nothing from the one that leads."""
    async with running(daemon):
        await ending(cluster, gate, daemon)
        give(cluster, OTHER)
    assert daemon.leaderships == [(True, "pod"), (False, OTHER)]
    assert daemon.told(ConfigAdopted) == 1
    assert holder(cluster) == OTHER


async def test_a_lease_that_is_lost_otherwise_is_waited_for(
    cluster: ClusterApi, gate: Gate, daemon: Daemon
) -> None:
    """Work begins anew once it is free again."""
    async with running(daemon):
        await working(daemon, gate)
        give(cluster, OTHER)
        await daemon.until(lambda: daemon.leaderships[-1] == (False, OTHER))
        give(cluster, "")
        await daemon.until(lambda: daemon.told(ConfigAdopted) == 2)
        terminate()
        gate.open()
    assert daemon.leaderships == [(True, "pod"), (False, OTHER), (True, "pod"), (False, "")]


async def test_one_that_waits_ends_at_once(
    cluster: ClusterApi, leases: PodLeases, source: HostileRegistry, daemon: Daemon
) -> None:
    """It never worked."""
    await leases.write(Record(holder=OTHER, duration=3600))
    async with running(daemon):
        await daemon.until(lambda: daemon.leaderships == [(False, OTHER)])
        began = anyio.current_time()
        terminate()
    assert anyio.current_time() - began < 1
    assert source.requests == []
    assert (daemon.told(ConfigAdopted), holder(cluster)) == (0, OTHER)


async def test_a_configuration_that_is_read_while_it_waits_is_worked_by_later(
    cluster: ClusterApi, leases: PodLeases, gate: Gate, daemon: Daemon
) -> None:
    """One that is wrong is rejected by then, and not when it is this replica's turn."""
    await leases.write(Record(holder=OTHER, duration=3600))
    async with running(daemon):
        await daemon.until(lambda: daemon.leaderships == [(False, OTHER)])
        daemon.file = msgspec.structs.replace(daemon.file, specs=())
        await daemon.process.reload()
        daemon.file = with_auth_file(daemon.file, "/nowhere/auth.json")
        await daemon.process.reload()
        assert daemon.told(ConfigRejected) == 1
        give(cluster, "")
        await daemon.until(lambda: daemon.told(ConfigAdopted) == 1)
        terminate()
    [adopted] = [event for event in daemon.events if isinstance(event, ConfigAdopted)]
    assert adopted.specs == ()


async def test_an_account_that_cannot_be_used_ends_it(daemon: Daemon, account: Path) -> None:
    """With an error that says which file, and not a group of errors."""
    (account / "namespace").unlink()
    with pytest.raises(ApiError, match="namespace cannot be used"):
        await daemon.process.run()


async def test_outside_of_a_cluster_it_does_not_start(scope: Scope, account: Path) -> None:
    """With an error that names the setting, and not a group of errors."""
    with pytest.raises(ConfigError, match=r"^settings\.lease: "):
        await Daemon(scope, {}, account).process.run()
