"""Another configuration takes over: what runs goes on, what is gone stops, what is new begins."""

import anyio
import pytest

from image_sync.config import Scope
from image_sync.errors import ConfigError, ErrorKind, Problem, RegistryError, Side
from image_sync.events import ConfigAdopted, ImageFinished, PassStarted, Warned
from image_sync.model import Reason
from image_sync.sync.plan import Fail, Keep
from tests.clock import VIRTUAL_TIME, Backend, run_virtually
from tests.daemon.life import Living, image, living, scope
from tests.sync.script import COPY, DONE, Script, X

pytestmark = pytest.mark.anyio

KEEP = Keep(X)
OTHER_TARGET = image("a", platform="linux/arm64")
"""The image `a`, wanted otherwise."""


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


async def stuck() -> None:
    await anyio.sleep_forever()


def counts(alive: Living) -> list[tuple[int, int, int]]:
    """How many images each configuration added, changed and removed."""
    return [(event.added, event.changed, event.removed) for _, event in alive.of(ConfigAdopted)]


async def test_new_images_are_checked_at_once_and_the_others_at_their_turn() -> None:
    """Nothing is checked only because the file was read."""
    script = Script({"a": [KEEP], "b": [KEEP]})
    async with living(scope(image("a"), interval_secs=600), script) as alive:
        await alive.at(200.0)
        await alive.life.adopt(scope(image("a"), image("b"), interval_secs=600))
        await alive.at(700.0)
        assert alive.script.times("check", "a") == [0.0, 600.0]
        assert alive.script.times("check", "b") == [200.0, 600.0]
        assert counts(alive) == [(1, 0, 0), (1, 0, 0)]


async def test_the_same_configuration_again_changes_nothing() -> None:
    """No turn moves."""
    async with living(scope(image("a"), interval_secs=600), Script({"a": [KEEP]})) as alive:
        await alive.at(200.0)
        await alive.life.adopt(scope(image("a"), interval_secs=600))
        await alive.at(700.0)
        assert alive.script.times("check", "a") == [0.0, 600.0]
        assert counts(alive) == [(1, 0, 0), (0, 0, 0)]
        assert len(alive.opening.opened) == 1


async def test_changed_images_are_checked_at_once() -> None:
    """As they are wanted now; also one that rests after failures."""
    bad = Fail(Reason.SOURCE_GONE, RegistryError("no", ErrorKind.NOT_FOUND, side=Side.SOURCE))
    script = Script({"a": [bad, bad, KEEP]})
    async with living(scope(image("a"), interval_secs=600), script) as alive:
        await alive.at(700.0)
        await alive.life.adopt(scope(OTHER_TARGET, interval_secs=600))
        await alive.at(1300.0)
        assert alive.script.times("check", "a") == [0.0, 600.0, 700.0, 1200.0]
        assert counts(alive)[1:] == [(0, 1, 0)]


async def test_an_image_changed_while_it_is_copied_is_checked_when_that_is_over() -> None:
    """The copy goes on, its result counts, and no two work on one image."""
    script = Script(copies={"a": [300.0, DONE, DONE]})
    async with living(scope(image("a"), interval_secs=600), script) as alive:
        await alive.at(100.0)
        await alive.life.adopt(scope(OTHER_TARGET, interval_secs=600))
        await alive.at(400.0)
        assert alive.script.times("check", "a") == [0.0, 300.0]
        assert [(when, reason) for when, _, reason in alive.results] == [(300.0, "changed")] * 2
        assert alive.script.most["copy"] == 1


async def test_an_image_changed_while_it_waits_is_worked_on_as_it_is_wanted_now() -> None:
    """And not as it was wanted before: nothing had begun."""
    script = Script(copies={"b": [300.0, DONE], "a": [DONE]})
    before = scope(image("b"), image("a"), interval_secs=600, concurrency=1)
    async with living(before, script) as alive:
        await alive.at(100.0)  # b is being copied, and a waits for its place
        await alive.life.adopt(scope(image("b"), OTHER_TARGET, interval_secs=600, concurrency=1))
        await alive.at(400.0)
        done = [each for each in alive.of(ImageFinished) if each[1].result.spec.target_tag == "a"]
        assert len(done) == 1
        assert alive.script.times("check", "a") == [0.0, 100.0]


async def test_an_image_removed_while_it_is_copied_is_given_up_and_not_reported() -> None:
    """The pass does not wait for it, and nothing comes of it later."""
    script = Script({"b": [KEEP]}, {"a": [stuck]})
    async with living(scope(image("a"), image("b"), interval_secs=600), script) as alive:
        await alive.at(100.0)
        await alive.life.adopt(scope(image("b"), interval_secs=600))
        await alive.at(700.0)
        assert alive.script.at_work["copy"] == 0
        assert alive.results == [(0.0, "b", "unchanged"), (600.0, "b", "unchanged")]
        assert alive.passes[0] == (0.0, 100.0, 1)
        assert alive.script.times("check", "a") == [0.0]


