"""Two registries that behave until told otherwise."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.doctor.scene import CACHE_ADDRESS, SOURCE_ADDRESS, Scene
from tests.hostile import HostileRegistry


@pytest.fixture
async def upstream() -> AsyncIterator[HostileRegistry]:
    """A source that speaks plain HTTP."""
    async with HostileRegistry(SOURCE_ADDRESS) as registry:
        yield registry


@pytest.fixture
async def store() -> AsyncIterator[HostileRegistry]:
    """An empty cache that speaks plain HTTP."""
    async with HostileRegistry(CACHE_ADDRESS) as registry:
        yield registry


@pytest.fixture
def scene(tmp_path: Path, upstream: HostileRegistry, store: HostileRegistry) -> Scene:
    """One image of the source, kept in the cache."""
    scene = Scene(tmp_path, store.host)
    scene.keep(upstream, "team/app")
    return scene
