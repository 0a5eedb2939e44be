"""Two registries on sockets and a client for them."""

from collections.abc import AsyncIterator

import pytest

from image_sync.events import Event
from image_sync.http import Http
from image_sync.registry import RegistryClient
from tests.hostile import HostileRegistry
from tests.sync.scene import client_of, http_of


@pytest.fixture
async def origin() -> AsyncIterator[HostileRegistry]:
    """The registry that images come from; honest until a test injects a fault."""
    async with HostileRegistry() as registry:
        yield registry


@pytest.fixture
async def kept() -> AsyncIterator[HostileRegistry]:
    """The cache; honest until a test injects a fault."""
    async with HostileRegistry("127.0.0.2") as registry:
        yield registry


@pytest.fixture
def events() -> list[Event]:
    """What happened so far."""
    return []


@pytest.fixture
async def http(events: list[Event]) -> AsyncIterator[Http]:
    """The real HTTP."""
    async with http_of(events.append) as http:
        yield http


@pytest.fixture
def client(http: Http) -> RegistryClient:
    """The real client."""
    return client_of(http)
