"""The last line of the log: what ended the process, and what that cut off."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from image_sync.daemon import Process
from image_sync.errors import ImageSyncError
from image_sync.events import Emit, Stopped
from image_sync.observe import Interrupted
from image_sync.runtime.unforeseen import unwrapped


@contextmanager
def telling_the_end(process: Process, interrupted: Interrupted, emit: Emit) -> Iterator[None]:
    """Tell once what ended a process, whatever that was; its errors go on.

    Args:
        process: Knows the signal.
        interrupted: Knows the copies.
        emit: Takes the event.
    """
    try:
        yield
    finally:
        error = sys.exception()
        signum = None if error else process.signal
        emit(Stopped(signal=signum, copies=interrupted.copies, error=_named(error)))


def _named(error: BaseException | None) -> str | None:
    """An error of ours in its own words; of another its kind, for standard error has the rest."""
    match error:
        case None | ImageSyncError():
            return str(error) if error else None
        case Exception():
            return type(unwrapped(error)).__name__
        case _:
            return type(error).__name__
