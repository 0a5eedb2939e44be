"""The end is in order: nothing new, some time for what runs, then it is given up and kept."""

import anyio
import pytest

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.events import ConfigAdopted, PassFinished, Stopping
from image_sync.model import Reason
from image_sync.sync.plan import Fail, Keep
from tests.clock import VIRTUAL_TIME, Backend, run_virtually
from tests.daemon.life import TERM, Living, image, living, scope
from tests.sync.script import COPY, DONE, Script, X

pytestmark = pytest.mark.anyio

KEEP = Keep(X)


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


async def stuck() -> None:
    await anyio.sleep_forever()


async def test_with_nothing_to_finish_it_ends_at_once() -> None:
    """What was learnt is saved once more, and what was opened is closed."""
    async with living(scope(image("a"), interval_secs=600)) as alive:
        await alive.at(100.0)
        alive.life.end(TERM)
        await alive.at(100.0)
        assert alive.ended == 100.0
        assert alive.opening.ledger.saves == [0.0, 100.0]
        [(when, stopping)] = alive.of(Stopping)
        assert (when, stopping.signal, stopping.copies, stopping.grace) == (100.0, TERM, 0, 25.0)


async def test_copies_that_run_have_time_to_finish() -> None:
    """Their results count; what waits for a place is not begun, and not reported as failed."""
    script = Script(copies={"a": [20.0, DONE], "b": [20.0, DONE], "c": [DONE]})
    images = [image(tag) for tag in ("a", "b", "c")]
    async with living(scope(*images, concurrency=2), script) as alive:
        await alive.at(10.0)
        alive.life.end(TERM)
        await alive.at(60.0)
        assert alive.ended == 20.0
        assert sorted(alive.results) == [(20.0, "a", "changed"), (20.0, "b", "changed")]
        assert alive.script.times("copy", "c") == []
        assert alive.of(Stopping)[0][1].copies == 2
        [(_, finished)] = alive.of(PassFinished)
        assert (finished.interrupted, finished.tally.pulled) == (True, 2)


async def test_copies_that_do_not_finish_are_given_up_when_their_time_is_over() -> None:
    """They are reported, for something of theirs had begun."""
    script = Script(copies={"a": [stuck], "b": [15.0, DONE]})
    config = scope(image("a"), image("b"), shutdown_grace_secs=40)
    async with living(config, script) as alive:
        await alive.at(10.0)
        alive.life.end(TERM)
        await alive.at(100.0)
        assert alive.ended == 50.0
        assert alive.results == [(15.0, "b", "changed"), (50.0, "a", "interrupted")]
        assert alive.script.at_work["copy"] == 0
        assert [event.interrupted for _, event in alive.of(PassFinished)] == [True]


async def test_without_a_grace_copies_are_given_up_at_once() -> None:
    """For those who want it so."""
    script = Script(copies={"a": [stuck]})
    async with living(scope(image("a"), shutdown_grace_secs=0), script) as alive:
        await alive.at(10.0)
        alive.life.end(TERM)
        await alive.at(10.0)
        assert alive.ended == 10.0


async def test_a_failed_copy_is_not_tried_again_at_the_end() -> None:
    """It says that it was interrupted, and nobody waits for the next attempt."""
    flaky = RegistryError("reset", ErrorKind.NETWORK, side=Side.SOURCE)
    script = Script(copies={"a": [20.0, flaky]})
    async with living(scope(image("a")), script) as alive:
        await alive.at(10.0)
        alive.life.end(TERM)
        await alive.at(60.0)
        assert alive.ended == 20.0
        assert alive.results == [(20.0, "a", "interrupted")]


async def test_what_is_only_checked_at_the_end_is_not_copied() -> None:
    """Nothing new is begun, and nothing is reported that never began."""
    async with living(scope(image("a")), Script({"a": [5.0, COPY]})) as alive:
        alive.life.end(TERM)
        await alive.at(30.0)
        assert (alive.ended, alive.results) == (5.0, [])


async def test_no_turn_comes_while_it_ends() -> None:
    """Also not when the grace is longer than the interval."""
    script = Script({"b": [KEEP]}, {"a": [stuck]})
    config = scope(image("a"), image("b"), interval_secs=60, shutdown_grace_secs=300)
    async with living(config, script) as alive:
        await alive.at(10.0)
        alive.life.end(TERM)
        alive.life.hurry()
        await alive.at(400.0)
        assert alive.ended == 310.0
        assert alive.script.times("check", "b") == [0.0]


