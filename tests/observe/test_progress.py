"""The live display keeps out of the way of the log, and leaves a terminal as it found it."""

import contextlib
import io
import logging
import os
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from typing import TextIO

import anyio
import pytest

from image_sync import events
from image_sync.model import Action
from image_sync.observe import Board, EventLog, configure
from image_sync.observe.progress import Progress, wanted
from tests.clock import VIRTUAL_TIME, Backend
from tests.observe.scene import Clock, X, image, result
from tests.observe.screen import Screen

TERMINAL = {"TERM": "xterm-256color"}
COLUMNS = 60
PERIOD = 0.3
"""Seconds in which the display is drawn once."""


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


class Terminal:
    """A pseudo-terminal, and what is seen on it."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        os.set_blocking(self.master, False)
        self.stream: TextIO = os.fdopen(slave, "w", encoding="utf-8")
        self.screen = Screen(COLUMNS)
        self.resize(COLUMNS, 24)

    def resize(self, columns: int, rows: int) -> None:
        termios.tcsetwinsize(self.stream.fileno(), (rows, columns))

    def read(self) -> str:
        """What was sent to it since the last time; the screen shows it from now on."""
        sent = b""
        while True:
            try:
                data = os.read(self.master, 65_536)
            except OSError:  # nothing more for now
                break
            sent += data
        text = sent.decode()
        self.screen.feed(text)
        return text

    @property
    def lines(self) -> list[str]:
        """What stands on it now."""
        self.read()
        return self.screen.lines

    def close(self) -> None:
        """Both ends; what one still holds is lost if the other is gone."""
        with contextlib.suppress(OSError):
            self.stream.close()
        os.close(self.master)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.read()
    terminal.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> Board:
    board = clock.board()
    board(events.PassStarted("p1", 5, dry_run=False))
    board(events.CopyStarted(image(), "crane", X, 1))
    return board


@pytest.fixture
def progress(board: Board, clock: Clock, terminal: Terminal) -> Progress:
    return Progress(board, terminal.stream, TERMINAL, anyio.current_time)


SHOWN = [
    "a.example/app:1  crane  0 B  0 B/s",
    "0/5 done, 0 pulled, 0 failed, 1 copying, 4 waiting, 0 s",
]


@pytest.mark.parametrize(
    ("environ", "answer"),
    [
        pytest.param({"TERM": "xterm"}, True, id="a terminal"),
        pytest.param({"TERM": "xterm", "NO_COLOR": "1"}, True, id="without colours"),
        pytest.param({"TERM": "xterm", "CI": ""}, True, id="CI empty"),
        pytest.param({"TERM": "xterm", "CI": "true"}, False, id="CI"),
        pytest.param({"TERM": "dumb"}, False, id="dumb"),
        pytest.param({}, False, id="no TERM"),
    ],
)
def test_a_display_is_for_terminals_of_people(
    terminal: Terminal, environ: Mapping[str, str], *, answer: bool
) -> None:
    """One that can move its cursor, and that nobody says is a build server's."""
    assert wanted(terminal.stream, environ) is answer


def test_a_pipe_or_a_closed_stream_gets_no_display() -> None:
    """Whatever the environment says."""
    assert not wanted(io.StringIO(), TERMINAL)
    assert not wanted(None, TERMINAL)


@pytest.mark.anyio
async def test_the_log_goes_above_the_display(progress: Progress, terminal: Terminal) -> None:
    """Every line whole and in order, one longer than the terminal is wide included."""
    long = "a line of the log " * 10
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.run)
        await anyio.sleep(PERIOD)
        assert terminal.lines == SHOWN
        progress.write("first\n")
        assert terminal.lines == ["first", *SHOWN]
        progress.write("second [bold]:smile: 42\n")
        progress.write(f"{long}\n")
        await anyio.sleep(PERIOD)
        *log, one, other = terminal.lines
        assert [one, other] == SHOWN
        assert log[:2] == ["first", "second [bold]:smile: 42"]
        assert "".join(row.ljust(COLUMNS) for row in log[2:]).rstrip() == long.rstrip()
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_nothing_is_left_of_it(progress: Progress, terminal: Terminal) -> None:
    """Lines before, during, at the end and after it stand there as if it had never been."""
    progress.write("before\n")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.run)
        await anyio.sleep(PERIOD)
        progress.write("during\n")
        progress.write("at the end\n")
        tasks.cancel_scope.cancel()
    progress.write("after\n")
    progress.flush()
    assert terminal.lines == ["before", "during", "at the end", "after"]


