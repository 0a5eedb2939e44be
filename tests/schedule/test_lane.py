"""A lane works on what is due, as wide as it may, and no group above its share."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from image_sync.schedule import Capacity, Lane, Place
from tests.clock import START, VIRTUAL_TIME, Backend, run_virtually

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Backend:
    """Seconds here take no time."""
    return VIRTUAL_TIME


Key = tuple[str, int]  # group, number


class Workshop:
    """Work of a known length on every key, and a record of it."""

    def __init__(
        self,
        width: int,
        share: Callable[[str], int] | int,
        seconds: float = 10.0,
        then: Callable[[Key], None] = lambda _: None,
    ) -> None:
        self.lane: Lane[Key] = Lane(
            capacity=Capacity(width),
            share=(lambda _: share) if isinstance(share, int) else share,
            work=self._work,
        )
        self.began: list[tuple[float, Key]] = []  # seconds since the start
        self.ended: list[tuple[float, Key]] = []
        self.most: Counter[str] = Counter()  # places held at once, by group and together
        self._seconds = seconds
        self._then = then
        self._held: Counter[str] = Counter()

    def put(self, *keys: str, delay: float = 0.0) -> None:
        """Put keys written as `a1`: group `a`."""
        for key in keys:
            self.lane.put((key[0], int(key[1:])), key[0], delay)

    @property
    def starts(self) -> list[tuple[float, str]]:
        """When work on each key began."""
        return [(at, f"{group}{number}") for at, (group, number) in self.began]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The lane runs; at the end it is closed and has ended by itself."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.lane.run)
            yield
            self.lane.close()

    async def run_for(self, seconds: float) -> None:
        """Run the lane that long, and close it."""
        async with self.running():
            await anyio.sleep(seconds)

    async def _work(self, key: Key, _: Place) -> None:
        group = key[0]
        self.began.append((anyio.current_time() - START, key))
        self._held[group] += 1
        self.most[group] = max(self.most[group], self._held[group])
        self.most["all"] = max(self.most["all"], self._held.total())
        try:
            await anyio.sleep(self._seconds)
        finally:
            self._held[group] -= 1
        self.ended.append((anyio.current_time() - START, key))
        self._then(key)


async def test_no_more_keys_than_its_width_are_worked_on_at_once() -> None:
    """The next key begins when a place becomes free, not before and not later."""
    shop = Workshop(width=2, share=2)
    shop.put("a1", "a2", "a3", "a4", "a5")
    await shop.run_for(100)
    assert shop.starts == [(0, "a1"), (0, "a2"), (10, "a3"), (10, "a4"), (20, "a5")]


async def test_a_group_has_no_more_places_than_its_share() -> None:
    """A place that the group may not have stays free, even if nobody else wants it."""
    shop = Workshop(width=3, share=2)
    shop.put("a1", "a2", "a3")
    await shop.run_for(100)
    assert shop.starts == [(0, "a1"), (0, "a2"), (10, "a3")]


async def test_a_group_that_hangs_leaves_places_to_others() -> None:
    """Work of one group that never ends does not delay another group."""
    shop = Workshop(width=3, share=lambda group: 2 if group == "a" else 3, seconds=1_000_000)
    shop.put("a1", "a2", "a3", "b1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shop.lane.run)
        await anyio.sleep(5)
        tasks.cancel_scope.cancel()
    assert shop.starts == [(0, "a1"), (0, "b1"), (0, "a2")]


async def test_a_delayed_key_begins_when_it_is_due() -> None:
    """Meanwhile it holds no place."""
    shop = Workshop(width=1, share=1)
    shop.put("a1", delay=30)
    shop.put("b1")
    await shop.run_for(100)
    assert shop.starts == [(0, "b1"), (30, "a1")]


async def test_a_delayed_key_waits_for_a_place_when_it_is_due() -> None:
    """Being due is no right to a place that is taken."""
    shop = Workshop(width=1, share=1, seconds=50)
    shop.put("a1")
    shop.put("a2", delay=30)
    await shop.run_for(100)
    assert shop.starts == [(0, "a1"), (50, "a2")]


async def test_an_earlier_key_shortens_the_wait() -> None:
    """A key that comes while the lane waits for a later one begins at once."""
    shop = Workshop(width=1, share=1)
    shop.put("a1", delay=1000)
    async with shop.running():
        await anyio.sleep(7)
        shop.put("b1", delay=1)
        await anyio.sleep(50)
    assert shop.starts == [(8, "b1")]


async def test_work_may_put_its_key_back() -> None:
    """It begins again after its delay, and others have the place meanwhile."""

    def back(key: Key) -> None:
        if len(shop.began) < 3:
            shop.lane.put(key, key[0], 5)

    shop = Workshop(width=1, share=1, seconds=3, then=back)
    shop.put("a1", "b1")
    await shop.run_for(100)
    assert shop.starts == [(0, "a1"), (3, "b1"), (8, "a1"), (11, "b1")]


async def test_a_key_may_go_before_all_others_of_its_group() -> None:
    """Also before such as are due for long; other groups keep their turns."""
    shop = Workshop(width=1, share=1)
    shop.put("a1", "a2", "b1")
    shop.lane.put_first(("a", 9), "a")
    await shop.run_for(60)
    assert [key for _, key in shop.starts] == ["a9", "b1", "a1", "a2"]


async def test_keys_put_back_without_delay_let_others_in_between() -> None:
    """A key that comes back at once does not starve other groups."""

    def back(key: Key) -> None:
        if len(shop.began) < 5:
            shop.lane.put(key, key[0])

    shop = Workshop(width=1, share=1, seconds=1, then=back)
    shop.put("a1", "b1", "c1")
    await shop.run_for(10)
    assert [key for _, key in shop.starts] == ["a1", "b1", "c1", "a1", "b1", "c1", "a1"]


async def test_a_share_that_grew_is_used_at_once() -> None:
    """After `reconsider` a waiting key begins without any work ending first."""
    shares = {"a": 1}
    shop = Workshop(width=2, share=lambda group: shares[group], seconds=100)
    shop.put("a1", "a2")
    async with shop.running():
        await anyio.sleep(7)
        shares["a"] = 2
        shop.lane.reconsider()
        await anyio.sleep(1)
    assert shop.starts == [(0, "a1"), (7, "a2")]


async def test_close_lets_running_work_end() -> None:
    """Work that has begun is finished, what waits is not begun."""
    shop = Workshop(width=1, share=1)
    shop.put("a1", "a2")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shop.lane.run)
        await anyio.sleep(3)
        shop.lane.close()
    assert [at for at, _ in shop.ended] == [10]
    assert shop.starts == [(0, "a1")]
    assert anyio.current_time() == START + 10


async def test_work_may_close_its_lane() -> None:
    """The last key's work ends the lane's run by closing it."""
    shop = Workshop(width=1, share=1, then=lambda _: shop.lane.close())
    shop.put("a1")
    with anyio.fail_after(11):
        await shop.lane.run()
    assert anyio.current_time() == START + 10


async def test_a_lane_closed_while_idle_ends_at_once() -> None:
    """Neither an empty lane nor one with keys for later waits for anything."""
    shop = Workshop(width=1, share=1)
    shop.put("a1", delay=1000)
    await shop.run_for(5)
    assert anyio.current_time() == START + 5
    assert shop.starts == []


async def test_a_lane_closed_before_it_runs_does_nothing() -> None:
    """Closing is final."""
    shop = Workshop(width=1, share=1)
    shop.put("a1")
    shop.lane.close()
    await shop.lane.run()
    assert shop.starts == []


async def test_cancelling_the_run_cancels_the_work() -> None:
    """Work in progress is cancelled with the lane, and none is left behind."""
    shop = Workshop(width=2, share=2)
    shop.put("a1", "a2", "a3")
    with anyio.move_on_after(3):
        await shop.lane.run()
    assert anyio.current_time() == START + 3
    await anyio.sleep(100)
    assert shop.starts == [(0, "a1"), (0, "a2")]
    assert shop.ended == []


async def test_work_that_fails_ends_the_run() -> None:
    """A failure that the work let out is not swallowed."""

    async def fail(_: Key, __: Place) -> None:
        await checkpoint()
        raise LookupError("a bug")

    lane: Lane[Key] = Lane(capacity=Capacity(1), share=lambda _: 1, work=fail)
    lane.put(("a", 1), "a")
    with pytest.raises(ExceptionGroup) as caught:
        await lane.run()
    assert isinstance(caught.value.exceptions[0], LookupError)


async def test_due_times_are_measured_by_the_given_clock() -> None:
    """Seconds of delay are seconds of the clock that the lane was given."""
    began: list[float] = []

    async def work(_: str, __: Place) -> None:
        await checkpoint()
        began.append(anyio.current_time() - START)
        lane.close()

    lane: Lane[str] = Lane(
        capacity=Capacity(1), share=lambda _: 1, work=work, clock=lambda: anyio.current_time() / 2
    )
    lane.put("a", "a", delay=10)
    await lane.run()
    assert began == [20]


async def test_an_idle_lane_does_not_spin() -> None:
    """Waiting for a key that is due in a year looks at the clock a few times, not all the time."""
    looks = 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        return anyio.current_time()

    async def work(_: str, __: Place) -> None:
        await checkpoint()
        lane.close()

    lane: Lane[str] = Lane(capacity=Capacity(1), share=lambda _: 1, work=work, clock=clock)
    lane.put("a", "a", delay=365 * 86_400)
    await lane.run()
    assert looks < 20


entries = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.integers(0, 7)), max_size=25
)


@given(entries, st.integers(1, 4), st.dictionaries(st.sampled_from("abc"), st.integers(1, 4)))
def test_width_and_shares_hold_and_nothing_is_lost(
    plan: list[tuple[str, int, int]], width: int, shares: dict[str, int]
) -> None:
    """Whatever is put, when, and however long it takes: bounds hold, each key is worked on once,
    none before it is due, and the lane is done no later than one key after the other would be."""
    held: Counter[str] = Counter()
    done: list[int] = []

    def share(group: str) -> int:
        return shares.get(group, 2)

    async def scenario() -> None:
        async def work(number: int, _: Place) -> None:
            group, delay, seconds = plan[number]
            assert anyio.current_time() >= START + delay
            held[group] += 1
            assert held.total() <= width
            assert held[group] <= share(group)
            await anyio.sleep(seconds)
            held[group] -= 1
            done.append(number)
            if len(done) == len(plan):
                lane.close()

        lane: Lane[int] = Lane(capacity=Capacity(width), share=share, work=work)
        for number, (group, delay, _) in enumerate(plan):
            lane.put(number, group, delay)
        if plan:
            await lane.run()
        elapsed = anyio.current_time() - START
        assert elapsed <= 20 + sum(seconds for _, _, seconds in plan)

    run_virtually(scenario)
    assert sorted(done) == [*range(len(plan))]


async def test_two_lanes_share_their_places() -> None:
    """What one gives back the other has, and no group has more than its share of both."""
    capacity, began = Capacity(2), list[tuple[float, str]]()

    async def work(key: Key, _: Place) -> None:
        began.append((anyio.current_time() - START, f"{key[0]}{key[1]}"))
        await anyio.sleep(10)

    first: Lane[Key] = Lane(capacity=capacity, share=lambda _: 1, work=work)
    second: Lane[Key] = Lane(capacity=capacity, share=lambda _: 1, work=work)
    first.put(("a", 1), "a")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first.run)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        tasks.start_soon(second.run)
        for group, number in (("a", 2), ("b", 1), ("c", 1)):
            second.put((group, number), group)
        await anyio.sleep(1)
        capacity.total = 1
        await anyio.sleep(30)
        tasks.cancel_scope.cancel()
    assert began == [(0, "a1"), (0, "b1"), (10, "a2"), (20, "c1")]
    assert (first.busy, second.busy, capacity.free) == (0, 0, 1)
