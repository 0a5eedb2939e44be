"""Watching: subscribers of events, which decide nothing.

The log writes down what happens; the board knows how things stand, for all who show it: the text of
SIGQUIT and the live display here, the server above. `progress.py` is imported by itself, where
there is a terminal, because it needs rich.
"""

from image_sync.observe.board import Board
from image_sync.observe.interrupted import Interrupted, was_cut_off
from image_sync.observe.log import EventLog, configure, redirect
from image_sync.observe.quantities import human_bytes, human_seconds
from image_sync.observe.status import status_text

__all__ = [
    "Board",
    "EventLog",
    "Interrupted",
    "configure",
    "human_bytes",
    "human_seconds",
    "redirect",
    "status_text",
    "was_cut_off",
]
