"""Tasks that run as long as something else does."""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager

import anyio

Task = Callable[[], Coroutine[object, object, None]]
"""What runs in a task of its own until it is cancelled."""


@asynccontextmanager
async def beside(tasks: Sequence[Task]) -> AsyncIterator[None]:
    """Have tasks run as long as the `async with`."""
    async with anyio.create_task_group() as group:
        for task in tasks:
            group.start_soon(task)
        yield
        group.cancel_scope.cancel()
