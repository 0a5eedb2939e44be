"""What a live display shows fits the terminal, and tells one copy from another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync import events
from image_sync.model import Action
from image_sync.observe import Board
from image_sync.observe.overview import overview
from tests.observe.scene import Clock, X, image, result


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> Board:
    return clock.board()


def copying(board: Board, clock: Clock) -> None:
    """Two copies that run for ten seconds, one of a size that is known."""
    board(events.PassStarted("p1", 9, dry_run=False))
    board(events.ImageFinished(result(image("done"), Action.PULLED)))
    long = image("library/a-name-that-is-quite-long/nginx", "1.27-alpine")
    board(events.CopyStarted(long, "builtin", X, 1))
    board(events.CopyStarted(image("app"), "crane", X, 1))
    clock.now += 10
    board(events.CopyProgress(long, "builtin", 20_000_000, size=100_000_000))
    board(events.CopyProgress(image("app"), "crane", 500))


def texts(board: Board, width: int = 100, height: int = 24) -> list[str]:
    return [line.text for line in overview(board, width, height)]


def test_a_copy_shows_its_bytes_its_rate_and_what_is_left(board: Board, clock: Clock) -> None:
    """In columns, with the numbers of the pass below."""
    copying(board, clock)
    name = "a.example/library/a-name-that-is-quite-long/nginx:1.27-alpine"
    app = "a.example/app:1".ljust(len(name))
    assert texts(board, 120) == [
        f"{name}  builtin  20.0 MB / 100.0 MB  2.0 MB/s  40 s left",
        f"{app}    crane               500 B    50 B/s",
        "1/9 done, 1 pulled, 0 failed, 2 copying, 6 waiting, 10 s",
    ]


@pytest.mark.parametrize(
    ("width", "line"),
    [
        pytest.param(
            80,
            "a.example…g/nginx:1.27-alpine  builtin  20.0 MB / 100.0 MB  2.0 MB/s  40 s left",
            id="80 columns",
        ),
        pytest.param(
            70,
            "a.example…/nginx:1.27-alpine  20.0 MB / 100.0 MB  2.0 MB/s  40 s left",
            id="70 columns",
        ),
        pytest.param(
            60, "a.example…g/nginx:1.27-alpine  20.0 MB / 100.0 MB  2.0 MB/s", id="60 columns"
        ),
        pytest.param(50, "a.example…g/nginx:1.27-alpine  20.0 MB / 100.0 MB", id="50 columns"),
        pytest.param(30, "a.…alpine  20.0 MB / 100.0 MB", id="30 columns"),
    ],
)
def test_on_a_narrow_terminal_facts_go_first(
    board: Board, clock: Clock, width: int, line: str
) -> None:
    """The engine, then the time, then the rate; then the middle of the name."""
    copying(board, clock)
    assert texts(board, width)[0] == line


@given(width=st.integers(1, 200), height=st.integers(1, 60), copies=st.integers(0, 70))
def test_no_terminal_is_too_small(width: int, height: int, copies: int) -> None:
    """No line is broken by it, and what is shown never scrolls away."""
    clock = Clock()
    board = clock.board()
    board(events.PassStarted("p1", 99, dry_run=False))
    for number in range(copies):
        spec = image(f"library/app-{number}", "1.2.3")
        board(events.CopyStarted(spec, "builtin", X, 1))
        board(events.CopyProgress(spec, "builtin", number * 10**number, size=10**60))
    board(events.PassPlanned(60))
    lines = texts(board, width, height)
    assert all(len(line) < max(2, width) for line in lines)
    assert len(lines) <= max(height, 4)


def test_copies_that_have_no_row_are_counted(board: Board) -> None:
    """The longest running are shown."""
    for number in range(30):
        board(events.CopyStarted(image(f"app-{number}"), "crane", X, 1))
    lines = texts(board, height=14)
    assert lines[0].startswith("a.example/app-0:1")
    assert lines[-1] == "and 20 more copies"


def test_between_passes_the_next_one_is_told(board: Board) -> None:
    """And nothing else."""
    board(events.PassPlanned(581))
    assert texts(board) == ["next pass in 9 min 41 s"]


def test_an_end_is_told_instead_of_the_next_pass(board: Board) -> None:
    """With the time that copies still have."""
    board(events.PassPlanned(581))
    board(events.Stopping(15, copies=0, grace=25))
    assert texts(board) == ["stopping, 25 s left for copies"]


def test_failures_are_seen_at_a_glance(board: Board) -> None:
    """In red."""
    board(events.PassStarted("p1", 9, dry_run=False))
    assert {line.style for line in overview(board, 80, 24)} == {""}
    board(events.ImageFinished(result(image(), Action.FAILED)))
    assert [line.style for line in overview(board, 80, 24)] == ["red"]