async def test_an_image_removed_and_put_back_is_begun_anew() -> None:
    """Even while the end of the first copy is still under way."""
    script = Script(copies={"a": [50.0, DONE, DONE]})
    async with living(scope(image("a")), script) as alive:
        await alive.at(10.0)
        await alive.life.adopt(scope())
        await alive.life.adopt(scope(image("a")))
        await alive.at(20.0)
        assert alive.results == [(10.0, "a", "changed")]
        assert counts(alive) == [(1, 0, 0), (0, 0, 1), (1, 0, 0)]


async def test_another_interval_holds_from_now_on() -> None:
    """Nothing is due at once for it."""
    async with living(scope(image("a"), interval_secs=600), Script({"a": [KEEP]})) as alive:
        await alive.at(200.0)
        await alive.life.adopt(scope(image("a"), interval_secs=100))
        await alive.at(450.0)
        assert alive.script.times("check", "a") == [0.0, 300.0, 400.0]


async def test_an_interval_of_its_own_is_a_change_of_an_image() -> None:
    """It is checked at once, and then by its own turns."""
    async with living(scope(image("a"), interval_secs=600), Script({"a": [KEEP]})) as alive:
        await alive.at(250.0)
        await alive.life.adopt(scope(image("a", interval_secs=100), interval_secs=600))
        await alive.at(460.0)
        assert alive.script.times("check", "a") == [0.0, 250.0, 350.0, 450.0]


async def test_what_runs_goes_on_under_the_configuration_it_began_with() -> None:
    """What waits is begun anew under the next; the old one is closed when nothing needs it."""
    script = Script(copies={"a": [300.0, DONE], "b": [500.0, DONE], "c": [DONE], "d": [DONE]})
    images = [image(tag) for tag in ("a", "b", "c", "d")]
    async with living(scope(*images, interval_secs=600, concurrency=2), script) as alive:
        await alive.at(100.0)
        await alive.life.adopt(scope(*images, interval_secs=600, concurrency=3))
        await alive.at(550.0)
        assert sorted(alive.results) == [
            (100.0, "c", "changed"),
            (100.0, "d", "changed"),
            (300.0, "a", "changed"),
            (500.0, "b", "changed"),
        ]
        assert alive.passes == [(0.0, 500.0, 4)]
        assert (alive.opening.opened, alive.opening.closed) == ([0.0, 100.0], [500.0])
        assert alive.script.times("check", "c") == [0.0, 100.0]


async def test_an_image_changed_along_with_how_images_are_copied_is_not_copied_twice_at_once() -> (
    None
):
    """Two generations, and one image of both."""
    script = Script(copies={"a": [300.0, DONE, DONE]})
    async with living(scope(image("a"), interval_secs=600), script) as alive:
        await alive.at(100.0)
        await alive.life.adopt(scope(OTHER_TARGET, interval_secs=600, concurrency=3))
        await alive.at(400.0)
        assert alive.script.times("copy", "a") == [0.0, 300.0]
        assert alive.script.most["copy"] == 1


async def test_an_image_that_runs_under_an_earlier_configuration_can_be_removed() -> None:
    """It is given up there."""
    script = Script(copies={"a": [stuck], "b": [DONE]})
    async with living(scope(image("a"), image("b")), script) as alive:
        await alive.at(50.0)
        await alive.life.adopt(scope(image("a"), image("b"), concurrency=3))
        await alive.at(60.0)
        await alive.life.adopt(scope(image("b"), concurrency=3))
        await alive.at(70.0)
        assert alive.opening.closed == [60.0]
        assert alive.passes == [(0.0, 60.0, 1)]


async def test_what_an_earlier_configuration_learnt_last_is_not_written_over_what_came_later() -> (
    None
):
    """Its ledger knows nothing of what the next one wrote meanwhile."""
    script = Script({"b": [KEEP]}, {"a": [300.0, DONE]})
    async with living(scope(image("a"), interval_secs=6000), script) as alive:
        await alive.at(100.0)
        await alive.life.adopt(scope(image("a"), image("b"), interval_secs=6000, concurrency=9))
        await alive.at(200.0)
        before = list(alive.opening.ledger.saves)
        await alive.at(310.0)
        assert alive.opening.closed == [300.0]
        assert [when for when in alive.opening.ledger.saves if when not in before] == [300.0]


