"""A live display at the foot of a terminal, with the log above it.

Read from a board a few times a second, by a task of the process itself: nothing is drawn between
two events of the loop, and no thread is involved. Not here: what it shows (`overview.py`).
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

import anyio

from image_sync.observe.board import Board
from image_sync.observe.overview import Line, overview

_PERIOD = 0.25
"""Seconds between two looks at the board: numbers move, and can still be read."""
_BREATH = 0.05
"""Seconds between two writes for log lines that come in a flood, as they do at level debug: each
has the display drawn again. What comes sooner waits, for a period at most."""
_HELD = 200
"""Log lines that wait at most: more than one terminal shows."""
_USUAL = 80, 24
"""Columns and rows of a terminal that does not tell: the VT100's, as curses has it."""


def wanted(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Whether a person watches: a terminal that can move its cursor, and no build server."""
    if stream is None or not stream.isatty() or environ.get("CI"):
        return False
    return environ.get("TERM", "") not in ("", "dumb", "unknown")


class Progress:
    """The display; also a stream for log lines, which go above it while it is shown.

    The log must be written through it, from the event loop's thread. When it is over, nothing of it
    is left on the terminal. If the terminal is gone, so is the display, and nothing else.

    Args:
        board: What is shown.
        stream: A terminal.
        environ: Tells what that terminal can do; with NO_COLOR the display has no colours.
        clock: Seconds that never jump.
    """

    def __init__(
        self,
        board: Board,
        stream: TextIO,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Imported here: whoever has no terminal need not load it.
        from rich.console import Console  # noqa: PLC0415
        from rich.live import Live  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        self._blank = Text(no_wrap=True, overflow="crop", end="")
        self._board = board
        self._stream = stream
        self._clock = clock
        self._console = Console(file=stream, highlight=False, _environ=environ)
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._held: list[str] = []
        self._written = float("-inf")  # when log lines were written last
        self._shown: tuple[tuple[int, int], list[Line]] | None = None

    async def run(self) -> None:
        """Show it until cancelled, or until the terminal is gone."""
        with suppress(OSError), self._started():
            while self._stream.isatty():
                self._draw()
                await anyio.sleep(_PERIOD)

    def write(self, text: str) -> None:
        """Write whole lines of the log."""
        if not self._live.is_started:
            self._stream.write(text)
            return
        self._held.append(text)
        flood = self._clock() - self._written < _BREATH
        if not flood or len(self._held) >= _HELD:
            self._release()

    def flush(self) -> None:
        """Have the stream keep nothing back; lines that wait come with the next look."""
        self._stream.flush()

    @contextmanager
    def _started(self) -> Iterator[None]:
        self._live.start()
        try:
            # Whoever is killed cannot bring a hidden cursor back.
            self._console.show_cursor()
            yield
        finally:
            with suppress(OSError):
                self._release()
                self._live.update(self._blank)
                self._live.stop()

    def _draw(self) -> None:
        self._release()
        size = self._console.size = _size(self._stream)
        lines = overview(self._board, *size)
        if self._shown != (size, lines):
            self._shown = size, lines
            picture = self._blank.copy()
            picture.append_tokens(_tokens(lines))
            self._live.update(picture, refresh=True)

    def _release(self) -> None:
        """Write the log lines that wait."""
        if self._held:
            text = "".join(self._held)
            self._held.clear()
            self._written = self._clock()
            self._console.out(text, end="")


def _tokens(lines: Sequence[Line]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        yield (f"\n{line.text}" if number else line.text), line.style


def _size(stream: TextIO) -> tuple[int, int]:
    """Columns and rows of a terminal."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except OSError:
        return _USUAL
    return (size.columns, size.lines) if size.columns and size.lines else _USUAL
