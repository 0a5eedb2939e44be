"""Noticing that files changed, by looking at what is in them.

A folder that Kubernetes swaps, an editor that renames, and a file that is rewritten in place look
alike this way. What is written at this very moment is left until it stays as it is.
"""

from collections.abc import Awaitable, Callable

import anyio
from anyio import to_thread

LOOK_EVERY = 2.0
"""Seconds between two looks."""

Fingerprint = Callable[[], bytes | None]
"""What differs when files do; None if that cannot be told. Called in another thread."""


async def watch(
    fingerprint: Fingerprint, changed: Callable[[], Awaitable[None]], known: bytes | None = None
) -> None:
    """Call `changed` whenever a fingerprint is another one and has stayed so for two looks.

    Args:
        fingerprint: Looks at the files.
        changed: Called when they changed.
        known: What it was when they were read; what it is now if that is None.
    """
    seen = await _look(fingerprint)
    known = seen if known is None else known
    while seen is not None:
        await anyio.sleep(LOOK_EVERY)
        now = await _look(fingerprint)
        if now == seen and now != known:
            known = now
            await changed()
        seen = now


async def _look(fingerprint: Fingerprint) -> bytes | None:
    """What it is now; a file system that hangs does not keep the process from ending."""
    return await to_thread.run_sync(fingerprint, abandon_on_cancel=True)
