"""The same work on many items, a few at once."""

from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

import anyio

from image_sync.runtime.unforeseen import unwrapped

Item = TypeVar("Item")
IMAGE_REQUESTS = 8
"""Requests in flight for one image: a quarter of the slots that a host has if nobody set others
(`HostPolicy.concurrency`), so that one image does not keep the others from it."""


async def for_each(
    work: Callable[[Item], Awaitable[None]], items: Collection[Item], *, workers: int
) -> None:
    """Do the work on every item, `workers` at a time; the first failure ends the rest.

    Raises:
        Exception: Whatever the work raised first, as it is and not in a group.
    """
    waiting = iter(items)
    failure: Exception | None = None

    async def worker() -> None:
        for item in waiting:
            await work(item)

    try:
        async with anyio.create_task_group() as tasks:
            for _ in range(min(workers, len(items))):
                tasks.start_soon(worker)
    except ExceptionGroup as group:
        failure = unwrapped(group)
    if failure is not None:
        raise failure  # out here, so that its own cause stays
