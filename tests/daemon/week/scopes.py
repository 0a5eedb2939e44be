"""Configurations of the simulated daemon, and what operators make of them over time."""

from collections.abc import Mapping
from random import Random

import msgspec

from image_sync.config import Resolved, Scope, Shard, Timing
from image_sync.config.cache import CacheRegistry
from image_sync.config.settings import Settings
from image_sync.model import HostPolicy, ImageSpec, TlsPolicy
from tests.daemon.week.world import CACHE

CONCURRENCY = 6
PULL_TIMEOUT = 900
"""Seconds: some copies take longer, and are tried again."""


def make_scope(
    specs: tuple[ImageSpec, ...],
    policies: Mapping[str, HostPolicy],
    timing: Timing,
    concurrency: int = CONCURRENCY,
) -> Scope:
    """A configuration of some images."""
    resolved = Resolved(
        specs=specs,
        hosts=dict(policies),
        cache=CacheRegistry(text=CACHE, host=CACHE, prefix="", tls=TlsPolicy.VERIFY),
        settings=Settings(concurrency=concurrency, pull_timeout_secs=PULL_TIMEOUT),
        timing=timing,
    )
    return Scope(resolved=resolved, specs=specs, shard=Shard(0, 1))


def with_images(scope: Scope, specs: tuple[ImageSpec, ...]) -> Scope:
    """The same for other images."""
    resolved = msgspec.structs.replace(scope.resolved, specs=specs)
    return msgspec.structs.replace(scope, resolved=resolved, specs=specs)


def with_concurrency(scope: Scope, concurrency: int) -> Scope:
    """The same with so many copies at once."""
    settings = msgspec.structs.replace(scope.resolved.settings, concurrency=concurrency)
    resolved = msgspec.structs.replace(scope.resolved, settings=settings)
    return msgspec.structs.replace(scope, resolved=resolved)


def with_policy(scope: Scope, host: str, policy: HostPolicy) -> Scope:
    """The same with other limits of a host."""
    hosts = {**scope.resolved.hosts, host: policy}
    resolved = msgspec.structs.replace(scope.resolved, hosts=hosts)
    return msgspec.structs.replace(scope, resolved=resolved)


def exchanged(
    specs: tuple[ImageSpec, ...], spare: list[ImageSpec], random: Random, count: int
) -> tuple[ImageSpec, ...]:
    """Some images removed, as many added from the spare ones, and as many changed."""
    kept = list(specs)
    random.shuffle(kept)
    removed, kept = kept[:count], kept[count:]
    added = [spare.pop(random.randrange(len(spare))) for _ in range(min(count, len(spare)))]
    spare.extend(removed)
    changed = [msgspec.structs.replace(spec, referrers=False, pin=None) for spec in kept[:count]]
    changed = [_with_other_interval(spec) for spec in changed]
    return tuple(kept[count:] + changed + added)


def _with_other_interval(spec: ImageSpec) -> ImageSpec:
    interval = None if spec.interval else 1800.0
    return msgspec.structs.replace(spec, interval=interval)
