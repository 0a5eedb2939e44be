"""What a person sees while images are synchronised: log lines, and on a terminal a live display."""

import os
import sys
from contextlib import suppress

from image_sync.observe import Board, redirect, status_text
from image_sync.observe.progress import Progress, wanted
from image_sync.runtime.beside import Task


class Display:
    """The live display where a person watches, and nothing where not.

    Args:
        board: What is shown.
        plain: True if the log is no text for people, so that there is nothing to show beside it.
    """

    def __init__(self, board: Board, *, plain: bool) -> None:
        self._board = board
        self._progress: Progress | None = None
        if not plain and wanted(sys.stderr, os.environ):
            self._progress = Progress(board, sys.stderr, os.environ)
            redirect(self._progress)

    @property
    def tasks(self) -> list[Task]:
        """What is to run as long as something is to be seen."""
        return [self._progress.run] if self._progress else []

    def print_status(self) -> None:
        """Print how things stand."""
        sink = self._progress or sys.stderr
        if sink is not None:
            with suppress(OSError, ValueError):  # nobody listens any more
                sink.write(status_text(self._board))
                sink.flush()
