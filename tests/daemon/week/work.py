"""What works under a configuration in the simulated world: checks, copies, and their assembly."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio

from image_sync.config import Scope
from image_sync.daemon.generation import AtWork
from image_sync.errors import (
    ConfigError,
    EngineError,
    ErrorKind,
    ImageSyncError,
    Problem,
    RegistryError,
    Side,
)
from image_sync.events import Emit
from image_sync.http import Memory
from image_sync.model import Endpoint, HostPolicy, ImageSpec, SyncResult
from image_sync.oci import Digest
from image_sync.schedule import Capacity
from image_sync.sync import Limits, Runner
from image_sync.sync.bring import Attempt, Outcome
from image_sync.sync.checked import Checked
from image_sync.sync.plan import Absent, Answer, Ask, Derive, Held, Unknown, decide
from image_sync.sync.referrers import Referrer
from image_sync.sync.unchanged import Found
from tests.daemon.week.host import Host
from tests.daemon.week.record import Record
from tests.daemon.week.wire import Wire
from tests.daemon.week.world import World

_NOTHING = Found()


class Work:
    """Checks, copies and looks of one configuration.

    Args:
        world: What registries hold.
        wire: The way to them.
        record: Told of everything.
        deadline: Seconds for a copy.
    """

    def __init__(self, world: World, wire: Wire, record: Record, deadline: float) -> None:
        self._world = world
        self._wire = wire
        self._record = record
        self._deadline = deadline

    async def check(self, spec: ImageSpec, doubted: Digest | None = None) -> Checked:
        with self._record.working("check", spec):
            held = self._world.cache.get(spec.target_reference)
            target = await self._ask(spec.target, held)
            source = await self._ask(spec.source, self._world.held(spec))
        self._record.looked_at(spec)
        decision = decide(spec, source, target, None, convert=False)
        assert not isinstance(decision, Ask | Derive), "all of an image is wanted, and no pin"
        remote = source.digest if isinstance(source, Held) else None
        return Checked(spec, decision, remote, held, 1, isinstance(target, Unknown))

    async def _ask(self, endpoint: Endpoint, digest: Digest | None) -> Answer:
        try:
            await self._wire.ask(endpoint)
        except ImageSyncError as error:
            return Unknown(error)
        return Held(digest, "") if digest else Absent()

    async def attempt(
        self,
        checked: Checked,
        expected: Digest,
        attempt: Attempt,
        damaged: frozenset[Digest] = frozenset(),
    ) -> Outcome:
        spec = checked.spec
        with self._record.working("copy", spec):
            paused = self._wire.paused(spec.source)
            if paused:
                raise RegistryError(
                    f"{spec.source.host} is to be left alone",
                    ErrorKind.RATE_LIMITED,
                    side=Side.SOURCE,
                    retry_after=paused,
                )
            attempt.begin()
            try:
                with anyio.fail_after(self._deadline):
                    await self._copy(spec)
            except TimeoutError:
                raise EngineError(
                    f"{spec} took too long", ErrorKind.TIMEOUT, engine="builtin", side=Side.SOURCE
                ) from None
        self._world.cache[spec.target_reference] = expected
        return Outcome("builtin", 1, 0)

    async def _copy(self, spec: ImageSpec) -> None:
        await self._wire.ask(spec.source, pulls=True)
        await self._wire.ask_once(spec.source, seconds=self._world.copy_time())
        await self._wire.ask(spec.target)

    async def look(self, spec: ImageSpec, expected: Digest) -> Found:
        return _NOTHING

    async def cost(self, checked: Checked) -> int | None:
        return None

    def refused(self, checked: Checked) -> bool:
        return False

    def settled(self, checked: Checked) -> None:
        pass

    def overtaken(self, checked: Checked) -> bool:
        return False

    def affordable(self, checked: Checked) -> bool:
        return True

    async def refer(
        self, checked: Checked, missing: Sequence[Referrer], attempt: Attempt
    ) -> Outcome:
        raise AssertionError("nobody wants referrers")


class Assembly:
    """Puts together what works; a `daemon.generation.Opens`.

    Args:
        world: What registries hold.
        hosts: By name; told which limits hold.
        memory: What is known of them.
        record: Told of everything.
        emit: Takes the events.

    Attributes:
        is_broken: The next configuration names a file that cannot be used.
    """

    def __init__(
        self,
        world: World,
        hosts: Mapping[str, Host],
        memory: Memory,
        record: Record,
        emit: Emit,
    ) -> None:
        self._world = world
        self._hosts = hosts
        self._memory = memory
        self._record = record
        self._emit = emit
        self._copying = Capacity(0)
        self.is_broken = False

    @asynccontextmanager
    async def open(
        self, scope: Scope, finished: Callable[[SyncResult], None]
    ) -> AsyncIterator[AtWork]:
        if self.is_broken:
            raise ConfigError([Problem("there is no such file", path="settings.auth_files[0]")])
        self._adopt(scope.resolved.hosts)
        settings = scope.resolved.settings
        wire = Wire(self._hosts, self._memory, self._emit)
        work = Work(self._world, wire, self._record, float(settings.pull_timeout_secs))
        limits = Limits(
            concurrency=settings.concurrency,
            copying=self._copying,
            check_concurrency=settings.check_concurrency,
            lasting=True,
        )
        self._copying.total = settings.concurrency
        runner = Runner(work, work, work, limits, self._emit, finished)
        yield AtWork(runner, Ledger())

    def _adopt(self, policies: Mapping[str, HostPolicy]) -> None:
        self._memory.adopt(policies)
        for name, host in self._hosts.items():
            host.adopt(policies.get(name, HostPolicy()))


class Ledger:
    """Remembers nothing, and takes its time."""

    async def load(self) -> None:
        await anyio.sleep(1.0)

    async def save(self, seconds: float = 30.0) -> None:
        await anyio.sleep(1.0)
