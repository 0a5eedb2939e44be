"""Passes come when they should, one at a time, and nothing piles up."""

import anyio
import pytest

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.events import ImageFinished, PassFinished, PassPlanned, PassStarted, Warned
from image_sync.model import Reason
from image_sync.sync.plan import Fail, Keep
from tests.clock import VIRTUAL_TIME, Backend, run_virtually
from tests.daemon.life import image, living, scope
from tests.sync.script import DONE, Script, X

pytestmark = pytest.mark.anyio

KEEP = Keep(X)


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


async def stuck() -> None:
    await anyio.sleep_forever()


def failing(kind: ErrorKind, retry_after: float | None = None) -> Fail:
    error = RegistryError("no", kind, side=Side.SOURCE, retry_after=retry_after)
    return Fail(Reason.SOURCE_UNKNOWN, error)


async def test_a_pass_over_all_images_is_made_at_the_start_and_after_every_interval() -> None:
    """From start to start, however long one takes."""
    script = Script(copies={"a": [30.0, DONE], "b": [DONE]})
    async with living(scope(image("a"), image("b"), interval_secs=600), script) as alive:
        await alive.at(1700.0)
        assert alive.passes == [(0.0, 30.0, 2), (600.0, 600.0, 2), (1200.0, 1200.0, 2)]
        assert alive.script.times("check", "a") == [0.0, 600.0, 1200.0]
        assert [event.images for _, event in alive.of(PassStarted)] == [2, 2, 2]


def test_the_first_pass_is_put_off_by_up_to_the_jitter() -> None:
    """So that many that start together do not all ask together."""

    async def start() -> float:
        async with living(scope(image("a"), interval_secs=600, jitter_secs=100)) as alive:
            await alive.at(100.5)
            return alive.times(PassStarted)[0]

    starts = [run_virtually(start) for _ in range(20)]
    assert all(0 <= start <= 100 for start in starts)
    assert max(starts) - min(starts) > 10


async def test_jitter_moves_every_pass_and_they_do_not_drift() -> None:
    """A hundred passes later they are still on the grid."""
    async with living(scope(image("a"), interval_secs=600, jitter_secs=60)) as alive:
        await alive.at(100 * 600.0 + 61.0)
        times = alive.script.times("check", "a")[1:]
    assert len(times) == 100
    offsets = [time - 600.0 * number for number, time in enumerate(times, 1)]
    assert all(-60.2 <= offset <= 60.0 for offset in offsets)
    assert max(offsets) - min(offsets) > 30


async def test_an_image_with_an_interval_of_its_own_has_its_own_turns() -> None:
    """Beside those of all the others, and the pass at the start is common."""
    config = scope(image("a", interval_secs=250), image("b"), interval_secs=600)
    async with living(config) as alive:
        await alive.at(1300.0)
        assert alive.script.times("check", "a") == [0.0, 250.0, 500.0, 750.0, 1000.0, 1250.0]
        assert alive.script.times("check", "b") == [0.0, 600.0, 1200.0]
        assert len(alive.passes) == 8


async def test_a_schedule_says_when_passes_are_besides_the_one_at_the_start() -> None:
    """The virtual clock shows 00:16:40 at first."""
    config = scope(image("a"), schedule="'*/15 * * * *'", time_zone="Asia/Kolkata")
    async with living(config) as alive:
        await alive.at(2000.0)
        assert alive.script.times("check", "a") == [0.0, 800.0, 1700.0]


async def test_a_clock_set_forward_or_a_machine_that_slept_makes_one_pass() -> None:
    """It is noticed within half a minute; twenty turns that were missed are one."""
    config = scope(image("a"), schedule="'*/15 * * * *'")
    async with living(config) as alive:
        await alive.at(100.0)
        alive.clock.ahead += 20 * 900.0
        await alive.at(700.0)
        [_, noticed] = alive.script.times("check", "a")
        assert 100.0 <= noticed <= 130.0
        await alive.at(900.0)
        assert alive.script.times("check", "a")[2:] == [800.0]


async def test_a_clock_that_is_set_does_not_touch_intervals() -> None:
    """Neither way."""
    async with living(scope(image("a"), interval_secs=600)) as alive:
        for ahead in (86_400.0, -86_400.0):
            alive.clock.ahead = ahead
            await alive.at(alive.script.times("check", "a")[-1] + 601.0)
        assert alive.script.times("check", "a") == [0.0, 600.0, 1200.0]


