"""Work that leaves something behind which has to be taken back if nobody goes on with it.

All that is done after a cancellation has `GRACE` seconds together, counted from the cancellation
itself: whoever cancels knows when it is over.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

T = TypeVar("T")

GRACE = 5.0
"""Seconds for whatever was cancelled to end, and to take back what it left: KILL follows TERM after
10 s in Docker."""


async def completed(
    operation: Callable[[], Awaitable[T]], undo: Callable[[T], Awaitable[None]]
) -> T:
    """What an operation returns; cancelled in the middle, it comes to its end and is undone.

    Args:
        operation: Goes on for some seconds when it is cancelled.
        undo: Gets what it returned when nobody wants it any more, and what is left of the time.

    Raises:
        Exception: The operation's own.
    """
    result: list[T] = []
    failure: Exception | None = None
    undoing = anyio.CancelScope(shield=True)
    try:
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope(shield=True) as working:
                tasks.start_soon(_bound, working, undoing)
                try:
                    result.append(await operation())
                except Exception as error:  # noqa: BLE001 - raised below, outside of the group
                    failure = error
            tasks.cancel_scope.cancel()
        await checkpoint_if_cancelled()
    except BaseException:
        if result:
            with undoing:
                await undo(result[0])
        raise
    if failure is not None:
        raise failure
    return result[0]


@asynccontextmanager
async def taking_back(undo: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Have something undone at the end of the block, which is cut off when the time is over.

    Args:
        undo: Has `GRACE` seconds; where the block is cancelled, what it leaves of them.
    """
    failure: Exception | None = None
    undoing = anyio.CancelScope(shield=True)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_bound, undoing)
            try:
                yield
            except Exception as error:  # noqa: BLE001 - taken out of the task group, as it is
                failure = error
            tasks.cancel_scope.cancel()
    finally:
        with undoing:
            await undo()
    if failure is not None:
        raise failure


async def _bound(*scopes: anyio.CancelScope) -> None:
    """Give scopes `GRACE` seconds from when this is cancelled."""
    try:
        await anyio.sleep_forever()
    finally:
        for scope in scopes:
            scope.deadline = anyio.current_time() + GRACE
