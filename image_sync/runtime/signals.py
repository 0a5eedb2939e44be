"""What signals do to this process."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NoReturn

import anyio

from image_sync.runtime.beside import beside
from image_sync.runtime.files import remove_private_folders
from image_sync.runtime.process import kill_all

Action = Callable[[int], None]

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end in order what runs once; HUP is what a closed terminal sends."""


@asynccontextmanager
async def acting_on(actions: Mapping[signal.Signals, Action]) -> AsyncIterator[None]:
    """Have signals do something as long as the `async with`; each action is told its number."""
    with anyio.open_signal_receiver(*actions) as received:

        async def watch() -> None:
            async for signum in received:
                actions[signum](signum)

        async with beside([watch]):
            yield


class Ending:
    """The first signal ends something in order; a second one ends the process at once.

    Args:
        stop: Told the number of the first.
        leaving: Told the number of the second, when all that remains is to end.

    Attributes:
        signal: The number of the first, None as long as none came.
    """

    def __init__(self, stop: Action, leaving: Action | None = None) -> None:
        self._stop = stop
        self._leaving = leaving
        self.signal: int | None = None

    def __call__(self, signum: int) -> None:
        """A signal came."""
        if self.signal is not None:
            leave(signum, self._leaving)
        self.signal = signum
        self._stop(signum)


def leave(signum: int, leaving: Action | None = None) -> NoReturn:
    """End this process now, with its children; no unwinding, which would wait for them."""
    kill_all()
    remove_private_folders()
    if leaving:
        leaving(signum)
    os._exit(128 + signum)