async def test_a_pass_longer_than_the_interval_ends_at_the_next_and_its_rest_goes_over() -> None:
    """It is said, there are never two at once, and what is late is not begun a second time."""
    script = Script({"b": [KEEP]}, {"a": [1500.0, DONE, DONE]})
    async with living(scope(image("a"), image("b"), interval_secs=600), script) as alive:
        await alive.at(1900.0)
        assert alive.passes == [
            (0.0, 600.0, 1),
            (600.0, 1200.0, 1),
            (1200.0, 1500.0, 2),
            (1800.0, 1800.0, 2),
        ]
        assert [event.images for _, event in alive.of(PassStarted)] == [2, 2, 2, 2]
        assert [event.unfinished for _, event in alive.of(PassFinished)] == [1, 1, 0, 0]
        assert alive.script.times("copy", "a") == [0.0, 1800.0]
        warned = [(when, event.subject) for when, event in alive.of(Warned)]
        assert warned == [(600.0, "schedule"), (1200.0, "schedule")]
        assert "source.test/lab/app:a is still" in alive.of(Warned)[0][1].message


async def test_a_pass_that_takes_too_long_is_over_when_its_time_is() -> None:
    """What is left of it fails, and is taken up at its next turn."""
    script = Script({"b": [KEEP]}, {"a": [stuck]})
    config = scope(image("a"), image("b"), interval_secs=600, pass_timeout_secs=100)
    async with living(config, script) as alive:
        await alive.at(750.0)
        assert alive.passes == [(0.0, 100.0, 2), (600.0, 700.0, 2)]
        timed_out = [(when, tag) for when, tag, reason in alive.results if reason == "pass_timeout"]
        assert timed_out == [(100.0, "a"), (700.0, "a")]


async def test_what_comes_due_late_in_a_pass_has_as_much_time_as_the_rest() -> None:
    """Also more than an interval."""
    script = Script({"b": [KEEP]}, {"a": [stuck], "c": [stuck]})
    images = image("a"), image("b"), image("c", interval_secs=450)
    config = scope(*images, interval_secs=600, pass_timeout_secs=700)
    async with living(config, script) as alive:
        await alive.at(2000.0)
        over = [(when, tag) for when, tag, reason in alive.results if reason == "pass_timeout"]
        assert over == [(700.0, "a"), (700.0, "c"), (1600.0, "c"), (1900.0, "a")]


async def test_a_pass_tells_how_many_images_it_has() -> None:
    """One more when one comes due meanwhile, one less when one is not configured any more."""
    script = Script({"b": [KEEP]}, {"a": [stuck], "c": [stuck]})
    images = image("a"), image("b", interval_secs=100), image("c")
    async with living(scope(*images, interval_secs=600), script) as alive:
        await alive.at(250.0)
        assert alive.sizes == [3, 4, 5]
        await alive.life.adopt(scope(*images[:2], interval_secs=600))
        await alive.at(251.0)
        assert alive.sizes == [3, 4, 5, 4]


async def test_a_pass_ends_though_every_image_has_its_own_interval_and_one_hangs() -> None:
    """At the turn that all would have if none had."""
    script = Script({"b": [KEEP]}, {"a": [stuck]})
    images = image("a", interval_secs=100), image("b", interval_secs=100)
    async with living(scope(*images, interval_secs=600), script) as alive:
        await alive.at(1250.0)
        assert alive.passes == [(0.0, 600.0, 6), (600.0, 1200.0, 6)]


async def test_a_failing_image_is_revisited_with_doubling_pauses_and_then_as_before() -> None:
    """No other one waits for it."""
    bad = failing(ErrorKind.NETWORK)
    script = Script({"a": [bad, bad, bad, bad, KEEP], "b": [KEEP]})
    async with living(scope(image("a"), image("b"), interval_secs=600), script) as alive:
        await alive.at(15 * 600.0 + 1.0)
        turns = [time / 600.0 for time in alive.script.times("check", "a")]
        assert turns == [0, 1, 3, 7, 13, 14, 15]
        assert len(alive.script.times("check", "b")) == 16


