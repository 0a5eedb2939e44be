"""Tasks run as long as something else does, and never stand in its way."""

from collections.abc import Sequence

import anyio
import pytest

from image_sync.errors import ConfigError
from image_sync.runtime.beside import Task, beside

pytestmark = pytest.mark.anyio


async def test_tasks_run_as_long_as_the_block() -> None:
    """They are cancelled at its end."""
    runs, ended = anyio.Event(), anyio.Event()

    async def task() -> None:
        runs.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with beside([task]):
        await runs.wait()
        assert not ended.is_set()
    assert ended.is_set()


@pytest.mark.parametrize("tasks", [[], [anyio.sleep_forever]], ids=["none", "one"])
async def test_what_is_raised_in_the_block_comes_out_as_it_is(
    tasks: Sequence[Task],
) -> None:
    """Whoever is around it recognises an error of ours."""
    with pytest.raises(ConfigError):
        async with beside(tasks):
            raise ConfigError([])