@pytest.mark.anyio
async def test_the_cursor_is_seen_all_the_time(progress: Progress, terminal: Terminal) -> None:
    """Whoever is killed cannot bring it back."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.run)
        await anyio.sleep(PERIOD)
        terminal.read()
        assert terminal.screen.cursor_shown
        tasks.cancel_scope.cancel()
    terminal.read()
    assert terminal.screen.cursor_shown


@pytest.mark.anyio
async def test_it_follows_the_board(
    progress: Progress, board: Board, clock: Clock, terminal: Terminal
) -> None:
    """Lines come and go with the copies; where nothing changes, nothing is sent."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.run)
        await anyio.sleep(PERIOD)
        clock.now += 10
        board(events.CopyProgress(image(), "crane", 5_000_000))
        await anyio.sleep(PERIOD)
        assert terminal.lines[0] == "a.example/app:1  crane  5.0 MB  500.0 kB/s"
        board(events.ImageFinished(result(image(), Action.PULLED)))
        await anyio.sleep(PERIOD)
        assert terminal.lines == ["1/5 done, 1 pulled, 0 failed, 0 copying, 4 waiting, 10 s"]
        await anyio.sleep(60)
        assert terminal.read() == ""
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_it_fits_a_terminal_that_was_made_narrower(
    progress: Progress, terminal: Terminal
) -> None:
    """With the next look, at a quarter of a second."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.run)
        await anyio.sleep(PERIOD)
        terminal.resize(30, 24)
        await anyio.sleep(PERIOD)
        assert terminal.lines == ["a.example/app:1  0 B", "0/5 done, 0 pulled, 0 failed…"]
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_flood_of_lines_does_not_redraw_it_for_each(
    progress: Progress, terminal: Terminal
) -> None:
    """At level debug there are thousands of them in a second; none is lost, none waits for long."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.run)
        await anyio.sleep(PERIOD)
        terminal.read()
        lines = [f"line {number}" for number in range(300)]
        for line in lines:
            progress.write(f"{line}\n")
        await anyio.sleep(PERIOD)
        assert terminal.read().count("waiting") < 5
        assert terminal.screen.lines == [*lines, *SHOWN]
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("environ", "coloured"),
    [
        pytest.param(TERMINAL, True, id="colours"),
        pytest.param({**TERMINAL, "NO_COLOR": "1"}, False, id="NO_COLOR"),
        pytest.param({**TERMINAL, "NO_COLOR": ""}, True, id="NO_COLOR empty"),
    ],
)
async def test_colours_can_be_forbidden(
    board: Board, terminal: Terminal, environ: Mapping[str, str], *, coloured: bool
) -> None:
    """By NO_COLOR; the display itself stays."""
    board(events.ImageFinished(result(image(), Action.FAILED)))
    progress = Progress(board, terminal.stream, environ, anyio.current_time)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.run)
        await anyio.sleep(PERIOD)
        assert terminal.lines == ["1/5 done, 0 pulled, 1 failed, 0 copying, 4 waiting, 0 s"]
        tasks.cancel_scope.cancel()
    assert terminal.screen.coloured is coloured


@pytest.mark.anyio
async def test_a_terminal_that_is_gone_ends_nothing_else(board: Board) -> None:
    """Its window was closed: the display ends in silence."""
    gone = Terminal()
    progress = Progress(board, gone.stream, TERMINAL, anyio.current_time)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(progress.run)
            await anyio.sleep(PERIOD)
            os.dup2(os.open(os.devnull, os.O_RDONLY), gone.master)
            board(events.ImageFinished(result(image(), Action.FAILED)))
    gone.close()


@pytest.mark.anyio
@pytest.mark.usefixtures("stream")
async def test_the_log_can_be_written_through_it(progress: Progress, terminal: Terminal) -> None:
    """Events make lines above the display, by the log that this process has."""
    configure("info", as_json=False, stream=progress)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.run)
        await anyio.sleep(PERIOD)
        EventLog()(events.Warned("ledger", "it cannot be read"))
        *log, one, other = terminal.lines
        assert "".join(log).endswith("WARNING it cannot be read subject=ledger")
        assert [one, other] == SHOWN
        tasks.cancel_scope.cancel()
    logging.getLogger("image_sync").info("afterwards")
    assert terminal.lines[-1].endswith("afterwards")


def test_without_a_terminal_rich_is_not_loaded() -> None:
    """Asking whether a display is wanted costs nothing."""
    probe = (
        "import sys; from image_sync.observe.progress import wanted; wanted(None, {});"
        "sys.exit('rich' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", probe], check=True, timeout=60)  # seconds
