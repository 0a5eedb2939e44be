"""Images worked on as they come due, by a runner that goes on until it is closed.

In virtual time, with scripted checks and copies: what they stand for is tested on sockets.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count

import anyio
import anyio.lowlevel
import pytest

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.events import Event
from image_sync.model import Action, ImageSpec, Reason, SyncResult
from image_sync.sync import Limits, Runner, interrupted, out_of_time
from image_sync.sync.plan import Fail, Keep
from tests.clock import START, VIRTUAL_TIME, Backend
from tests.sync.script import COPY, DONE, Script, Step, Unbegun, X, named, summary

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


class Lasting:
    """A runner at work, and what came of it so far."""

    def __init__(self, script: Script, concurrency: int, seconds: float | None = None) -> None:
        self.script = script
        self.events: list[Event] = []
        self.results: list[SyncResult] = []
        self.times: list[float] = []
        self.over = anyio.Event()
        limits = Limits(
            concurrency=concurrency, check_concurrency=64, timeout=seconds, lasting=True
        )
        self.runner = Runner(
            script, script, script, limits, self.events.append, self._note, backoff=lambda _: 10.0
        )

    def _note(self, result: SyncResult) -> None:
        self.results.append(result)
        self.times.append(anyio.current_time() - START)

    async def run(self) -> None:
        await self.runner.run()
        self.over.set()

    @property
    def tags(self) -> list[str]:
        return [result.spec.target_tag for result in self.results]

    async def at(self, seconds: float) -> None:
        """Go on until so many seconds after the start."""
        await anyio.sleep(START + seconds - anyio.current_time())
        for _ in range(20):  # and then until nothing more follows from what happened just now
            await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def lasting(
    script: Script,
    specs: Sequence[ImageSpec] = (),
    *,
    concurrency: int = 2,
    seconds: float | None = None,
) -> AsyncIterator[Lasting]:
    """A runner with some images; it must end once it is closed and idle."""
    scene = Lasting(script, concurrency, seconds)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(scene.run)
        for spec in specs:
            scene.runner.put(spec)
        await scene.at(0.0)
        yield scene
        scene.runner.close()
        await scene.over.wait()


def limited(seconds: float, kind: ErrorKind = ErrorKind.RATE_LIMITED) -> RegistryError:
    return RegistryError("slow down", kind, side=Side.SOURCE, retry_after=seconds)


async def stuck() -> None:
    await anyio.sleep_forever()


async def test_an_idle_runner_goes_on_until_it_is_closed() -> None:
    """Nothing to do is no reason to end."""
    async with lasting(Script()) as scene:
        await scene.at(86_400.0)
        assert not scene.over.is_set()


async def test_images_may_be_put_at_any_time() -> None:
    """Into an idle runner, and into one that is busy; one may come again."""
    first, second = named("a", "b")
    script = Script(copies={"a": [20.0, DONE, DONE]})
    async with lasting(script, [first]) as scene:
        await scene.at(10.0)
        scene.runner.put(second)
        await scene.at(100.0)
        assert (scene.tags, scene.times) == (["b", "a"], [10.0, 20.0])
        scene.runner.put(first)
        await scene.at(101.0)
        assert scene.tags == ["b", "a", "a"]


async def test_a_closed_runner_ends_when_the_last_image_has_its_result() -> None:
    """Not before, and at once then."""
    async with lasting(Script(copies={"a": [50.0, DONE]}), named("a")) as scene:
        scene.runner.close()
        await scene.at(49.0)
        assert not scene.over.is_set()
    assert scene.times == [50.0]


async def test_how_many_are_copied_now_is_known() -> None:
    """What waits for a place is none of them."""
    script = Script(copies={"a": [50.0, DONE], "b": [60.0, DONE]})
    async with lasting(script, named("a", "b", "c")) as scene:
        assert scene.runner.copies == 2
        await scene.at(55.0)
        assert scene.runner.copies == 1
    assert scene.runner.copies == 0


async def test_a_drained_runner_finishes_what_it_works_on_and_gives_back_the_rest() -> None:
    """What waits for a place, or between two attempts, is given back at once."""
    flaky = RegistryError("reset", ErrorKind.NETWORK, side=Side.SOURCE)
    script = Script(copies={"a": [50.0, DONE], "b": [flaky], "d": [DONE], "c": [20.0, DONE]})
    async with lasting(script, named("b")) as scene:
        for spec in named("a", "c", "d"):
            scene.runner.put(spec)
        await scene.at(5.0)
        assert scene.runner.copies == 2
        scene.runner.drain(interrupted)
        assert sorted(scene.tags) == ["b", "d"]
        assert {result.reason for result in scene.results} == {Reason.INTERRUPTED}
        await scene.at(60.0)
        assert scene.tags[2:] == ["c", "a"]
        assert [result.action for result in scene.results[2:]] == [Action.PULLED] * 2
        assert scene.script.times("copy", "d") == []


async def test_what_is_checked_while_a_runner_drains_is_not_copied() -> None:
    """Nothing new is begun."""
    async with lasting(Script({"a": [10.0, COPY], "b": [10.0, Keep(X)]}), named("a", "b")) as scene:
        scene.runner.drain(interrupted)
        await scene.at(20.0)
    outcome = {result.spec.target_tag: result.reason for result in scene.results}
    assert outcome == {"a": Reason.INTERRUPTED, "b": Reason.UNCHANGED}
    assert scene.script.times("copy", "a") == []


async def test_what_is_put_into_a_draining_runner_is_given_back() -> None:
    """At once, with its result."""
    async with lasting(Script()) as scene:
        scene.runner.drain(interrupted)
        scene.runner.put(named("a")[0])
        assert [summary(result)[1] for result in scene.results] == [Reason.INTERRUPTED]


async def test_a_failed_copy_is_not_tried_again_by_a_draining_runner() -> None:
    """It is given back, to be begun anew by another."""
    flaky = RegistryError("reset", ErrorKind.NETWORK, side=Side.SOURCE)
    async with lasting(Script(copies={"a": [10.0, flaky]}), named("a")) as scene:
        scene.runner.drain(interrupted)
        await scene.at(1000.0)
    [result] = scene.results
    assert (result.reason, result.attempts, scene.times) == (Reason.INTERRUPTED, 1, [10.0])


async def test_one_image_is_ended_and_the_others_go_on() -> None:
    """In the middle of its copy, or while it waits for a place."""
    script = Script(copies={"a": [50.0, DONE], "b": [60.0, DONE], "c": [DONE]})
    specs = named("a", "b", "c")
    async with lasting(script, specs) as scene:
        scene.runner.end(interrupted, specs[2])
        assert (scene.tags, scene.times) == (["c"], [0.0])
        scene.runner.end(interrupted, specs[0])
        await scene.at(1.0)
        assert (scene.tags, scene.times) == (["c", "a"], [0.0, 0.0])
    assert scene.results[-1].action is Action.PULLED


async def test_an_ended_image_that_is_put_again_has_a_result_of_its_own() -> None:
    """The same image under a changed configuration is another spec."""
    [before], [after] = named("a"), named("a")
    script = Script(copies={"a": [50.0, DONE, DONE]})
    async with lasting(script, [before]) as scene:
        scene.runner.end(interrupted, before)
        scene.runner.put(after)
        await scene.at(60.0)
    reasons = {id(result.spec): result.reason for result in scene.results}
    assert reasons == {id(before): Reason.INTERRUPTED, id(after): Reason.CHANGED}


async def test_ending_all_twice_gives_each_one_result() -> None:
    """The time of a pass may be over just as the process is told to end."""
    script = Script(copies={"a": [50.0, DONE]})
    async with lasting(script, named("a", "b", "c", "d"), concurrency=1) as scene:
        scene.runner.end(out_of_time)
        scene.runner.end(interrupted)
        await scene.at(1.0)
        assert sorted(scene.tags) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("lane", ["check", "copy"])
async def test_an_image_of_a_host_paused_for_long_comes_back_later(lane: str) -> None:
    """It waits for the host, holds nothing up, and is no failure; it is told when to come again."""
    script = Script(
        {"a": [Fail(Reason.SOURCE_UNKNOWN, limited(900.0)) if lane == "check" else COPY]},
        {"a": [Unbegun(limited(900.0))]},
    )
    async with lasting(script, named("a")) as scene:
        await scene.at(1.0)
        [result] = scene.results
    assert summary(result) == (Action.SKIPPED, Reason.PAUSED, ErrorKind.RATE_LIMITED)
    assert (result.again_in, result.error_side, result.attempts) == (900.0, Side.SOURCE, 0)
    assert result.error
    assert "slow down" in result.error


async def test_pauses_that_are_too_long_together_end_the_same_way() -> None:
    """An image waits here for a minute in all, and leaves then with the last pause."""
    steps: list[Step] = [Unbegun(limited(40.0)), Unbegun(limited(40.0)), DONE]
    async with lasting(Script(copies={"a": steps}), named("a")) as scene:
        await scene.at(100.0)
        [result] = scene.results
    assert (result.reason, result.again_in, scene.times) == (Reason.PAUSED, 40.0, [40.0])


@pytest.mark.parametrize("lane", ["check", "copy"])
async def test_a_host_that_is_down_is_a_failure_and_no_pause(lane: str) -> None:
    """Nobody asked to be left alone."""
    error = limited(900.0, ErrorKind.UNAVAILABLE)
    decision = Fail(Reason.SOURCE_UNKNOWN, error) if lane == "check" else COPY
    async with lasting(Script({"a": [decision]}, {"a": [Unbegun(error)]}), named("a")) as scene:
        await scene.at(1000.0)
        [result] = scene.results
    assert (result.action, result.again_in) == (Action.FAILED, None)


async def test_a_bug_met_with_one_image_is_its_failure_and_nobody_elses() -> None:
    """The runner goes on, and the same image may come again."""
    first, second = named("a", "b")
    script = Script({"a": [KeyError("oops"), COPY]})
    async with lasting(script, [first, second]) as scene:
        await scene.at(1.0)
        scene.runner.put(first)
        await scene.at(2.0)
    outcomes = [(result.spec.target_tag, result.reason) for result in scene.results]
    assert sorted(outcomes) == [
        ("a", Reason.CHANGED),
        ("a", Reason.INTERNAL),
        ("b", Reason.CHANGED),
    ]


async def test_a_hanging_host_leaves_a_place_for_one_that_is_expected() -> None:
    """Also when it was there first and alone: what comes due later is not delayed."""
    script = Script(copies={tag: [stuck] for tag in ("a", "b", "c")} | {"d": [DONE]})
    async with lasting(script) as scene:
        scene.runner.expect({"hung.test", "fine.test"})
        for spec in named("a", "b", "c", host="hung.test"):
            scene.runner.put(spec)
        await scene.at(600.0)
        assert scene.runner.copies == 1
        for spec in named("d", host="fine.test"):
            scene.runner.put(spec)
        await scene.at(600.5)
        assert (scene.tags, scene.times) == (["d"], [600.0])
        scene.runner.end(interrupted)


async def test_a_host_that_nobody_expects_any_more_leaves_its_place_to_the_others() -> None:
    """At once: nobody has to finish first."""
    script = Script(copies={"a": [100.0, DONE], "b": [100.0, DONE]})
    async with lasting(script) as scene:
        scene.runner.expect({"source.test", "gone.test"})
        for spec in named("a", "b"):
            scene.runner.put(spec)
        await scene.at(10.0)
        assert scene.runner.copies == 1
        scene.runner.expect({"source.test"})
        await scene.at(11.0)
        assert scene.runner.copies == 2


async def test_each_image_has_its_time_from_when_it_came() -> None:
    """Waiting counts; what came later is not given up with what came before."""
    script = Script(copies={tag: [stuck] for tag in ("a", "b", "c", "d")} | {"e": [20.0, DONE]})
    async with lasting(script, named("a", "b"), seconds=100.0) as scene:
        await scene.at(60.0)
        for spec in named("c", "d", "e"):
            scene.runner.put(spec)
        await scene.at(1000.0)
        for spec in named("a"):
            scene.runner.put(spec)
        await scene.at(2000.0)
    told = [
        (when, result.spec.target_tag, result.reason)
        for when, result in zip(scene.times, scene.results, strict=True)
    ]
    over = Reason.PASS_TIMEOUT
    assert told == [
        (100.0, "a", over),
        (100.0, "b", over),
        (160.0, "e", over),
        (160.0, "c", over),
        (160.0, "d", over),
        (1100.0, "a", over),
    ]


async def test_images_that_were_put_together_are_out_of_time_together() -> None:
    """A clock goes on while thousands are put, and again while they are given up."""
    ticks = count()
    script = Script(checks={tag: [stuck] for tag in ("a", "b", "c")})
    limits = Limits(concurrency=2, check_concurrency=64, timeout=100.0, lasting=True)
    results: list[SyncResult] = []
    runner = Runner(
        *(script, script, script),
        limits,
        lambda _: None,
        results.append,
        clock=lambda: anyio.current_time() + next(ticks) * 1e-3,
    )
    async with anyio.create_task_group() as tasks:
        for spec in named("a", "b", "c"):
            runner.put(spec)
        tasks.start_soon(runner.run)
        await anyio.sleep(110.0)
        assert [result.reason for result in results] == [Reason.PASS_TIMEOUT] * 3
        runner.close()
