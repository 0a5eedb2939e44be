"""A pass: who has a turn, what follows from a failure, and that every image gets one result.

In virtual time, with scripted checks and copies: what they stand for is tested on sockets.
"""

import tracemalloc

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.errors import CopyError, EngineError, ErrorKind, ImageSyncError, RegistryError, Side
from image_sync.events import AttemptFailed, Event, ImageFinished, Warned
from image_sync.model import Action, Reason, SyncResult, Verdict
from image_sync.sync import Limits, Pass
from image_sync.sync.copy import Deferred
from image_sync.sync.failure import COMMIT
from image_sync.sync.plan import Copy, Decision, Defer, Fail, Keep
from tests.clock import START, VIRTUAL_TIME, Backend, run_virtually
from tests.sync.scene import make_spec
from tests.sync.script import COPY, DONE, C, Script, Step, Unbegun, X, a_pass, named, summary

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


def limited(seconds: float | None, side: Side = Side.SOURCE) -> RegistryError:
    return RegistryError("slow down", ErrorKind.RATE_LIMITED, side=side, retry_after=seconds)


def down(side: Side = Side.TARGET) -> RegistryError:
    """A circuit is open."""
    return RegistryError("asked again later", ErrorKind.UNAVAILABLE, side=side, retry_after=30.0)


def broken(kind: ErrorKind, side: Side | None = None) -> EngineError:
    return EngineError("it broke", kind, engine="crane", side=side)


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        pytest.param(
            Keep(X), (Action.ALREADY_CACHED, Reason.UNCHANGED, None, Verdict.UNCHANGED), id="keep"
        ),
        pytest.param(Defer(), (Action.SKIPPED, Reason.DEFERRED, None, Verdict.UNKNOWN), id="defer"),
        pytest.param(
            Copy(X, Verdict.MISSING),
            (Action.PULLED, Reason.MISSING, None, Verdict.MISSING),
            id="missing",
        ),
        pytest.param(COPY, (Action.PULLED, Reason.CHANGED, None, Verdict.CHANGED), id="changed"),
        pytest.param(
            Fail(
                Reason.SOURCE_GONE,
                RegistryError("gone", ErrorKind.NOT_FOUND, side=Side.SOURCE),
            ),
            (Action.FAILED, Reason.SOURCE_GONE, ErrorKind.NOT_FOUND, Verdict.GONE),
            id="gone",
        ),
    ],
)
async def test_a_decision_becomes_a_result(decision: Decision, expected: object) -> None:
    """Action, reason, kind of error and verdict follow from what the check decided."""
    [result] = await a_pass(Script({"a": [decision]}), named("a")).run()
    assert (*summary(result), result.verdict) == expected
    assert (result.remote_digest, result.cached_digest) == (X, C)
    assert result.expected_digest == (None if isinstance(decision, Defer | Fail) else X)


async def test_results_come_in_the_order_of_the_specs_and_once_as_an_event() -> None:
    """However long each image takes, the report has the order of the configuration."""
    events: list[Event] = []
    script = Script(copies={"a": [9.0, DONE], "b": [1.0, DONE], "c": [5.0, DONE]})
    results = await a_pass(script, named("a", "b", "c"), events).run()
    assert [result.spec.target_tag for result in results] == ["a", "b", "c"]
    finished = [event.result for event in events if isinstance(event, ImageFinished)]
    assert sorted(map(id, finished)) == sorted(map(id, results))


async def test_a_pass_over_nothing_is_over() -> None:
    """No image, no result, no waiting."""
    assert await a_pass(Script(), []).run() == []


async def test_the_same_spec_twice_gets_two_results() -> None:
    """Every entry counts, whatever it says."""
    results = await a_pass(Script(), named("a", "a")).run()
    assert [result.action for result in results] == [Action.PULLED, Action.PULLED]


async def test_an_attempt_that_may_pass_is_made_three_times_with_growing_pauses() -> None:
    """Three attempts, ten and a hundred seconds apart here; the last failure is the result's."""
    events: list[Event] = []
    script = Script(copies={"a": [broken(ErrorKind.NETWORK)]})
    [result] = await a_pass(script, named("a"), events).run()
    assert script.times("copy", "a") == [0.0, 10.0, 110.0]
    assert summary(result) == (Action.FAILED, Reason.COPY_FAILED, ErrorKind.NETWORK)
    assert (result.attempts, result.engine) == (3, "crane")
    again = [event for event in events if isinstance(event, AttemptFailed)]
    assert [(event.attempt, event.retry_in) for event in again] == [(1, 10.0), (2, 100.0)]


