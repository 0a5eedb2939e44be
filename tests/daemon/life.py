"""A process's life in virtual time: real configurations and runners over scripted work."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import anyio.lowlevel

from image_sync.config import Scope, Shard
from image_sync.daemon.generation import AtWork
from image_sync.daemon.life import Life
from image_sync.errors import ConfigError
from image_sync.events import Event, ImageFinished, PassFinished, PassResized, PassStarted
from image_sync.model import SyncResult
from image_sync.schedule import Capacity
from image_sync.sync import Limits, Runner
from tests.clock import START
from tests.config.support import resolved
from tests.schedule.clocks import LoopClock
from tests.sync.script import Script

TERM = 15
Kind = TypeVar("Kind")


def image(tag: str, *, host: str = "source.test", **keys: object) -> str:
    """An entry of `images`: the one that a script knows by its tag."""
    more = "".join(f", {key}: {value}" for key, value in keys.items())
    return f"{{source: {host}/lab/app, tag: {tag}, cache_as: app{more}}}"


def scope(*images: str, **settings: object) -> Scope:
    """A configuration of some images, and its settings."""
    listed = "".join(f"\n  - {each}" for each in images) or " []"
    lines = "".join(f"\n  {key}: {value}" for key, value in settings.items()) or " {}"
    text = f"cache_registry: cache.test\nimages:{listed}\nsettings:{lines}\n"
    found = resolved(text)
    return Scope(resolved=found, specs=found.specs, shard=Shard(0, 1))


class Kept:
    """A ledger that notes when it is used."""

    def __init__(self) -> None:
        self.loads = 0
        self.saves: list[float] = []

    async def load(self) -> None:
        self.loads += 1

    async def save(self, seconds: float = 30.0) -> None:
        self.saves.append(since_start())


class Opening:
    """Puts together a runner over a script for each configuration.

    Attributes:
        opened: When each was.
        closed: When each was.
        seconds: How long it takes to open one.
        failure: What comes of it instead.
    """

    def __init__(self, script: Script, emit: Callable[[Event], None]) -> None:
        self._script = script
        self._emit = emit
        self.ledger = Kept()
        self.copying = Capacity(0)
        self.opened: list[float] = []
        self.closed: list[float] = []
        self.seconds = 0.0
        self.failure: ConfigError | None = None

    @asynccontextmanager
    async def open(
        self, scope: Scope, finished: Callable[[SyncResult], None]
    ) -> AsyncIterator[AtWork]:
        await anyio.sleep(self.seconds)
        if self.failure:
            raise self.failure
        concurrency = scope.resolved.settings.concurrency
        limits = Limits(
            concurrency=concurrency,
            copying=self.copying,
            check_concurrency=64,
            timeout=scope.resolved.settings.pass_timeout_secs,
            lasting=True,
        )
        script, self.copying.total = self._script, concurrency
        runner = Runner(
            script, script, script, limits, self._emit, finished, backoff=lambda _: 10.0
        )
        self.opened.append(since_start())
        try:
            yield AtWork(runner, self.ledger)
        finally:
            self.closed.append(since_start())


class Living:
    """A life, and what was told of it so far."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.clock = LoopClock()
        self.told: list[tuple[float, Event]] = []
        self.opening = Opening(script, self._note)
        self.life = Life(self._note, self.opening, self.clock)
        self.ended: float | None = None

    def _note(self, event: Event) -> None:
        self.told.append((since_start(), event))

    async def run(self, scope: Scope) -> None:
        await self.life.run(scope)
        self.ended = since_start()

    async def at(self, seconds: float) -> None:
        """Go on until so many seconds after the start."""
        await anyio.sleep(START + seconds - anyio.current_time())
        for _ in range(40):  # and then until nothing more follows from what happened just now
            await anyio.lowlevel.checkpoint()

    def of(self, kind: type[Kind]) -> list[tuple[float, Kind]]:
        """Events of one kind, and when they were."""
        return [(when, event) for when, event in self.told if isinstance(event, kind)]

    def times(self, kind: type[object]) -> list[float]:
        return [when for when, _ in self.of(kind)]

    @property
    def results(self) -> list[tuple[float, str, str]]:
        """When each result was, its tag, and its reason."""
        return [
            (when, event.result.spec.target_tag, event.result.reason.value)
            for when, event in self.of(ImageFinished)
        ]

    @property
    def sizes(self) -> list[int]:
        """How many images passes had, when they began and whenever that changed."""
        return [
            event.images for _, event in self.told if isinstance(event, PassStarted | PassResized)
        ]

    @property
    def passes(self) -> list[tuple[float, float, int]]:
        """When each pass that is over began and ended, and how many results it has.

        Two at once, or one that ends twice, is an error.
        """
        found: list[tuple[float, float, int]] = []
        running: tuple[float, str] | None = None
        for when, event in self.told:
            if isinstance(event, PassStarted):
                assert running is None, "two passes at once"
                running = when, event.pass_id
            elif isinstance(event, PassFinished):
                assert running, "a pass ends that is not running"
                began, name = running
                assert (event.pass_id, event.duration) == (name, when - began)
                tally = event.tally
                count = tally.pulled + tally.already_cached + tally.skipped + tally.failed
                found.append((began, when, count))
                running = None
        return found


def since_start() -> float:
    return anyio.current_time() - START


@asynccontextmanager
async def living(first: Scope, script: Script | None = None) -> AsyncIterator[Living]:
    """A life that is told to end when the test is over, if it was not before; and must end."""
    alive = Living(script or Script())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(alive.run, first)
        await alive.at(0.0)
        yield alive
        if alive.ended is None:
            alive.life.end(TERM)
        await alive.at(since_start() + 3600.0)
        assert alive.ended is not None, "it does not end"
    assert len(alive.opening.closed) == len(alive.opening.opened)
    _ = alive.passes  # which were never two at once
