"""The two lanes that images go through: many cheap checks, and few copies.

One source host never holds all places of either while others have work (`shares.py`).
"""

from collections.abc import Awaitable, Callable, Collection

import anyio

from image_sync.schedule import Capacity, Lane, Place
from image_sync.sync.item import Item
from image_sync.sync.roles import Limits
from image_sync.sync.shares import Shares

Work = Callable[[Item, Place], Awaitable[None]]


class Lanes:
    """Both lanes.

    Args:
        limits: How wide they are.
        check: What is done with an image in a place of the checks.
        copy: What is done with an image in a place of the copies.
        clock: Seconds.

    Attributes:
        checks: The lane of the checks.
        copies: The lane of the copies.
    """

    def __init__(self, limits: Limits, check: Work, copy: Work, clock: Callable[[], float]) -> None:
        self._shares = shares = Shares(limits.check_concurrency, limits.concurrency)
        self.checks: Lane[Item] = Lane(
            capacity=Capacity(limits.check_concurrency),
            share=lambda host: shares.of_checks(host, self.checks.free),
            work=check,
            clock=clock,
        )
        self.copies: Lane[Item] = Lane(
            capacity=limits.copying or Capacity(limits.concurrency),
            share=shares.of_copies,
            work=copy,
            clock=clock,
        )

    async def run(self) -> None:
        """Work until they are closed and idle."""
        async with anyio.create_task_group() as lanes:
            lanes.start_soon(self.checks.run)
            lanes.start_soon(self.copies.run)

    def close(self) -> None:
        """Nothing more comes."""
        self.checks.close()
        self.copies.close()

    def enter(self, item: Item) -> None:
        """An image is on its way from now on."""
        self._shares.add(item.spec.source.host)

    def leave(self, item: Item) -> None:
        """An image is done."""
        if self._shares.remove(item.spec.source.host):
            self._reconsider()

    def expect(self, hosts: Collection[str]) -> None:
        """Keep a place free for source hosts whose images may come at any time."""
        self._shares.expected = frozenset(hosts)
        self._reconsider()

    def _reconsider(self) -> None:
        self.checks.reconsider()
        self.copies.reconsider()
