"""The parts, put together from configurations."""

import pytest

from image_sync.compose import Orders, ProcessWide, assembled
from image_sync.events import Event
from tests.config.support import resolved

pytestmark = pytest.mark.anyio

BEFORE = """\
cache_registry: cache.test
images: []
settings: {concurrency: 3, bandwidth_limit: 1000}
"""
AFTER = """\
cache_registry: cache.test
images: []
registries: {source.test: {bandwidth_limit: 500}}
settings: {concurrency: 5, preferred_tool: builtin}
"""


def ignore(_: Event) -> None:
    pass


async def test_limits_on_copies_are_those_of_a_process() -> None:
    """What an earlier configuration began counts for the next one, and keeps to its limits."""
    process = ProcessWide(ignore)
    first, second = resolved(BEFORE), resolved(AFTER)
    async with assembled(first, Orders(specs=()), ignore, {}, process) as before:
        assert (before.copying, process.copying.total) == (process.copying, 3)
        assert [rate.per_second for rate in process.bandwidth.rates(["source.test"])] == [1000]
        async with assembled(second, Orders(specs=()), ignore, {}, process) as after:
            assert (after.copying, process.copying.total) == (process.copying, 5)
            assert [rate.per_second for rate in process.bandwidth.rates(["source.test"])] == [500]
