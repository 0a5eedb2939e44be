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


class Watch:
    """Tells whenever a fingerprint is another one and has stayed so for two looks.

    Args:
        fingerprint: Looks at the files.
        changed: Called when they changed.
        known: What it was when they were read; what it is at the first look if that is None.
    """

    def __init__(
        self,
        fingerprint: Fingerprint,
        changed: Callable[[], Awaitable[None]],
        known: bytes | None = None,
    ) -> None:
        self._fingerprint = fingerprint
        self._changed = changed
        self._known = known

    async def run(self) -> None:
        """Look until cancelled, or as long as there is something to look at."""
        seen = await self._look()
        if self._known is None:
            self._known = seen
        while seen is not None:
            await anyio.sleep(LOOK_EVERY)
            now = await self._look()
            if now == seen and now != self._known:
                self._known = now
                await self._changed()
            seen = now

    async def acquaint(self) -> None:
        """Take the files as known as they are: they are about to be read."""
        self._known = await self._look() or self._known

    async def _look(self) -> bytes | None:
        """What it is now; a file system that hangs does not keep the process from ending."""
        return await to_thread.run_sync(self._fingerprint, abandon_on_cancel=True)