async def test_waiting_for_the_next_attempt_holds_no_place() -> None:
    """With one place, another image is copied between two attempts, and the clock stops."""
    script = Script(copies={"a": [2.0, broken(ErrorKind.NETWORK), 2.0, DONE], "b": [5.0, DONE]})
    first, second = await a_pass(script, named("a", "b"), concurrency=1).run()
    assert script.times("copy", "b") == [2.0]
    assert script.times("copy", "a") == [0.0, 12.0]
    assert (first.duration, second.duration) == (4.0, 5.0)
    assert (first.action, first.attempts) == (Action.PULLED, 2)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(broken(ErrorKind.DENIED), Reason.COPY_FAILED, id="denied"),
        pytest.param(
            EngineError("no engine can do this", ErrorKind.TOOL, engine=""),
            Reason.COPY_FAILED,
            id="no tool at all",
        ),
        pytest.param(
            CopyError("wrong", ErrorKind.BAD_CONTENT, operation="verify", side=Side.TARGET),
            Reason.COMMIT_FAILED,
            id="arrived wrong",
        ),
        pytest.param(
            RegistryError("refused", ErrorKind.REFUSED_BY_TARGET, side=Side.TARGET),
            Reason.COMMIT_FAILED,
            id="tag refused",
        ),
        pytest.param(limited(None), Reason.COPY_FAILED, id="limited for nobody knows how long"),
    ],
)
async def test_what_will_not_pass_is_not_tried_again(error: ImageSyncError, reason: Reason) -> None:
    """One attempt, and a result that says which part of the work failed."""
    script = Script(copies={"a": [error]})
    [result] = await a_pass(script, named("a")).run()
    assert summary(result) == (Action.FAILED, reason, error.kind)
    assert script.times("copy", "a") == [0.0]
    assert result.error
    assert error.message in result.error
    assert error.hint in result.error


@pytest.mark.parametrize("lane", ["check", "copy"])
async def test_a_short_pause_is_waited_for_without_a_place_and_costs_no_attempt(lane: str) -> None:
    """The image comes back when its host may be asked, and others have their turns meanwhile."""
    fail = Fail(Reason.SOURCE_UNKNOWN, limited(40.0))
    script = Script(
        {"a": [fail, COPY] if lane == "check" else [COPY]},
        {"a": [Unbegun(limited(40.0)), DONE] if lane == "copy" else [DONE]},
    )
    first, second = await a_pass(script, named("a", "b"), concurrency=1, check_concurrency=1).run()
    assert script.times(lane, "a") == [0.0, 40.0]
    assert script.times("copy", "b") == [0.0]
    assert (first.action, first.attempts, first.duration) == (Action.PULLED, 1, 0.0)
    assert second.action is Action.PULLED


@pytest.mark.parametrize(
    ("pauses", "began"),
    [
        pytest.param([60.5], [0.0], id="one that is too long"),
        pytest.param([40.0, 40.0], [0.0, 40.0], id="two that are too long together"),
        pytest.param([0.0] * 100, [float(n) for n in range(66)], id="many of no length"),
    ],
)
async def test_an_image_waits_a_minute_in_all_and_then_fails_as_limited(
    pauses: list[float], began: list[float]
) -> None:
    """A pass does not hang on a host that wants to be left alone."""
    script = Script(copies={"a": [Unbegun(limited(pause)) for pause in pauses]})
    [result] = await a_pass(script, named("a")).run()
    assert script.times("copy", "a") == began
    assert summary(result) == (Action.FAILED, Reason.COPY_FAILED, ErrorKind.RATE_LIMITED)


async def test_a_copy_that_a_pause_cuts_short_was_begun_and_counts() -> None:
    """Three copies are begun at most, whatever ends them."""
    script = Script(copies={"a": [limited(5.0)]})
    [result] = await a_pass(script, named("a")).run()
    assert script.times("copy", "a") == [0.0, 5.0, 10.0]
    assert (result.reason, result.attempts) == (Reason.COPY_FAILED, 3)


