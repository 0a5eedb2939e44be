"""Reaping what others leave behind, where this process is the one that must: PID 1 of a container.

A child of a child whose parent ended becomes ours there, and stays a zombie until somebody waits
for it: wait(2). Our own children are waited for by whoever started them (`process.py`).
"""

import os
from contextlib import suppress

import anyio

from image_sync.runtime.process import is_ours

_INIT = 1
_LOOK_EVERY = 1.0
"""Seconds between two looks: a zombie takes an entry in the process table and nothing else."""
_LOOK_AGAIN = 0.1
"""Seconds until one that was seen is looked for again: whoever waits for it has done so by then."""


def is_init() -> bool:
    """True if orphans become this process's."""
    return os.getpid() == _INIT


async def reap_orphans() -> None:
    """Wait for orphans, for ever.

    One that is seen twice is nobody's: whoever starts a child waits for it at once, but may not
    have told of it yet.
    """
    seen = None
    while True:
        zombie = _zombie()
        if zombie is not None and zombie == seen:
            _reap(zombie)
            seen = None
            continue
        seen = zombie
        await anyio.sleep(_LOOK_EVERY if zombie is None else _LOOK_AGAIN)


def _reap(zombie: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(zombie, os.WNOHANG)


def _zombie() -> int | None:
    """A child that has ended and that nobody waits for."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # there is none at all
        return None
    return found.si_pid if found and not is_ours(found.si_pid) else None
