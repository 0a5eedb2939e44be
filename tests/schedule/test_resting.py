"""Work that waits for other work gives its place away, and takes one back when it goes on."""

from collections import Counter

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.schedule import Capacity, Lane, Place
from tests.clock import START, VIRTUAL_TIME, Backend, run_virtually

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Backend:
    """Seconds here take no time."""
    return VIRTUAL_TIME


def now() -> float:
    """Seconds since the test began."""
    return anyio.current_time() - START


async def test_others_have_the_place_of_one_that_rests() -> None:
    """With one place, the second key is worked on while the first waits for it."""
    second_is_done = anyio.Event()
    told: list[str] = []

    async def work(key: str, place: Place) -> None:
        if key == "first":
            async with place.resting():
                await second_is_done.wait()
            told.append("first")
            lane.close()
        else:
            told.append(key)
            second_is_done.set()

    lane: Lane[str] = Lane(capacity=Capacity(1), share=lambda _: 1, work=work)
    lane.put("first", "a")
    lane.put("second", "a")
    with anyio.fail_after(60):
        await lane.run()
    assert told == ["second", "first"]


async def test_one_that_rested_goes_on_before_anybody_new_begins() -> None:
    """A place that becomes free goes to the one that had one already."""
    began: list[tuple[float, str]] = []

    async def work(key: str, place: Place) -> None:
        began.append((now(), key))
        if key == "rests":
            async with place.resting():
                await anyio.sleep(5)
            began.append((now(), "goes on"))
        await anyio.sleep(10)
        if key == "last":
            lane.close()

    lane: Lane[str] = Lane(capacity=Capacity(1), share=lambda _: 1, work=work)
    for key in ("rests", "other", "last"):
        lane.put(key, "a")
    await lane.run()
    assert began == [(0, "rests"), (0, "other"), (10, "goes on"), (20, "last")]


async def test_a_share_holds_for_those_that_come_back() -> None:
    """A group that used its share meanwhile makes its own resting work wait."""
    came_back: list[float] = []

    async def work(key: str, place: Place) -> None:
        if key == "rests":
            async with place.resting():
                await anyio.sleep(1)
            came_back.append(now())
            lane.close()
        else:
            await anyio.sleep(30)

    lane: Lane[str] = Lane(capacity=Capacity(2), share=lambda _: 1, work=work)
    lane.put("rests", "a")
    lane.put("long", "a")
    await lane.run()
    assert came_back == [30]


async def test_only_so_many_rest_at_once() -> None:
    """Resting work is in memory: beyond the bound a place is kept, and nothing new begins."""
    begun: list[int] = []
    ended: list[int] = []

    async def work(number: int, place: Place) -> None:
        begun.append(number)
        async with place.resting():
            await anyio.sleep(100)
        ended.append(number)
        if len(begun) == 100:
            lane.close()

    lane: Lane[int] = Lane(capacity=Capacity(2), share=lambda _: 2, work=work)
    for number in range(100):
        lane.put(number, "a")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lane.run)
        await anyio.sleep(50)
        assert len(begun) == 2 * 8 + 2
    assert sorted(ended) == [*range(100)], "also those that rested when the lane was closed"


async def test_work_cancelled_while_it_rests_holds_no_place_afterwards() -> None:
    """The place of a cancelled rest is free, once."""
    done: list[str] = []

    async def work(key: str, place: Place) -> None:
        if key == "impatient":
            with anyio.move_on_after(5):
                async with place.resting():
                    await anyio.sleep_forever()
            assert not place.held
        else:
            await anyio.sleep(50)
        done.append(key)
        if len(done) == 3:
            lane.close()

    lane: Lane[str] = Lane(capacity=Capacity(1), share=lambda _: 1, work=work)
    for key in ("impatient", "one", "two"):
        lane.put(key, "a")
    await lane.run()
    assert done == ["impatient", "one", "two"]


steps = st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.integers(0, 9)), max_size=20)


@given(steps, st.integers(1, 3), st.integers(1, 3))
def test_bounds_hold_whoever_rests_and_nothing_is_lost(
    plan: list[tuple[str, bool, int]], width: int, share: int
) -> None:
    """Those at work never exceed width and share, and every key comes to its end."""
    held: Counter[str] = Counter()
    done: list[int] = []

    async def scenario() -> None:
        async def work(number: int, place: Place) -> None:
            group, rests, seconds = plan[number]
            held[group] += 1
            await anyio.sleep(seconds)
            if rests:
                held[group] -= 1
                async with place.resting():
                    await anyio.sleep(seconds)
                held[group] += 1
            assert held.total() <= width
            assert held[group] <= share
            await anyio.sleep(1)
            held[group] -= 1
            done.append(number)
            if len(done) == len(plan):
                lane.close()

        lane: Lane[int] = Lane(capacity=Capacity(width), share=lambda _: share, work=work)
        for number, (group, _, _) in enumerate(plan):
            lane.put(number, group)
        if plan:
            await lane.run()

    run_virtually(scenario)
    assert sorted(done) == [*range(len(plan))]