async def test_a_host_that_goes_down_while_images_are_copied_is_waited_for() -> None:
    """Its circuit says when it is asked again: until then nothing is tried, and nothing used up."""
    script = Script(copies={"a": [Unbegun(down()), Unbegun(down()), DONE], "b": [DONE]})
    first, second = await a_pass(script, named("a", "b"), concurrency=1).run()
    assert script.times("copy", "a") == [0.0, 30.0, 60.0]
    assert script.times("copy", "b") == [0.0]
    assert (first.action, first.attempts, second.action) == (Action.PULLED, 1, Action.PULLED)


async def test_a_host_that_stays_down_fails_what_was_to_be_copied_after_a_minute() -> None:
    """The same patience as with a pause; then it is the cache that could not be asked."""
    script = Script(copies={"a": [Unbegun(down())]})
    [result] = await a_pass(script, named("a")).run()
    assert script.times("copy", "a") == [0.0, 30.0, 60.0]
    assert summary(result) == (Action.FAILED, Reason.TARGET_UNKNOWN, ErrorKind.UNAVAILABLE)
    assert result.attempts == 0


async def test_a_host_that_is_down_when_it_is_checked_is_not_waited_for() -> None:
    """A dead host does not make a pass long."""
    script = Script({"a": [Fail(Reason.SOURCE_UNKNOWN, down(Side.SOURCE))]})
    [result] = await a_pass(script, named("a")).run()
    assert script.times("check", "a") == [0.0]
    assert summary(result) == (Action.FAILED, Reason.SOURCE_UNKNOWN, ErrorKind.UNAVAILABLE)


@pytest.mark.parametrize(
    ("kind", "began"),
    [
        pytest.param(ErrorKind.DENIED, [0.0], id="for good"),
        pytest.param(ErrorKind.NETWORK, [0.0, 10.0, 110.0], id="may pass"),
    ],
)
async def test_a_cache_that_fails_before_a_copy_begins_could_not_be_checked(
    kind: ErrorKind, began: list[float]
) -> None:
    """No commit failed, no copy was begun; it is tried as often as a copy."""
    events: list[Event] = []
    error = RegistryError("no", kind, side=Side.TARGET)
    script = Script(copies={"a": [Unbegun(error)]})
    [result] = await a_pass(script, named("a"), events).run()
    assert script.times("copy", "a") == began
    assert summary(result) == (Action.FAILED, Reason.TARGET_UNKNOWN, kind)
    assert result.attempts == 0
    again = [event.attempt for event in events if isinstance(event, AttemptFailed)]
    assert again == list(range(1, len(began)))


async def test_a_limited_check_that_nobody_waits_for_fails_with_its_reason() -> None:
    """`could not check` stays that, with its side."""
    fail = Fail(Reason.TARGET_UNKNOWN, limited(3600.0, Side.TARGET))
    [result] = await a_pass(Script({"a": [fail]}), named("a")).run()
    assert summary(result) == (Action.FAILED, Reason.TARGET_UNKNOWN, ErrorKind.RATE_LIMITED)
    assert result.error_side is Side.TARGET


async def test_a_hanging_host_delays_nobody_else() -> None:
    """Its images hold at most their share of either lane; the pass's time ends them."""
    hanging = named(*(f"h{number}" for number in range(200)), host="hangs.test")
    slow = named(*(f"s{number}" for number in range(5)), host="slow.test")
    others = named(*(f"o{number}" for number in range(20)), host="works.test")
    script = Script(
        {spec.target_tag: [anyio.sleep_forever] for spec in hanging},
        {spec.target_tag: [anyio.sleep_forever] for spec in slow}
        | {spec.target_tag: [1.0, DONE] for spec in others},
    )
    specs = [*hanging, *slow, *others]
    results = await a_pass(script, specs, check_concurrency=10, timeout=900.0).run()
    actions = {result.spec.target_tag: summary(result) for result in results}
    assert all(actions[spec.target_tag][0] is Action.PULLED for spec in others)
    cut = (Action.FAILED, Reason.PASS_TIMEOUT, ErrorKind.TIMEOUT)
    assert all(actions[spec.target_tag] == cut for spec in [*hanging, *slow])
    assert script.most["check hangs.test"] == 5
    assert script.most["copy slow.test"] == 1
    assert max(time for spec in others for time in script.times("copy", spec.target_tag)) < 20