async def test_copies_of_earlier_configurations_have_the_same_time() -> None:
    """All together once, not one after the other."""
    script = Script(copies={"a": [stuck], "b": [stuck]})
    async with living(scope(image("a"), interval_secs=600), script) as alive:
        await alive.at(10.0)
        both = scope(image("a"), image("b"), interval_secs=600, concurrency=3)
        await alive.life.adopt(both)
        await alive.at(20.0)
        alive.life.end(TERM)
        await alive.at(100.0)
        assert alive.ended == 45.0
        assert alive.of(Stopping)[0][1].copies == 2
        assert sorted(alive.results) == [(45.0, "a", "interrupted"), (45.0, "b", "interrupted")]


async def test_a_configuration_that_comes_while_it_ends_changes_nothing() -> None:
    """Nothing is opened that nobody would close."""
    script = Script(copies={"a": [20.0, DONE]})
    async with living(scope(image("a")), script) as alive:
        await alive.at(10.0)
        alive.life.end(TERM)
        await alive.at(12.0)
        await alive.life.adopt(scope(image("b"), concurrency=3))
        await alive.at(100.0)
        assert alive.ended == 20.0
        assert len(alive.opening.opened) == 1
        assert len(alive.of(ConfigAdopted)) == 1


async def test_a_configuration_that_is_being_opened_when_it_ends_does_no_work() -> None:
    """It is closed again, and the end comes."""
    async with living(scope(image("a"))) as alive, anyio.create_task_group() as tasks:
        await alive.at(10.0)
        alive.opening.seconds = 5.0
        tasks.start_soon(alive.life.adopt, scope(image("b"), concurrency=3))
        await alive.at(12.0)
        alive.life.end(TERM)
        await alive.at(60.0)
        assert alive.ended == 15.0
        assert alive.script.times("check", "b") == []


def test_told_to_end_while_it_starts_it_does_no_work() -> None:
    """And ends when it has started."""

    async def start() -> None:
        alive = Living(Script())
        alive.opening.seconds = 5.0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alive.run, scope(image("a")))
            await alive.at(1.0)
            alive.life.end(TERM)
        assert (alive.ended, alive.script.began) == (5.0, [])

    run_virtually(start)


async def test_it_is_ready_once_the_cache_has_answered_and_until_it_ends() -> None:
    """A cache that does not answer is waited for; one that answered once is not asked about."""
    down = RegistryError("down", ErrorKind.NETWORK, side=Side.TARGET)
    script = Script({"a": [30.0, Fail(Reason.SOURCE_UNKNOWN, down)]})
    async with living(scope(image("a")), script) as alive:
        assert alive.life.ready() == "the cache has not answered yet"
        await alive.at(40.0)
        assert alive.life.ready() is None
        alive.life.end(TERM)
        assert alive.life.ready() == "it was told to end"


async def test_it_is_ready_as_soon_as_it_copies() -> None:
    """A first pass over large images takes long; whoever copies has asked the cache."""
    script = Script(copies={"a": [stuck]})
    async with living(scope(image("a"), pull_timeout_secs=5000), script) as alive:
        await alive.at(1.0)
        assert alive.life.ready() is None


async def test_an_image_whose_check_took_too_long_does_not_make_it_ready() -> None:
    """Nobody knows whether the cache is there."""
    script = Script({"a": [stuck]})
    async with living(scope(image("a"), pass_timeout_secs=50), script) as alive:
        await alive.at(60.0)
        assert alive.results == [(50.0, "a", "pass_timeout")]
        assert alive.life.ready() == "the cache has not answered yet"


def test_it_is_alive_as_long_as_it_looks_at_the_clock() -> None:
    """While it starts, while it works or has nothing to do, and while it ends."""

    async def start() -> None:
        alive = Living(Script(copies={"a": [stuck]}))
        assert alive.life.ready() == "it is starting"
        assert alive.life.alive() is None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alive.run, scope(image("a"), shutdown_grace_secs=600))
            for minute in range(1, 30):
                await alive.at(60.0 * minute)
                assert alive.life.alive() is None
            alive.life.end(TERM)
            await alive.at(60.0 * 38)
            assert alive.life.alive() is None

    run_virtually(start)


def test_one_that_looks_at_no_clock_any_more_is_not_alive() -> None:
    """It says for how long."""

    async def start() -> None:
        alive = Living(Script())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alive.run, scope(image("a")))
            await alive.at(10.0)
            tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(100.0)
        assert alive.life.alive() == "nothing was looked at for 110 s"

    run_virtually(start)
