"""An operation that leaves something behind which has to be taken back if nobody learns of it."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

T = TypeVar("T")

GRACE = 5.0
"""Seconds for the end of an operation that was cancelled, and again for undoing it: KILL follows
TERM after 10 s in Docker."""


async def completed(
    operation: Callable[[], Awaitable[T]], undo: Callable[[T], Awaitable[None]]
) -> T:
    """What an operation returns; cancelled in the middle, it comes to its end and is undone.

    Args:
        operation: Goes on for some seconds when it is cancelled.
        undo: Gets what it returned when nobody wants it any more.

    Raises:
        Exception: The operation's own.
    """
    result: list[T] = []
    failure: Exception | None = None

    async def hurry(scope: anyio.CancelScope) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            scope.deadline = anyio.current_time() + GRACE

    try:
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope(shield=True) as scope:
                tasks.start_soon(hurry, scope)
                try:
                    result.append(await operation())
                except Exception as error:  # noqa: BLE001 - raised below, outside of the group
                    failure = error
            tasks.cancel_scope.cancel()
        await checkpoint_if_cancelled()
    except BaseException:
        if result:
            with anyio.move_on_after(GRACE, shield=True):
                await undo(result[0])
        raise
    if failure is not None:
        raise failure
    return result[0]