async def test_an_image_that_is_out_of_time_tells_what_stood_in_its_way() -> None:
    """That the time was over is no cause that an operator can remove; the last failure is."""
    script = Script(copies={"a": [broken(ErrorKind.NETWORK)], "b": [anyio.sleep_forever]})
    waiting, hanging = await a_pass(script, named("a", "b"), timeout=50.0).run()
    assert waiting.reason is hanging.reason is Reason.PASS_TIMEOUT
    assert waiting.error is not None
    assert "; it failed last with: " in waiting.error
    assert hanging.error == "settings.pass_timeout_secs was over before this image was done"


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (2, 1), (5, 4)], ids=str)
async def test_one_host_never_holds_all_places_while_another_has_work(
    concurrency: int, most: int
) -> None:
    """All but one; with a single place there is no other way than to take turns."""
    crowd = named(*(f"c{number}" for number in range(12)), host="crowd.test")
    single = named("single", host="single.test")
    copies: dict[str, list[Step]] = {spec.target_tag: [10.0, DONE] for spec in crowd}
    script = Script(copies=copies | {"single": [500.0, DONE]})
    await a_pass(script, [*crowd, *single], concurrency=concurrency).run()
    assert script.times("copy", "single")[0] <= 10.0
    assert script.most["copy crowd.test"] == most
    assert script.most["copy"] == concurrency


async def test_one_host_gets_all_places_once_it_is_alone() -> None:
    """Places that nobody else can use are not kept empty."""
    crowd = named("a", "b", "c", host="crowd.test")
    script = Script({"single": [4.0, Keep(X)]}, {spec.target_tag: [10.0, DONE] for spec in crowd})
    await a_pass(script, [*crowd, *named("single", host="other.test")], concurrency=3).run()
    assert [script.times("copy", tag) for tag in "abc"] == [[0.0], [0.0], [4.0]]


async def test_one_host_checks_at_most_32_at_once_even_alone() -> None:
    """The bound that keeps us polite to a registry."""
    specs = named(*(f"t{number}" for number in range(100)))
    script = Script({spec.target_tag: [1.0, Keep(X)] for spec in specs})
    await a_pass(script, specs, check_concurrency=64).run()
    assert script.most["check"] == 32


async def test_stopping_ends_the_pass_and_leaves_no_image_without_a_result() -> None:
    """What runs is cancelled and waited for; what was done stays done; the rest is interrupted."""
    ended = []

    async def work_on() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
            ended.append(anyio.current_time() - START)

    script = Script({"w": [anyio.sleep_forever]}, {"a": [1.0, DONE], "b": [work_on]})
    passing = a_pass(script, named("a", "b", "c", "w"), concurrency=1)
    results: list[SyncResult] = []

    async def run() -> None:
        results.extend(await passing.run())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.sleep(30)
        passing.stop()
    assert ended == [35.0]
    interrupted = (Action.FAILED, Reason.INTERRUPTED, ErrorKind.INTERRUPTED)
    assert summary(results[0]) == (Action.PULLED, Reason.CHANGED, None)
    assert [summary(result) for result in results[1:]] == [interrupted] * 3
    assert [result.verdict for result in results[1:]] == [
        Verdict.CHANGED,
        Verdict.CHANGED,
        Verdict.UNKNOWN,
    ]
    assert (results[1].duration, results[1].attempts) == (34.0, 1)


async def test_a_pass_that_is_stopped_before_it_begins_asks_nobody() -> None:
    """A signal during start-up is not lost."""
    script = Script()
    passing = a_pass(script, named("a"))
    passing.stop()
    [result] = await passing.run()
    assert summary(result) == (Action.FAILED, Reason.INTERRUPTED, ErrorKind.INTERRUPTED)
    assert script.began == []


@pytest.mark.parametrize("lane", ["check", "copy"])
async def test_a_bug_met_with_one_image_is_that_images_own_result(lane: str) -> None:
    """It says what and where, on one line; every other image is done as if nothing happened."""
    bug = KeyError("nobody\nthought of this")
    script = Script(
        {"a": [bug] if lane == "check" else [COPY]}, {"a": [bug] if lane == "copy" else [DONE]}
    )
    first, second = await a_pass(script, named("a", "b")).run()
    assert summary(first) == (Action.FAILED, Reason.INTERNAL, ErrorKind.INTERNAL)
    assert first.error
    assert "KeyError" in first.error
    assert "script.py:" in first.error
    assert "\n" not in first.error
    assert second.action is Action.PULLED


