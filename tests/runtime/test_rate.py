"""What passes in a second, in virtual time."""

from itertools import accumulate

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.runtime.rate import Rate
from tests.clock import START, VIRTUAL_TIME, Backend, run_virtually

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


async def test_cancelled_waiters_take_nothing_along() -> None:
    """A thousand waiters of a pass that timed out do not slow the next pass down."""
    rate = Rate(1.0, burst=0.0)
    await rate.take()
    async with anyio.create_task_group() as tasks:
        for _ in range(1000):
            tasks.start_soon(rate.take)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    await rate.take()
    assert anyio.current_time() == pytest.approx(START + 1)


async def test_waiters_are_served_in_their_order() -> None:
    """One that wants much is not passed by those that want little."""
    rate, order = Rate(10.0, burst=0.0), list[int]()

    async def want(count: int) -> None:
        await rate.take(count)
        order.append(count)

    async with anyio.create_task_group() as tasks:
        for count in (5, 100, 1, 7):
            tasks.start_soon(want, count)
            await anyio.wait_all_tasks_blocked()
    assert order == [5, 100, 1, 7]
    assert anyio.current_time() == pytest.approx(START + 10.6)


@given(
    steps=st.lists(st.tuples(st.integers(1, 50), st.floats(0, 20)), min_size=1, max_size=40),
    per_second=st.floats(0.5, 100),
    burst=st.floats(0, 2),
)
def test_no_span_of_time_has_more_than_its_share(
    steps: list[tuple[int, float]], per_second: float, burst: float
) -> None:
    """Whenever it is asked for: the rate for as long, what may be made up for, and the last."""
    passed: list[tuple[float, int]] = []

    async def take_all() -> None:
        rate = Rate(per_second, burst)
        for count, rest in steps:
            await rate.take(count)
            passed.append((anyio.current_time(), count))
            await anyio.sleep(rest)

    run_virtually(take_all)
    for first, (begins, _) in enumerate(passed):
        sums = accumulate(count for _, count in passed[first:])
        for (ends, last), total in zip(passed[first:], sums, strict=True):
            assert total - last <= (ends - begins + burst) * per_second + 1e-3
