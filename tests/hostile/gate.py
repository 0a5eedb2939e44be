"""A stop that a test opens, in place of a sleep.

Behaviours hold at a gate; the test learns that they arrived and decides when they go on. What a
behaviour does before and after the gate belongs in `behaviours/`.
"""

import anyio


class Gate:
    """Closed until `open` is called; a closed gate ends only with its holder's task."""

    def __init__(self) -> None:
        self._opened = anyio.Event()
        self._arrivals = 0
        self._arrived = anyio.Event()

    @property
    def arrivals(self) -> int:
        """How many have come to the gate, those let through included."""
        return self._arrivals

    def open(self) -> None:
        """Let everybody through who holds here or comes later."""
        self._opened.set()

    async def hold(self) -> None:
        """Stay until the gate is open."""
        self._arrivals += 1
        self._arrived.set()
        self._arrived = anyio.Event()
        await self._opened.wait()

    async def reached(self, count: int = 1) -> None:
        """Return once that many have come to the gate."""
        while self._arrivals < count:
            await self._arrived.wait()