async def test_a_bug_inside_a_task_group_is_told_as_what_it_is() -> None:
    """Not as "unhandled errors in a TaskGroup", with the place where the group was opened."""

    async def stumble() -> None:
        raise KeyError("nobody thought of this")

    async def work() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stumble)

    [result] = await a_pass(Script({"a": [work]}), named("a")).run()
    assert result.error
    assert "KeyError" in result.error
    assert "TaskGroup" not in result.error
    assert f"test_runner.py:{stumble.__code__.co_firstlineno + 1}" in result.error


async def test_a_digest_that_is_gone_when_it_is_copied_is_checked_once_more() -> None:
    """The tag may have moved since its check (fault row 55); the digest is named as doubtful."""
    gone = broken(ErrorKind.NOT_FOUND, Side.SOURCE)
    moved = Script({"a": [COPY, COPY]}, {"a": [gone, DONE]})
    [result] = await a_pass(moved, named("a")).run()
    assert (result.action, result.attempts) == (Action.PULLED, 2)
    assert moved.doubted == [None, X]
    stays = Script({"a": [COPY]}, {"a": [gone]})
    [result] = await a_pass(stays, named("a")).run()
    assert summary(result) == (Action.FAILED, Reason.COPY_FAILED, ErrorKind.NOT_FOUND)
    assert stays.doubted == [None, X]


def contested() -> CopyError:
    """The tag names what another writer put there."""
    return CopyError("", ErrorKind.BAD_CONTENT, operation=COMMIT, side=Side.TARGET)


async def test_a_tag_that_another_writer_moves_meanwhile_is_checked_once_more() -> None:
    """What that one put there may be what is wanted; the digest itself is not in doubt."""
    script = Script({"a": [COPY, Keep(X)]}, {"a": [contested()]})
    [result] = await a_pass(script, named("a")).run()
    assert summary(result) == (Action.ALREADY_CACHED, Reason.UNCHANGED, None)
    assert script.doubted == [None, None]
    assert script.times("copy", "a") == [0.0]


async def test_a_tag_that_others_keep_moving_fails_its_image() -> None:
    """After the second time: two writers disagree, or the cache does not do its part."""
    script = Script(copies={"a": [contested()]})
    [result] = await a_pass(script, named("a")).run()
    assert summary(result) == (Action.FAILED, Reason.COMMIT_FAILED, ErrorKind.BAD_CONTENT)
    assert (len(script.times("check", "a")), result.attempts) == (2, 2)


async def test_a_copy_that_is_not_affordable_is_deferred_and_counts_as_no_attempt() -> None:
    """Skipped, not failed."""
    [result] = await a_pass(Script(copies={"a": [Deferred()]}), named("a")).run()
    assert summary(result) == (Action.SKIPPED, Reason.DEFERRED, None)
    assert result.attempts == 0


async def test_a_dry_run_decides_the_same_and_copies_nothing() -> None:
    """What would be copied is skipped with the reason of the copy, deferred where that would be."""
    script = Script({"a": [COPY], "b": [Keep(X)]})
    first, second = await a_pass(script, named("a", "b"), dry_run=True).run()
    assert summary(first) == (Action.SKIPPED, Reason.CHANGED, None)
    assert (first.expected_digest, first.cost_bytes) == (X, None)
    assert second.action is Action.ALREADY_CACHED
    [costly] = await a_pass(Script(), named("a"), dry_run=True, cost=True).run()
    assert costly.cost_bytes == 4_711
    poor = Script()
    poor.rich = False
    [deferred] = await a_pass(poor, named("a"), dry_run=True).run()
    assert summary(deferred) == (Action.SKIPPED, Reason.DEFERRED, None)
    assert not [entry for entry in [*script.began, *poor.began] if entry[0] == "copy"]


async def test_a_cost_that_cannot_be_found_out_changes_no_decision() -> None:
    """The image is skipped with its reason all the same, and that the cost is missing is said."""
    events: list[Event] = []
    script = Script()
    script.cost_steps = [
        CopyError("a hole", ErrorKind.BLOB_MISSING, operation="verify", side=Side.SOURCE)
    ]
    [result] = await a_pass(script, named("a"), events, dry_run=True, cost=True).run()
    assert summary(result) == (Action.SKIPPED, Reason.CHANGED, None)
    assert (result.cost_bytes, result.error, result.expected_digest) == (None, None, X)
    [warning] = [event for event in events if isinstance(event, Warned)]
    assert "a hole" in warning.message
    assert str(result.spec) in warning.message


