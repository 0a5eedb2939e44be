"""SIGQUIT's text tells people how things stand."""

import pytest

from image_sync import events
from image_sync.model import Action, Tally
from image_sync.observe import Board, status_text
from tests.observe.scene import Clock, X, image, result

APP = image()
LAST_PASS = (
    "last pass: ended 2026-11-30 12:00:00Z after 1 min 1 s: 1 pulled, 0 already cached, "
    "0 skipped, 1 failed, 0 B copied"
)
COPY = (
    "  a.example/app:1: builtin, attempt 2, 20.0 MB of 100.0 MB at most in 10 s, now 2.0 MB/s, "
    "40 s left at most"
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> Board:
    return clock.board()


def test_a_process_that_did_nothing_yet_says_so(board: Board, clock: Clock) -> None:
    """In a few lines, without empty sections."""
    clock.now += 65
    assert status_text(board).splitlines() == [
        "image-sync: up 1 min 5 s, since 2026-11-30 12:00:00Z",
        "images: 0 already cached, 0 pulled, 0 skipped, 0 failed, 0 not checked yet",
        "pass: none runs",
    ]


def test_everything_that_matters_is_told(board: Board, clock: Clock) -> None:
    """What runs, who is left alone, what fails and since when, what comes next."""
    other, fine = image("other"), image("fine")
    done = (result(other, Action.FAILED, "source: no answer"), result(fine, Action.PULLED))
    happened: list[events.Event] = [
        events.ConfigAdopted((APP, other, fine), added=3, changed=0, removed=0),
        events.LeadershipChanged(leads=True, leader="pod-0"),
        events.PassStarted("p1", 2, dry_run=False),
        *map(events.ImageFinished, done),
        events.PassFinished("p1", Tally.of(done), 61.0, interrupted=False),
        events.PassPlanned(600.0),
        events.PassStarted("p2", 3, dry_run=False),
        events.ImageFinished(done[0]),
        events.CopyStarted(APP, "builtin", X, 2),
        events.HostPaused("docker.io", 90.0, pulls_only=True, why="toomanyrequests"),
        events.HostPaused("quay.io", 30.0, pulls_only=False, why="slow down"),
        events.PullQuota("docker.io", 100, 0),
        events.CircuitOpened("a.example", 15.0),
        events.ConfigRejected(("a.yaml:3:1: images[0]: unknown key",)),
        events.PassPlanned(600.0),
        events.Stopping(15, copies=1, grace=25.0),
    ]
    for event in happened:
        board(event)
    clock.now += 10
    board(events.CopyProgress(APP, "builtin", 20_000_000, size=100_000_000))
    assert status_text(board).splitlines() == [
        "image-sync: up 10 s, since 2026-11-30 12:00:00Z",
        "images: 0 already cached, 1 pulled, 0 skipped, 1 failed, 1 not checked yet",
        "pass: 1 of 3 done in 10 s: 0 pulled, 0 already cached, 0 skipped, 1 failed",
        LAST_PASS,
        "next pass: in 9 min 50 s",
        "configuration: in force since 2026-11-30 12:00:00Z",
        "configuration: a later one was wrong at 2026-11-30 12:00:00Z",
        "  a.yaml:3:1: images[0]: unknown key",
        "leader: this replica, since 2026-11-30 12:00:00Z",
        "SIGTERM: stopping, copies have 15 s left",
        "copying:",
        COPY,
        "registries:",
        "  a.example: down since 2026-11-30 12:00:00Z, asked in 5 s",
        "  docker.io: pulls paused for 1 min 20 s: toomanyrequests; 0 of 100 pulls left",
        "  quay.io: paused for 20 s: slow down",
        "failing:",
        "  a.example/other:1: since 2026-11-30 12:00:00Z (2 times): source: no answer",
    ]


def test_fifty_failing_images_are_enough(board: Board, clock: Clock) -> None:
    """Those that fail longest; the others are counted."""
    specs = tuple(image(f"app-{number}") for number in range(60))
    board(events.ConfigAdopted(specs, added=60, changed=0, removed=0))
    for spec in reversed(specs):
        board(events.ImageFinished(result(spec, Action.FAILED)))
        clock.now += 1
    lines = status_text(board).splitlines()
    shown = lines[lines.index("failing:") + 1 :]
    assert len(shown) == 51
    assert shown[0].startswith("  a.example/app-59:1: since 2026-11-30 12:00:00Z:")
    assert shown[-1] == "  and 10 more"


def test_problems_of_a_configuration_are_bounded(board: Board) -> None:
    """A file that is all wrong does not flood the terminal."""
    board(events.ConfigRejected(tuple(f"problem {n}" for n in range(25))))
    assert status_text(board).splitlines()[-2:] == ["  problem 9", "  and 15 more"]


def test_what_others_say_cannot_move_the_cursor(board: Board) -> None:
    """It is escaped, stays on its line, and is bounded."""
    evil = "no\x1b[2J\r\nimage-sync: up" + "x" * 10_000
    board(events.ImageFinished(result(APP, Action.FAILED, evil)))
    board(events.HostPaused("a.example", 60.0, pulls_only=False, why=evil))
    board(events.ConfigRejected((evil,)))
    board(events.LeadershipChanged(leads=False, leader=evil))
    lines = status_text(board).splitlines()
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) < 1_000
    assert sum(line.startswith("image-sync: up") for line in lines) == 1
