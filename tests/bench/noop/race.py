"""The order of events: fill, warm up, take turns, measure memory.

What a contender is belongs in `contenders.py`, the command line in `__main__.py`.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import msgspec

from tests.bench.figure import Figure
from tests.bench.machine import Programs, scratch, setting
from tests.bench.measure import run, say
from tests.bench.noop import contenders
from tests.bench.noop.contenders import Course
from tests.bench.noop.figures import Memory, Report
from tests.bench.noop.sample import Image, Kind, fill, images
from tests.bench.servers import delayed, distribution

PROGRAMS = ("image_sync", "crane", "regsync", "registry")
_IMAGE_BYTES = 64 * 1024  # of tmpfs in a registry; measured: 53 kB for an index of three
_SOURCE_ADDRESS = "127.0.0.1"
_CACHE_ADDRESS = "127.0.0.2"  # another host, so that limits for each host do not add up


class Plan(msgspec.Struct, frozen=True):
    """What was asked for."""

    images: int
    more_images: int
    kind: Kind
    rounds: int
    latencies_ms: tuple[float, ...]  # round trips


def measured(plan: Plan, programs: Programs) -> Report:
    """Everything, from empty folders to figures.

    Raises:
        RoomError: There is no place for the registries.
        StartError: A registry or a proxy did not start.
        PushError: A registry did not take an image.
        RunError: A contender did not do its work.
    """
    room = 2 * (plan.images + plan.more_images) * _IMAGE_BYTES
    with scratch(room) as folder, filled(plan, programs, folder) as registries:
        return Report(
            images=plan.images,
            kind=plan.kind,
            rounds=plan.rounds,
            setting=setting(programs, PROGRAMS),
            figures=tuple(race(plan, programs, registries)),
            memory=memory(plan, programs, registries),
        )


class Registries(msgspec.Struct, frozen=True):
    """A source and a cache that hold all images of a plan."""

    source: str  # HOST:PORT
    cache: str  # HOST:PORT
    images: Sequence[Image]
    kind: Kind
    folder: Path  # where contenders keep their files

    @contextmanager
    def course(self, count: int, latency_ms: float) -> Iterator[Course]:
        """A pass over the first images, that round trip away."""
        with ExitStack() as proxies:
            source, cache = self.source, self.cache
            if latency_ms:
                source = proxies.enter_context(delayed(source, _SOURCE_ADDRESS, latency_ms)).host
                cache = proxies.enter_context(delayed(cache, _CACHE_ADDRESS, latency_ms)).host
            yield Course(source, cache, self.images[:count], self.kind)


@contextmanager
def filled(plan: Plan, programs: Programs, folder: Path) -> Iterator[Registries]:
    """Both registries, running, with the images of a plan pushed."""
    everything = images(plan.images + plan.more_images)
    with (
        distribution(programs.registry, folder / "source", _SOURCE_ADDRESS) as source,
        distribution(programs.registry, folder / "cache", _CACHE_ADDRESS) as cache,
    ):
        say(f"pushing {len(everything)} images into two registries")
        fill(source, everything, plan.kind, cache=False)
        fill(cache, everything, plan.kind, cache=True)
        yield Registries(source, cache, everything, plan.kind, folder)


def race(plan: Plan, programs: Programs, registries: Registries) -> Iterator[Figure]:
    """Every contender at every latency; they take turns, after a pass each to warm up."""
    for latency in plan.latencies_ms:
        with registries.course(plan.images, latency) as course:
            field = (
                contenders.image_sync(programs.image_sync, course, registries.folder),
                contenders.crane(programs.crane, course, registries.folder),
                contenders.regsync(programs.regsync, course, registries.folder),
            )
            environment = programs.environment(registries.folder)
            rounds = [
                [run(contender, environment) for contender in field] for _ in range(1 + plan.rounds)
            ]
        for contender, runs in zip(field, zip(*rounds[1:], strict=True), strict=True):
            yield Figure(contender.name, latency, tuple(runs))


def memory(plan: Plan, programs: Programs, registries: Registries) -> Memory | None:
    """Peak RSS of ours without latency, with the plan's images and with the further ones."""
    if not plan.more_images:
        return None
    short, long = (
        _peak(plan.rounds, count, programs, registries)
        for count in (plan.images, plan.images + plan.more_images)
    )
    return Memory(plan.images, short, plan.more_images, long)


def _peak(rounds: int, count: int, programs: Programs, registries: Registries) -> float:
    environment = programs.environment(registries.folder)
    with registries.course(count, 0) as course:
        ours = contenders.image_sync(programs.image_sync, course, registries.folder)
        return median(run(ours, environment).peak_rss_bytes for _ in range(rounds))
