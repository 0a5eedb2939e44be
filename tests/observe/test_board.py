"""The board knows how things stand, from events alone."""

import tracemalloc
from datetime import timedelta

import pytest

from image_sync import events
from image_sync.errors import ErrorKind, Side
from image_sync.model import Action, ImageSpec, Tally
from image_sync.observe import Board
from image_sync.observe.states import ConfigState
from image_sync.oci import Digest
from tests.observe.scene import NO_RESULTS, NOON, Clock, X, image, result

APP = image()
MB = 1_000_000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> Board:
    return clock.board()


def finished(spec: ImageSpec, action: Action) -> events.ImageFinished:
    return events.ImageFinished(result(spec, action))


def adopted(*specs: ImageSpec) -> events.ConfigAdopted:
    return events.ConfigAdopted(specs, added=0, changed=0, removed=0)


def answered(host: str, status: int | None) -> events.RequestFinished:
    return events.RequestFinished(Side.SOURCE, host, "HEAD", "/v2/", status, 0.1, 1)


def test_an_image_shows_its_last_result_and_when_it_came(board: Board, clock: Clock) -> None:
    """And keeps when it was last pulled, however often it is checked afterwards."""
    board(finished(APP, Action.PULLED))
    clock.now += 60
    board(finished(APP, Action.ALREADY_CACHED))
    state = board.image(APP.target_reference)
    assert state is not None
    assert state.result == result(APP, Action.ALREADY_CACHED)
    assert (state.pulled_at, state.checked_at) == (NOON, NOON + timedelta(seconds=60))


def test_failures_in_a_row_are_counted(board: Board, clock: Clock) -> None:
    """A skipped image neither failed nor succeeded; only a success ends the row."""
    rows = []
    for action in (Action.FAILED, Action.SKIPPED, Action.FAILED, Action.ALREADY_CACHED):
        board(finished(APP, action))
        state = board.images()[0]
        rows.append((state.failures, state.failing_since))
        clock.now += 60
    assert rows == [(1, NOON), (1, NOON), (2, NOON), (0, None)]


def test_the_configuration_says_which_images_there_are(board: Board) -> None:
    """One that was never checked is on the board; one that is not configured any more is not."""
    gone, new = image("gone"), image("new")
    board(adopted(APP, gone))
    board(finished(APP, Action.PULLED))
    board(adopted(new, APP))
    board(finished(gone, Action.PULLED))
    assert [state.spec for state in board.images()] == [new, APP]
    assert board.by_action() == {None: 1, Action.PULLED: 1}


def test_an_image_that_is_configured_anew_has_no_result(board: Board) -> None:
    """What came of it before says nothing of what is wanted now, even if it comes late."""
    before, after = image(host="a.example"), image(host="b.example")
    board(adopted(before))
    board(finished(before, Action.PULLED))
    board(adopted(after))
    board(finished(before, Action.FAILED))
    assert [(state.spec, state.result) for state in board.images()] == [(after, None)]


def test_a_copy_runs_from_its_start_to_the_result(board: Board, clock: Clock) -> None:
    """With the bytes it moved, and what is left of it where the engine knows its size."""
    board(events.CopyStarted(APP, "builtin", X, 2))
    for second in range(1, 21):
        clock.now += 1
        board(events.CopyProgress(APP, "builtin", second * MB, size=50 * MB))
    (copy,) = board.running()
    assert (copy.engine, copy.attempt, copy.digest) == ("builtin", 2, X)
    assert (copy.bytes_moved, copy.size, copy.elapsed, copy.began_at) == (
        20 * MB,
        50 * MB,
        20,
        NOON,
    )
    assert copy.rate == MB
    assert copy.left == 30
    board(finished(APP, Action.PULLED))
    assert board.running() == []


def test_a_rate_is_that_of_the_last_ten_seconds(board: Board, clock: Clock) -> None:
    """A copy that stalls has none ten seconds later, and nobody knows when it ends."""
    board(events.CopyStarted(APP, "builtin", X, 1))
    clock.now += 1
    board(events.CopyProgress(APP, "builtin", 5 * MB, size=6 * MB))
    rates = []
    for _ in range(3):
        rates.append(board.running()[0].rate)
        clock.now += 5
    assert rates == [5 * MB, 5 * MB / 6, 0.0]
    assert board.running()[0].left is None