async def test_an_image_of_a_paused_host_waits_for_the_host_and_does_not_count_as_failing() -> None:
    """It comes back when the host may be asked, not at its turns before, and not later for it."""
    paused = failing(ErrorKind.RATE_LIMITED, 1000.0)
    script = Script({"a": [paused, KEEP], "b": [KEEP]})
    async with living(scope(image("a"), image("b"), interval_secs=600), script) as alive:
        await alive.at(1300.0)
        assert alive.script.times("check", "a") == [0.0, 1000.0, 1200.0]
        assert alive.script.times("check", "b") == [0.0, 600.0, 1200.0]
        first = alive.of(PassFinished)[0][1].tally
        assert (first.skipped, first.failed, first.already_cached) == (1, 0, 1)


async def test_a_hung_registry_delays_no_image_of_another() -> None:
    """Pass for pass, also when its images take all the places they may have."""
    hung = [image(tag, host="hung.test") for tag in ("a", "b", "c")]
    script = Script(copies={tag: [stuck] for tag in ("a", "b", "c")})
    config = scope(*hung, image("d", host="fine.test"), interval_secs=600, concurrency=2)
    async with living(config, script) as alive:
        await alive.at(1300.0)
        done = [(when, tag) for when, tag, _ in alive.results]
        assert done == [(0.0, "d"), (600.0, "d"), (1200.0, "d")]


async def test_a_hung_registry_that_is_alone_in_a_pass_leaves_a_place_all_the_same() -> None:
    """What comes due later finds it free."""
    hung = [image(tag, host="hung.test", interval_secs=100) for tag in ("a", "b", "c")]
    script = Script(copies={tag: [DONE, stuck] for tag in ("a", "b", "c")})
    config = scope(*hung, image("d", host="fine.test"), interval_secs=600, concurrency=2)
    async with living(config, script) as alive:
        await alive.at(700.0)
        assert [when for when, tag, _ in alive.results if tag == "d"] == [0.0, 600.0]


async def test_a_pass_can_be_had_now() -> None:
    """Over what is being worked on as soon as that is over; the turns stay as they are."""
    script = Script(copies={"b": [300.0, DONE]})
    async with living(scope(image("a"), image("b"), interval_secs=600), script) as alive:
        await alive.at(200.0)
        alive.life.hurry()
        await alive.at(700.0)
        assert alive.script.times("check", "a") == [0.0, 200.0, 600.0]
        assert alive.script.times("check", "b") == [0.0, 300.0, 600.0]


async def test_a_pass_can_be_had_now_over_what_failed() -> None:
    """When credentials have changed, say."""
    script = Script({"a": [failing(ErrorKind.UNAUTHORIZED), KEEP], "b": [KEEP]})
    async with living(scope(image("a"), image("b"), interval_secs=600), script) as alive:
        await alive.at(200.0)
        alive.life.hurry(failing=True)
        await alive.at(300.0)
        assert alive.script.times("check", "a") == [0.0, 200.0]
        assert alive.script.times("check", "b") == [0.0]
        assert alive.passes[-1] == (200.0, 200.0, 1)


async def test_it_is_told_when_the_next_pass_is() -> None:
    """At the start, and at every turn."""
    async with living(scope(image("a"), interval_secs=600)) as alive:
        await alive.at(650.0)
        planned = [(when, event.seconds) for when, event in alive.of(PassPlanned)]
        assert planned[0] == (0.0, 600.0)
        assert planned[-1] == (600.0, 600.0)


async def test_what_was_learnt_is_kept_after_each_pass() -> None:
    """Not only at the end: a process may be killed."""
    async with living(scope(image("a"), interval_secs=600)) as alive:
        await alive.at(650.0)
        assert alive.opening.ledger.saves == [0.0, 600.0]
        assert alive.opening.ledger.loads == 1


async def test_nothing_configured_is_no_pass_and_no_end() -> None:
    """It may be filled later."""
    async with living(scope(interval_secs=600)) as alive:
        await alive.at(5000.0)
        assert (alive.passes, alive.ended) == ([], None)
        assert alive.life.ready() is None


async def test_each_result_is_told_once() -> None:
    """To whoever counts them."""
    async with living(scope(image("a"), image("b"))) as alive:
        await alive.at(10.0)
        assert len(alive.of(ImageFinished)) == 2
