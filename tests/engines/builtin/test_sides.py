"""What a transfer lies between, at real registries."""

from collections.abc import AsyncIterator

import pytest

from image_sync.engines.builtin.sides import RegistryTarget, Session
from image_sync.registry.ways import Ways
from tests.hostile import HostileRegistry
from tests.registry.asking import asking, target
from tests.registry.uploading import DIGEST, RIGHT, SIZE, Pieces, stored

pytestmark = pytest.mark.anyio


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    """Holds nothing yet."""
    async with HostileRegistry() as running:
        yield running


async def _broken_off(place: RegistryTarget) -> Session:
    """A session of a target that got a part of the blob."""
    session = await place.open()
    assert session
    await session.append(Pieces(0, 20_000), SIZE)
    return session


async def test_a_small_blob_that_broke_off_goes_on_the_second_time(
    registry: HostileRegistry,
) -> None:
    """Its first session takes it whole or not at all; the next one keeps what it got."""
    async with asking() as client:
        client.ways = Ways(small=SIZE)
        place = RegistryTarget(client, target(registry.host), DIGEST)
        assert await (await _broken_off(place)).settle() is None
        session = await _broken_off(place)
        assert await session.settle() == 20_000
        await session.append(Pieces(20_000), SIZE - 20_000)
        await session.finish()
    assert stored(registry) == RIGHT


async def test_a_small_blob_of_which_an_earlier_upload_was_lost_is_streamed_at_once(
    registry: HostileRegistry,
) -> None:
    """Whoever kept that upload says so."""
    async with asking() as client:
        client.ways = Ways(small=SIZE)
        place = RegistryTarget(client, target(registry.host), DIGEST, whole=False)
        assert await (await _broken_off(place)).settle() == 20_000