def test_the_first_bytes_are_no_flood(board: Board, clock: Clock) -> None:
    """A megabyte within a millisecond is not a gigabyte per second."""
    board(events.CopyStarted(APP, "crane", X, 1))
    clock.now += 0.001
    board(events.CopyProgress(APP, "crane", MB))
    assert board.running()[0].rate == MB


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(events.AttemptFailed(APP, 1, "reset", ErrorKind.NETWORK, 2.0), id="failure"),
        pytest.param(finished(APP, Action.FAILED), id="result"),
    ],
)
def test_a_copy_ends_with_its_attempt(board: Board, event: events.Event) -> None:
    """Between attempts nothing runs."""
    board(events.CopyStarted(APP, "crane", X, 1))
    board(event)
    assert board.running() == []


def test_copies_that_were_given_up_do_not_run(board: Board) -> None:
    """An image that is configured no more, and whatever is running when work is cut off."""
    one, two = image("one"), image("two")
    for spec in (one, two):
        board(events.CopyStarted(spec, "builtin", X, attempt=1))
    board(events.ConfigAdopted((two,), added=0, changed=0, removed=1))
    assert [copy.spec for copy in board.running()] == [two]
    board(events.PassFinished("p", NO_RESULTS, 1.0, interrupted=True))
    assert board.running() == []


def test_another_engine_begins_anew(board: Board, clock: Clock) -> None:
    """Its bytes and its time are its own, and it does not run twice."""
    other = image("other")
    board(events.CopyStarted(APP, "crane", X, 1))
    board(events.CopyProgress(APP, "crane", 7 * MB))
    board(events.CopyStarted(other, "crane", X, 1))
    clock.now += 5
    board(events.CopyStarted(APP, "skopeo", X, 1))
    told = [(copy.spec, copy.engine, copy.bytes_moved, copy.elapsed) for copy in board.running()]
    assert told == [(other, "crane", 0, 5), (APP, "skopeo", 0, 0)]


def test_referrers_are_a_copy_though_nobody_says_that_they_begin(board: Board) -> None:
    """They follow the image, or come alone; in both cases the attempt is the image's."""
    board(events.CopyProgress(APP, "builtin", 10))
    assert [(copy.engine, copy.attempt) for copy in board.running()] == [("builtin", 1)]
    board(events.CopyStarted(APP, "crane", X, 3))
    board(events.CopyProgress(APP, "builtin", 20))
    (copy,) = board.running()
    assert (copy.engine, copy.attempt, copy.bytes_moved) == ("builtin", 3, 20)


def test_bytes_that_are_counted_anew_make_no_negative_rate(board: Board, clock: Clock) -> None:
    """As when the referrers follow an image that the same engine copied."""
    board(events.CopyStarted(APP, "builtin", X, 1))
    clock.now += 1
    board(events.CopyProgress(APP, "builtin", 9 * MB))
    clock.now += 1
    board(events.CopyProgress(APP, "builtin", MB))
    assert board.running()[0].rate == MB


def test_a_pause_counts_down_to_nothing(board: Board, clock: Clock) -> None:
    """Pulls may be paused longer than everything else."""
    board(events.HostPaused("a.example", 60, pulls_only=False, why="slow down"))
    board(events.HostPaused("a.example", 300, pulls_only=True, why="quota"))
    clock.now += 59
    (host,) = board.hosts()
    assert host.pause is not None
    assert (host.pause.left, host.pause.why) == (1, "slow down")
    clock.now += 1
    (host,) = board.hosts()
    assert host.pause is None
    assert host.pull_pause is not None
    assert (host.pull_pause.left, host.pull_pause.why) == (240, "quota")


def test_a_quota_is_what_the_registry_told_last(board: Board) -> None:
    """Registries that told none are not listed."""
    board(events.PullQuota("docker.io", 100, 20))
    board(events.PullQuota("docker.io", 100, 19))
    board(answered("quiet.example", 200))
    (host,) = board.hosts()
    assert (host.host, host.quota and host.quota.remaining) == ("docker.io", 19)


