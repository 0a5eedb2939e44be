"""One simulation: six registries, a cache, a daemon, and whatever a timetable has in store."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from random import Random
from typing import NamedTuple

import anyio
import anyio.lowlevel

from image_sync.config import Scope
from image_sync.daemon.life import Life
from image_sync.errors import ConfigError
from image_sync.http import Memory
from image_sync.model import HostPolicy, ImageSpec
from tests.daemon.week.clocks import WorldClock
from tests.daemon.week.host import Host
from tests.daemon.week.record import Record
from tests.daemon.week.work import Assembly
from tests.daemon.week.world import CACHE, World, make_image

_TAKEOVER = 15.0  # seconds until another replica leads
_GONE = 50  # one image in so many is not at its source, ever
_BEHIND = 10  # one in so many is not in the cache at first


class Site(NamedTuple):
    """One source registry as the operator knows it."""

    name: str
    images: int
    latency: float
    policy: HostPolicy


SITES = (
    Site("docker.io", 600, 0.08, HostPolicy(requests_per_second=25.0)),
    Site("ghcr.io", 500, 0.05, HostPolicy()),
    Site("quay.io", 400, 0.12, HostPolicy(concurrency=16)),
    Site("registry.k8s.io", 250, 0.1, HostPolicy()),
    Site("slow.test", 150, 0.5, HostPolicy(concurrency=10, requests_per_second=5.0)),
    Site("nas.test", 100, 0.02, HostPolicy(concurrency=8, requests_per_second=50.0)),
)
POLICIES = {site.name: site.policy for site in SITES}
OWN_INTERVALS = {500: 300.0, 40: 3_600.0, 41: 86_400.0}
"""One image in so many has a rhythm of its own, in seconds."""


class Week:
    """A daemon and its world; made and used inside a virtual loop.

    Args:
        seed: Of everything that is left to chance.
        share: Which part of the images there is.

    Attributes:
        spare: Images that are not configured, for now.
        scope: The configuration in force.
        life: The one that is lived.
        kept: How much of what was kept at the end.
    """

    def __init__(self, seed: int, share: float = 1.0) -> None:
        self.random = Random(seed)
        self.clock = WorldClock()
        self.world = World(self.random)
        self.hosts = {
            site.name: Host(site.name, site.latency, round(site.images * share)) for site in SITES
        }
        self.hosts[CACHE] = Host(CACHE, 0.01, 0)
        self.record = Record(self.hosts, self.world)
        self.memory = Memory(self.record.emit, self.clock)
        self.assembly = Assembly(self.world, self.hosts, self.memory, self.record, self.record.emit)
        self.spare: list[ImageSpec] = []
        self.specs = self._make_images()
        self.scope: Scope | None = None
        self.life: Life | None = None
        self.kept: dict[str, int] = {}
        self._leading: anyio.CancelScope | None = None

    def _make_images(self) -> tuple[ImageSpec, ...]:
        specs: list[ImageSpec] = []
        for site in SITES:
            count = self.hosts[site.name].count
            for number in range(count + count // 10):
                own = (every for every in OWN_INTERVALS if number % every == every - 1)
                spec = make_image(site.name, number, OWN_INTERVALS.get(next(own, 0)))
                if number % _GONE:
                    digest = self.world.publish(spec.image, 0.0)
                    if number % _BEHIND:
                        self.world.cache[spec.target_reference] = digest
                (specs if number < count else self.spare).append(spec)
        return tuple(specs)

    async def play(self, scope: Scope, timetable: Callable[["Week"], Awaitable[None]]) -> None:
        """Have the daemon live until a timetable is through, and end in order then."""
        self.scope = scope
        self.record.adopt(scope.specs)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._lead)
            await anyio.lowlevel.checkpoint()
            await timetable(self)
            assert self.life
            self._take_stock(self.life)
            self.life.end(signal.SIGTERM)

    async def _lead(self) -> None:
        ended = False
        while not ended:
            self.life = Life(self.record.emit, self.assembly, self.clock)
            with anyio.CancelScope() as self._leading:
                assert self.scope
                await self.life.run(self.scope)
                ended = True
            if not ended:
                await anyio.sleep(_TAKEOVER)
                self.record.resumed = self.now()

    def now(self) -> float:
        """Seconds since the start."""
        return self.hosts[CACHE].now()

    async def reload(self, scope: Scope) -> None:
        """Have another configuration adopted, if it is right."""
        assert self.life
        try:
            await self.life.adopt(scope)
        except ConfigError:
            self.record.counts["rejected"] += 1
            return
        self.scope = scope
        self.record.adopt(scope.specs)
        self.record.counts["reload"] += 1

    def lose_the_lease(self) -> None:
        """Have another replica take over, which is played by the same process."""
        assert self._leading
        self._leading.cancel()

    def publish(self, spec: ImageSpec) -> None:
        """Have an image change at its source."""
        if self.world.held(spec):
            self.world.publish(spec.image, self.now())

    def behind(self) -> list[str]:
        """Images that the cache does not hold as their source does."""
        assert self.scope
        return [str(spec) for spec in self.scope.specs if self._is_behind(spec)]

    def _is_behind(self, spec: ImageSpec) -> bool:
        held = self.world.held(spec)
        return held is not None and held != self.world.cache.get(spec.target_reference)

    def offences(self) -> list[str]:
        """All that should not have been."""
        return self.record.offences + [
            offence for host in self.hosts.values() for offence in host.offences
        ]

    def _take_stock(self, life: Life) -> None:
        """Count what is still kept when nothing is to be done."""
        self.kept = {
            "images": len(life._specs),
            "at work": len(life._working),
            "generations": len(life._generations),
            "items": sum(len(each.runner._items) for each in life._generations),
            "turns": len(life._agenda._alone),
            "rhythms": len(life._agenda._rhythms),
            "tasks": len(asyncio.all_tasks()),
        }

    def __str__(self) -> str:
        """A short summary for people."""
        record = self.record
        counts = ", ".join(f"{what} {count}" for what, count in sorted(record.counts.items()))
        most = ", ".join(f"{host.name} {host.most}" for host in self.hosts.values())
        gaps = ", ".join(f"{own or 'all'}: {gap:.1f} s" for own, gap in record.gaps.items())
        returns = ", ".join(f"{own or 'all'}: {gap:.1f} s" for own, gap in record.returns.items())
        return "\n".join(
            (
                f"{self.now() / 86_400:.1f} days: {counts}",
                f"most in flight: {most}; copies at once {record.copies_at_once}",
                f"longest gap: {gaps}; after trouble: {returns}; lag {record.lag:.0f} s",
            )
        )
