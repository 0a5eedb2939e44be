"""Tasks that run as long as something else does."""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager

import anyio

Task = Callable[[], Coroutine[object, object, None]]
"""What runs in a task of its own until it is cancelled."""


@asynccontextmanager
async def beside(tasks: Sequence[Task]) -> AsyncIterator[None]:
    """Have tasks run as long as the `async with`; what is raised in that is raised as it is."""
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        for task in tasks:
            group.start_soon(task)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - taken out of the task group, as it is
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
