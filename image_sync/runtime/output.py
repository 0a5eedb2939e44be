"""The output of a child: a pipe of ours, drained without pause, kept within a bound.

Not here: who writes to it (`process.py`).
"""

import os
import re
from contextlib import ExitStack, suppress

import anyio

KEPT = 16 * 1024
"""Bytes of each end of an output that are kept: enough for any error text, small enough to log."""
_READ = 64 * 1024
"""Bytes per read: what a pipe holds on Linux (pipe(7), Pipe capacity)."""
_CUT_WORD = re.compile(rb"\S{1,4096}(?=\s)")
"""What follows a gap may be the rest of a cut word, such as half a token: it is left out, too."""


class Output:
    """A pipe that a child writes to, and the head and tail of what came through it.

    Attributes:
        ended: Set when every writer is gone.
    """

    def __init__(self, ends: ExitStack) -> None:
        self.ended = anyio.Event()
        self._ends = ends
        self._reader = -1
        self._head = bytearray()
        self._tail = bytearray()
        self._lost = 0

    def open(self, given: ExitStack) -> int:
        """The child's end of the pipe, which `given` closes once the child has it."""
        self._reader, writer = os.pipe()
        self._ends.callback(os.close, self._reader)
        given.callback(os.close, writer)
        os.set_blocking(self._reader, False)
        return writer

    async def drain(self) -> None:
        """Read until every writer is gone."""
        while True:
            await anyio.wait_readable(self._reader)
            with suppress(BlockingIOError):
                data = os.read(self._reader, _READ)
                if not data:
                    break
                self._keep(data)
        self.ended.set()

    def _keep(self, data: bytes) -> None:
        room = KEPT - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        surplus = len(self._tail) - KEPT
        if surplus > 0:
            del self._tail[:surplus]
            self._lost += surplus

    @property
    def content(self) -> bytes:
        """What was kept, with a line in the middle that says how much was not."""
        if not self._lost:
            return bytes(self._head + self._tail)
        cut = _CUT_WORD.match(self._tail)
        start = cut.end() if cut else 0
        gap = f"\n[{self._lost + start} bytes left out]\n".encode()
        return bytes(self._head + gap + self._tail[start:])