async def test_a_cost_is_waited_for_when_its_host_wants_to_be_left_alone_for_a_while() -> None:
    """As every other question to it."""
    script = Script()
    script.cost_steps = [limited(20.0), 4_711]
    [result] = await a_pass(script, named("a"), dry_run=True, cost=True).run()
    assert script.times("check", "a") == [0.0, 20.0]
    assert result.cost_bytes == 4_711


_KINDS = st.sampled_from(sorted(ErrorKind))
_SIDES = st.sampled_from([*Side, None])
_ERRORS = st.one_of(
    st.builds(broken, _KINDS, _SIDES),
    st.builds(limited, st.none() | st.floats(0, 100), st.sampled_from(Side)),
    st.builds(ValueError, st.text(max_size=20)),
    st.builds(lambda kind: CopyError("bad", kind, operation="verify", side=Side.TARGET), _KINDS),
)
_PAUSES = st.floats(0, 400).map(float)
_CHECKS = st.lists(
    st.one_of(
        st.sampled_from([Keep(X), COPY, Defer()]),
        st.builds(
            lambda error: Fail(Reason.SOURCE_UNKNOWN, error),
            st.builds(limited, st.none() | st.floats(0, 100)),
        ),
        _ERRORS,
        _PAUSES,
    ),
    max_size=3,
)
_COPIES = st.lists(
    st.one_of(st.sampled_from([DONE, Deferred()]), _ERRORS, st.builds(Unbegun, _ERRORS), _PAUSES),
    max_size=5,
)


@given(
    scripts=st.lists(
        st.tuples(st.sampled_from(["one.test", "two.test", "three.test"]), _CHECKS, _COPIES),
        max_size=8,
    ),
    concurrency=st.integers(1, 4),
    timeout=st.none() | st.floats(1, 2_000),
    dry_run=st.booleans(),
)
def test_whatever_happens_every_image_gets_one_result_and_the_bounds_hold(
    scripts: list[tuple[str, list[Step], list[Step]]],
    concurrency: int,
    timeout: float | None,
    dry_run: bool,  # noqa: FBT001 - drawn
) -> None:
    """One result and one event for each, never too many copies, at most three attempts."""
    specs = [make_spec(tag=f"t{n}", source=host) for n, (host, _, _) in enumerate(scripts)]
    script = Script(
        {f"t{n}": [*checks, COPY] for n, (_, checks, _) in enumerate(scripts)},
        {f"t{n}": [*copies, DONE] for n, (_, _, copies) in enumerate(scripts)},
    )
    events: list[Event] = []
    limits = {"concurrency": concurrency, "timeout": timeout, "dry_run": dry_run}

    async def run() -> list[SyncResult]:
        return await a_pass(script, specs, events, **limits).run()

    results = run_virtually(run)
    assert [result.spec for result in results] == specs
    finished = [event.result for event in events if isinstance(event, ImageFinished)]
    assert sorted(map(id, finished)) == sorted(map(id, results))
    assert script.most["copy"] <= (0 if dry_run else concurrency)
    assert script.at_work.total() == 0
    for result in results:
        assert 0 <= result.attempts <= 3
        assert (result.action is Action.FAILED) == (result.error is not None)
        assert (result.error is None) == (result.error_kind is None)


def test_an_image_costs_the_pass_little_memory() -> None:
    """Under 2 kB for each, with its result, so that 10,000 images stay below the bound of all."""

    async def weigh(count: int) -> int:
        specs = named(*(f"t{number}" for number in range(count)))
        script = Script({spec.target_tag: [Keep(X)] for spec in specs})
        tracemalloc.start()
        results = await Pass(specs, script, script, script, LIMITS, lambda _: None).run()
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(results) == count
        return used - len(script.began) * 200  # the script's own notes: a tuple and a float each

    few, many = run_virtually(lambda: weigh(500)), run_virtually(lambda: weigh(2_500))
    assert (many - few) / 2_000 < 2_000


LIMITS = Limits(concurrency=2, check_concurrency=64)
