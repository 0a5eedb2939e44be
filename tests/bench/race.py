"""The order of events: fill, warm up, take turns, measure memory.

What a contender is belongs in `contenders.py`, the command line in `__main__.py`.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import msgspec

from tests.bench import contenders
from tests.bench.contenders import Contender, Course
from tests.bench.figures import Figure, Memory
from tests.bench.fill import fill
from tests.bench.measure import Run, run
from tests.bench.sample import Image, Kind, images
from tests.bench.servers import delayed, distribution

_SOURCE_ADDRESS = "127.0.0.1"
_CACHE_ADDRESS = "127.0.0.2"  # another host, so that limits for each host do not add up


class Programs(msgspec.Struct, frozen=True):
    """Where the programs lie."""

    image_sync: Path
    crane: Path
    regsync: Path
    registry: Path


class Plan(msgspec.Struct, frozen=True):
    """What was asked for."""

    images: int
    more_images: int
    kind: Kind
    rounds: int
    latencies_ms: tuple[float, ...]  # round trips


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
                source = proxies.enter_context(delayed(source, _SOURCE_ADDRESS, latency_ms))
                cache = proxies.enter_context(delayed(cache, _CACHE_ADDRESS, latency_ms))
            yield Course(source, cache, self.images[:count], self.kind)


@contextmanager
def filled(plan: Plan, programs: Programs, folder: Path) -> Iterator[Registries]:
    """Both registries, running, with the images of a plan pushed."""
    everything = images(plan.images + plan.more_images)
    with (
        distribution(programs.registry, folder / "source", _SOURCE_ADDRESS) as source,
        distribution(programs.registry, folder / "cache", _CACHE_ADDRESS) as cache,
    ):
        _say(f"pushing {len(everything)} images into two registries")
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
            rounds = [
                [_run(contender, programs, registries) for contender in field]
                for _ in range(1 + plan.rounds)
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
    if short is None or long is None:
        return None
    return Memory(plan.images, short, plan.more_images, long)


def _peak(rounds: int, count: int, programs: Programs, registries: Registries) -> float | None:
    with registries.course(count, 0) as course:
        ours = contenders.image_sync(programs.image_sync, course, registries.folder)
        runs = [_run(ours, programs, registries) for _ in range(rounds)]
    peaks = [one.peak_rss_bytes for one in runs if one.peak_rss_bytes is not None]
    return median(peaks) if peaks else None


def _run(contender: Contender, programs: Programs, registries: Registries) -> Run:
    environment = {  # nobody's credentials, proxies or settings
        "PATH": os.pathsep.join((str(programs.crane.parent), os.defpath)),
        "HOME": str(registries.folder),
    }
    ran = run(contender, environment)
    _say(f"{contender.name}: {ran.wall_seconds:.2f} s")
    return ran


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the report alone goes to stdout
