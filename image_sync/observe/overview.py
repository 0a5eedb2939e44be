"""What a live display shows, as lines that fit a terminal. Pure: the board and the size are given.

Not here: how lines get onto a terminal, and off it again (`progress.py`).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from image_sync.observe.board import Board
from image_sync.observe.quantities import human_bytes, human_seconds
from image_sync.observe.states import CurrentPass, Running

_NAME = 24
"""Columns in which an image can still be told from others; facts go before it gets fewer."""
_GAP = "  "
_OTHER_LINES = 4
"""Rows of a terminal that copies leave: counts, next pass, how many more, and one of the log."""


class Line(NamedTuple):
    """A line, and how rich styles it."""

    text: str
    style: str


class _Facts(NamedTuple):
    """What is told of a copy, in the order of its columns."""

    engine: str
    moved: str
    rate: str
    left: str


_EXPENDABLE = (0, 3, 2)
"""Columns of `_Facts` in the order in which they go when there is no room."""


def overview(board: Board, width: int, height: int) -> list[Line]:
    """The lines for a terminal of so many columns and rows."""
    room = max(1, width - 1)  # a full line would make some terminals begin another
    lines = [*_copies(board.running(), room, max(1, height - _OTHER_LINES)), *_counts(board)]
    return [Line(_cut(line.text, room), line.style) for line in lines]


def _copies(running: Sequence[Running], room: int, rows: int) -> Iterator[Line]:
    shown = running[:rows]
    facts = [_facts(copy) for copy in shown]
    widths = _widths(facts, room)
    aside = sum(len(_GAP) + width for width in widths.values())
    longest = max((len(str(copy.spec)) for copy in shown), default=0)
    name_width = max(1, min(longest, room - aside))
    for copy, row in zip(shown, facts, strict=True):
        name = _shortened(str(copy.spec), name_width).ljust(name_width)
        cells = (row[column].rjust(width) for column, width in widths.items())
        yield Line(_GAP.join((name, *cells)).rstrip(), "")
    if len(running) > rows:
        yield Line(f"and {len(running) - rows} more copies", "")


def _facts(copy: Running) -> _Facts:
    size = "" if copy.size is None else f" / {human_bytes(copy.size)}"
    return _Facts(
        engine=copy.engine,
        moved=f"{human_bytes(copy.bytes_moved)}{size}",
        rate=f"{human_bytes(copy.rate)}/s",
        left="" if copy.left is None else f"{human_seconds(copy.left)} left",
    )


def _widths(facts: Sequence[_Facts], room: int) -> dict[int, int]:
    """Which columns there is room for, and how wide they are."""
    widths = {
        column: width
        for column in range(len(_Facts._fields))
        if (width := max((len(row[column]) for row in facts), default=0))
    }
    for column in _EXPENDABLE:
        if _NAME + sum(len(_GAP) + width for width in widths.values()) <= room:
            break
        widths.pop(column, None)
    return widths


def _counts(board: Board) -> Iterator[Line]:
    current = board.current_pass
    if current:
        style = "red" if current.failed else ""
        yield Line(_pass(current, len(board.running())), style)
    ending, next_pass = board.shutdown, board.next_pass_in
    if ending:
        yield Line(f"stopping, {human_seconds(ending.grace_left)} left for copies", "yellow")
    elif next_pass is not None:
        yield Line(f"next pass in {human_seconds(next_pass)}", "dim")


def _pass(current: CurrentPass, copying: int) -> str:
    waiting = max(0, current.images - current.done - copying)
    return (
        f"{current.done}/{current.images} done, {current.pulled} pulled, {current.failed} failed, "
        f"{copying} copying, {waiting} waiting, {human_seconds(current.elapsed)}"
    )


def _shortened(name: str, width: int) -> str:
    """A name whose middle is left out where it is too long: host and tag tell it from others."""
    if len(name) <= width:
        return name
    head = (width - 1) // 3
    return f"{name[:head]}…{name[len(name) - (width - 1 - head) :]}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
