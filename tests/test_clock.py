"""Virtual time keeps the order and the length of waits, and takes none itself."""

from functools import partial

import anyio
import pytest

from tests.clock import (
    START,
    VIRTUAL_TIME,
    Backend,
    NothingWillHappen,
    VirtualTimeLoop,
    run_virtually,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Backend:
    """Without waiting."""
    return VIRTUAL_TIME


async def test_the_clock_shows_exactly_how_long_was_slept() -> None:
    """A sleep moves the clock by its length, a year as well as a second."""
    await anyio.sleep(1)
    assert anyio.current_time() == START + 1
    await anyio.sleep(365 * 86_400)
    assert anyio.current_time() == START + 1 + 365 * 86_400


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    """Timers fire by time, not by the order in which they were set."""
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await anyio.sleep(seconds)
        woken.append((name, anyio.current_time() - START))

    async with anyio.create_task_group() as tasks:
        for name, seconds in (("late", 30), ("soon", 10), ("later", 31)):
            tasks.start_soon(sleeper, name, seconds)
    assert woken == [("soon", 10), ("late", 30), ("later", 31)]


async def test_deadlines_strike_at_their_time() -> None:
    """A deadline cuts a longer wait off, and does not touch a shorter one."""
    with anyio.move_on_after(5) as scope:
        await anyio.sleep(4)
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert anyio.current_time() == START + 5


async def test_every_test_has_a_clock_of_its_own() -> None:
    """What another test slept is not on this one's clock."""
    assert anyio.current_time() == START


async def _wait_for_nobody() -> None:
    await anyio.Event().wait()


async def _sleep_an_hour() -> float:
    await anyio.sleep(3600)
    return anyio.current_time()


@pytest.mark.parametrize("times", [1, 2])
def test_a_scenario_runs_in_a_time_of_its_own(times: int) -> None:
    """A property may run as many scenarios as it likes, each from the start."""
    assert {run_virtually(_sleep_an_hour) for _ in range(times)} == {START + 3600}


def test_a_deadlock_is_an_error() -> None:
    """Tasks that wait for nothing end the test instead of hanging it."""
    loop = partial(VirtualTimeLoop, patience=0)
    with pytest.raises(NothingWillHappen):
        anyio.run(_wait_for_nobody, backend_options={"loop_factory": loop})
