"""A process that copies images and stops in the middle: what its memory came to meanwhile.

`python -m tests.engines.builtin.copier SOURCE CACHE BYTES DIGEST...` prints its peak in bytes
before the copies, and once one of them has moved so many. Only where the kernel tells it: Linux.
"""

import re
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

import anyio

from image_sync.engines import Builtin, CopyRequest
from image_sync.model import Security
from image_sync.oci import Digest
from tests.registry.asking import asking, source, target

STATUS: Final = Path("/proc/self/status")  # proc_pid_status(5)


class Until:
    """A place among the copies that is left once so many bytes came."""

    def __init__(self, scope: anyio.CancelScope, enough: int) -> None:
        self._scope = scope
        self._enough = enough

    def progress(self, moved: int, size: int | None = None) -> None:
        """Leave if that is enough."""
        if moved >= self._enough:
            self._scope.cancel()

    def resting(self) -> AbstractAsyncContextManager[None]:
        """Nobody else copies, so there is nobody to wait for."""
        raise NotImplementedError


def peak() -> int:
    """The most bytes that this process had in memory so far."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


async def main(arguments: list[str]) -> None:
    """Copy, and print both peaks."""
    source_host, cache_host, enough, *digests = arguments
    async with asking() as client:
        builtin, before = Builtin(client), peak()
        async with anyio.create_task_group() as copies:
            place = Until(copies.cancel_scope, int(enough))
            for digest in digests:
                request = CopyRequest(
                    source=source(source_host),
                    target=target(cache_host),
                    digest=Digest.parse(digest),
                    source_security=Security.CLEAR,
                    target_security=Security.CLEAR,
                    deadline=60.0,
                )
                copies.start_soon(builtin.copy, request, place)
        sys.stdout.write(f"{before} {peak()}\n")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1:])