async def test_many_configurations_in_a_row_leave_one_at_work() -> None:
    """Nothing of those before is kept, and no image is lost between them."""
    script = Script({"a": [5.0, COPY]}, {"a": [20.0, DONE]})
    async with living(scope(image("a"), interval_secs=600), script) as alive:
        for concurrency in range(3, 13):
            await alive.life.adopt(scope(image("a"), interval_secs=600, concurrency=concurrency))
            await anyio.sleep(2.0)
        await alive.at(300.0)
        assert len(alive.opening.closed) == len(alive.opening.opened) - 1
        assert [tag for _, tag, _ in alive.results] == ["a"]


async def test_a_configuration_that_cannot_be_used_leaves_the_one_before_in_force() -> None:
    """Its files are looked at before anything is stopped."""
    script = Script({"a": [KEEP]}, {"b": [stuck]})
    before = scope(image("a"), image("b"), interval_secs=600)
    async with living(before, script) as alive:
        await alive.at(100.0)
        alive.opening.failure = ConfigError([Problem("ca_file: no such file", "x.yaml:1:1")])
        with pytest.raises(ConfigError, match="no such file"):
            await alive.life.adopt(scope(image("c"), concurrency=3))
        alive.opening.failure = None
        await alive.at(700.0)
        assert alive.script.times("check", "a") == [0.0, 600.0]
        assert alive.script.times("check", "c") == []
        assert alive.script.at_work["copy"] == 1
        assert counts(alive) == [(2, 0, 0)]


def test_a_first_configuration_that_cannot_be_used_is_the_callers_business() -> None:
    """As it is, not wrapped in anything."""

    async def start() -> None:
        alive = Living(Script())
        alive.opening.failure = ConfigError([Problem("ca_file: no such file", "x.yaml:1:1")])
        await alive.run(scope(image("a")))

    with pytest.raises(ConfigError, match="no such file"):
        run_virtually(start)


@pytest.mark.parametrize("seconds", [1.0, 30.0])
def test_of_two_configurations_that_come_together_the_later_one_is_in_force(seconds: float) -> None:
    """However long the earlier one takes to open: SIGHUP right after the start."""

    async def start() -> None:
        alive = Living(Script({"a": [KEEP], "b": [KEEP]}))
        alive.opening.seconds = 10.0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alive.run, scope(image("a")))
            await alive.at(1.0)
            alive.opening.seconds = seconds
            await alive.life.adopt(scope(image("b"), concurrency=3))
            await alive.at(600.0)
            alive.life.end(15)
        assert alive.script.times("check", "b") != []
        assert [event.specs[0].tag for _, event in alive.of(ConfigAdopted)] == ["a", "b"]
        assert len(alive.opening.closed) == 2

    run_virtually(start)


@pytest.mark.parametrize(
    ("after", "warned"),
    [
        pytest.param(scope(server="{listen: none}"), True, id="another server"),
        pytest.param(scope(lease="{name: other}"), True, id="another lease"),
        pytest.param(scope(shutdown_grace_secs=5), False, id="another grace"),
    ],
)
async def test_what_holds_from_the_start_is_said_when_it_is_changed(
    after: Scope, *, warned: bool
) -> None:
    """It would be looked for in vain."""
    async with living(scope()) as alive:
        await alive.life.adopt(after)
        said = [event for _, event in alive.of(Warned) if "restart" in event.message]
        assert bool(said) is warned


async def test_what_is_odd_about_a_configuration_is_said_each_time() -> None:
    """Whether it changes how images are copied or not."""
    async with living(scope(image("a"))) as alive:
        await alive.life.adopt(scope())
        assert any("images is empty" in event.message for _, event in alive.of(Warned))


async def test_a_reload_in_the_middle_of_a_pass_does_not_begin_another() -> None:
    """New images join the one that is running."""
    script = Script(copies={"a": [300.0, DONE]})
    async with living(scope(image("a"), interval_secs=600), script) as alive:
        await alive.at(100.0)
        await alive.life.adopt(scope(image("a"), image("b"), interval_secs=600))
        await alive.at(400.0)
        assert alive.times(PassStarted) == [0.0]
        assert alive.passes == [(0.0, 300.0, 2)]


async def test_copies_of_an_earlier_configuration_count_for_the_next_one() -> None:
    """There are never more copies than the one in force wants, once no more were begun."""
    script = Script(copies={tag: [100.0, DONE] for tag in "abcdef"})
    images = [image(tag) for tag in "abcdef"]
    async with living(scope(*images, interval_secs=6000, concurrency=3), script) as alive:
        await alive.at(10.0)
        assert alive.script.at_work["copy"] == 3
        await alive.life.adopt(scope(*images, interval_secs=6000, concurrency=2))
        await alive.at(99.0)
        assert alive.script.at_work["copy"] == 3
        await alive.at(101.0)
        assert alive.script.at_work["copy"] == 2
        await alive.at(150.0)
        await alive.life.adopt(scope(*images, interval_secs=6000, concurrency=4))
        await alive.at(151.0)
        assert alive.script.at_work["copy"] == 3
