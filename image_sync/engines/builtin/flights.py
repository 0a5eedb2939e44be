"""Blobs on their way into a cache, each moved by one image at a time.

Whoever moves a blob has its flight. The others wait until it ends, however it ends, and then look
again: the blob is there to be mounted, or one of them takes over.
"""

from collections.abc import Generator, Iterable
from contextlib import contextmanager

import anyio

from image_sync.oci import Digest

Key = tuple[str, Digest]  # the cache's host, and the blob


class Flight:
    """One blob being moved by one image."""

    def __init__(self) -> None:
        self.ended = False
        self._waiting: set[anyio.Event] = set()

    def end(self) -> None:
        """Wake those who wait."""
        self.ended = True
        for event in self._waiting:
            event.set()

    def watch(self, event: anyio.Event) -> None:
        """Have an event set at the end."""
        if self.ended:
            event.set()
        else:
            self._waiting.add(event)

    def forget(self, event: anyio.Event) -> None:
        """Nobody waits for that event any more."""
        self._waiting.discard(event)


async def any_ended(flights: Iterable[Flight]) -> None:
    """Return when one of some flights has ended."""
    flights, event = list(flights), anyio.Event()
    for flight in flights:
        flight.watch(event)
    try:
        await event.wait()
    finally:
        for flight in flights:
            flight.forget(event)


class Flights:
    """All flights of the process."""

    def __init__(self) -> None:
        self._flights: dict[Key, Flight] = {}

    def get(self, key: Key) -> Flight | None:
        """The flight of a blob, None if nobody moves it."""
        return self._flights.get(key)

    @contextmanager
    def leading(self, key: Key) -> Generator[None, None, None]:
        """Move a blob that nobody moves, for the time of a block."""
        if key in self._flights:
            raise ValueError(f"{key[1]} is being moved already")
        flight = self._flights[key] = Flight()
        try:
            yield
        finally:
            del self._flights[key]
            flight.end()