def test_a_registry_is_down_until_it_answers_for_itself(board: Board, clock: Clock) -> None:
    """No answer, or a gateway's, says that it is down still; a refusal says that it is there."""
    board(events.CircuitOpened("a.example", 5.0))
    clock.now += 10
    board(events.CircuitOpened("a.example", 5.0))
    for status in (None, 503):
        board(answered("a.example", status))
    (host,) = board.hosts()
    assert (host.down_since, host.asked_again_in) == (NOON, 5)
    board(answered("a.example", 404))
    (host,) = board.hosts()
    assert (host.down_since, host.asked_again_in) == (None, 0)


def test_registries_of_removed_images_are_forgotten(board: Board) -> None:
    """A process that runs for months keeps those that are configured."""
    for host in ("a.example", "c.example", "b.example"):
        board(events.PullQuota(host, 100, 20))
    board(adopted(APP))
    assert [host.host for host in board.hosts()] == ["a.example", "c.example"]


def test_a_pass_counts_what_is_done(board: Board, clock: Clock) -> None:
    """While it runs; afterwards it is the last one."""
    board(events.PassPlanned(5.0))
    board(events.PassStarted("p1", 3, dry_run=False))
    board(finished(APP, Action.PULLED))
    board(finished(image("b"), Action.FAILED))
    clock.now += 7
    current, last = board.current_pass, board.last_pass
    assert current is not None
    assert last is None
    assert (current.done, current.images, current.pulled, current.failed) == (2, 3, 1, 1)
    assert (current.began_at, current.elapsed, board.next_pass_in) == (NOON, 7, None)
    tally = Tally.of([result(APP, Action.PULLED)])
    board(events.PassFinished("p1", tally, 7.0, interrupted=False))
    current, last = board.current_pass, board.last_pass
    assert current is None
    assert last is not None
    assert (last.tally, last.ended_at) == (tally, clock.wall())


def test_the_next_pass_comes_closer(board: Board, clock: Clock) -> None:
    """And is never overdue by less than nothing."""
    board(events.PassPlanned(600))
    told = []
    for _ in range(2):
        clock.now += 590
        told.append(board.next_pass_in)
    assert told == [10, 0]


def test_a_rejected_configuration_is_told_until_one_is_adopted(board: Board, clock: Clock) -> None:
    """The one in force stays in force meanwhile."""
    board(adopted(APP))
    clock.now += 60
    board(events.ConfigRejected(("images[0].tag: wrong",)))
    assert (board.config.adopted_at, board.config.rejected_at) == (NOON, clock.wall())
    assert board.config.problems == ("images[0].tag: wrong",)
    board(adopted(APP))
    assert board.config == ConfigState(adopted_at=clock.wall())


def test_who_leads_and_how_it_ends_are_told(board: Board, clock: Clock) -> None:
    """As soon as it is known, with the seconds that are left."""
    board(events.LeadershipChanged(leads=False, leader="pod-1"))
    board(events.Stopping(15, copies=1, grace=25.0))
    clock.now += 5
    assert board.leadership is not None
    assert (board.leadership.leads, board.leadership.leader) == (False, "pod-1")
    assert board.shutdown is not None
    assert (board.shutdown.signal, board.shutdown.grace_left) == (15, 20)
    assert board.uptime == 5


def test_ten_thousand_images_fit_in_little_memory() -> None:
    """Their results included, a kilobyte each at most; and no more after another pass."""
    specs = [image(f"app-{n}") for n in range(10_000)]
    board = Board()

    def one_pass() -> None:
        for spec in specs:
            done = result(spec, Action.ALREADY_CACHED)
            board(events.ImageFinished(done))

    board(events.ConfigAdopted(tuple(specs), added=10_000, changed=0, removed=0))
    tracemalloc.start()
    try:
        one_pass()
        first = tracemalloc.get_traced_memory()[0]
        one_pass()
        second = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert first < 10_000 * 1_000
    assert second < first * 1.1


def test_every_event_is_taken() -> None:
    """None raises, on a board that knows nothing yet."""
    board = Clock().board()
    for event in (
        events.PassFinished("p", NO_RESULTS, 1.0, interrupted=True),
        events.TagMoved(APP, APP.target_reference, None, Digest.of(b"y")),
        events.Warned("ledger", "unreadable"),
        answered("a.example", 200),
        events.AttemptFailed(APP, 1, "reset", ErrorKind.NETWORK, 1.0),
    ):
        board(event)
    assert board.images() == []
