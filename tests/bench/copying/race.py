"""The order of events: fill the source, then passes in turn, each into a cache of its own.

What a contender is belongs in `contenders.py`, the command line in `__main__.py`.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.bench.copying.contenders import Course, Name, contender, program
from tests.bench.copying.figures import Figure, Report
from tests.bench.copying.sample import (
    TAG,
    Image,
    Sketch,
    fill,
    named_bytes,
    needed_bytes,
)
from tests.bench.machine import Programs, scratch, setting
from tests.bench.measure import Run, RunError, run, say
from tests.bench.push import Pusher
from tests.bench.servers import Proxy, delayed, distribution

_SOURCE_ADDRESS = "127.0.0.1"
_CACHE_ADDRESS = "127.0.0.2"  # another host, so that limits for each host do not add up
_SPARE_BYTES = 64_000_000  # logs, files of the contenders, what tmpfs rounds up


class Plan(msgspec.Struct, frozen=True):
    """What was asked for."""

    sketches: tuple[Sketch, ...]
    contenders: tuple[Name, ...]
    rounds: int
    latencies_ms: tuple[float, ...]  # round trips to the source

    def programs(self) -> tuple[str, ...]:
        """The fields of `Programs` that it needs."""
        return (*dict.fromkeys(map(program, self.contenders)), "registry")

    def room(self) -> int:
        """Bytes that both registries store at most: one cache at a time."""
        layers = {layer for sketch in self.sketches for layer in sketch.layers}
        return 2 * sum(layer.size for layer in layers) + _SPARE_BYTES


class Pass(NamedTuple):
    """One contender copied everything once."""

    run: Run
    read_bytes: int | None  # bodies that the source sent, if a proxy counted


class Source(msgspec.Struct, frozen=True):
    """The registry that all passes read."""

    host: str  # HOST:PORT
    images: Sequence[Image]
    programs: Programs
    folder: Path  # where caches and contenders keep their files

    def copied(self, name: Name, proxy: Proxy | None) -> Pass:
        """One pass over everything into an empty cache, through a proxy or straight.

        Raises:
            RunError: It failed, or a tag of the cache does not name what the source's does.
        """
        with (
            tempfile.TemporaryDirectory(dir=self.folder) as scratched,
            distribution(
                self.programs.registry, Path(scratched) / "cache", _CACHE_ADDRESS
            ) as cache,
        ):
            home = Path(scratched)
            course = Course(proxy.host if proxy else self.host, cache, self.images)
            prepared = contender(name, self.programs, course, home)
            before = proxy.body_bytes() if proxy else 0
            ran = run(prepared, self.programs.environment(home))
            read = proxy.body_bytes() - before if proxy else None
            _check(prepared.name, cache, self.images)
            return Pass(ran, read)


def measured(plan: Plan, programs: Programs) -> Report:
    """Everything, from empty folders to figures.

    Raises:
        RoomError: There is no place for the registries.
        StartError: A registry or a proxy did not start.
        PushError: A registry did not take an image.
        RunError: A contender did not do its work.
    """
    with (
        scratch(plan.room()) as folder,
        distribution(programs.registry, folder / "source", _SOURCE_ADDRESS) as host,
    ):
        say(f"pushing {len(plan.sketches)} images into the source")
        images = fill(host, plan.sketches)
        source = Source(host, images, programs, folder)
        return Report(
            images=len(images),
            needed_bytes=needed_bytes(images),
            named_bytes=named_bytes(images),
            rounds=plan.rounds,
            setting=setting(programs, plan.programs()),
            figures=tuple(
                figure for latency in plan.latencies_ms for figure in race(plan, source, latency)
            ),
        )


def race(plan: Plan, source: Source, latency_ms: float) -> Iterator[Figure]:
    """Every contender at one latency; they take turns, after a pass each to warm up.

    Without latency the passes that are timed go straight to the source, and those that warm up
    through a proxy that counts.
    """
    field = plan.contenders
    with delayed(source.host, _SOURCE_ADDRESS, latency_ms) as proxy:
        rounds = [
            [source.copied(name, proxy if latency_ms or not number else None) for name in field]
            for number in range(1 + plan.rounds)
        ]
    for name, passes in zip(field, zip(*rounds, strict=True), strict=True):
        runs = tuple(one.run for one in passes[1:])
        read = tuple(one.read_bytes for one in passes if one.read_bytes is not None)
        yield Figure(name, latency_ms, runs, read)


def _check(name: str, cache: str, images: Sequence[Image]) -> None:
    with Pusher(cache) as registry:
        for image in images:
            found = registry.digest(image.repository, TAG)
            if found != image.digest:
                reference = f"{cache}/{image.repository}:{TAG}"
                raise RunError(f"{name}: {reference} is {found}, not {image.digest}")
