"""The bytes that are on their way at once, in virtual time."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.engines.builtin.window import Window
from tests.clock import VIRTUAL_TIME, Backend, run_virtually

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


async def test_room_is_given_in_order() -> None:
    """A large one is not passed by small ones for ever."""
    window, order = Window(10), list[str]()
    held = await window.take(8)

    async def want(name: str, count: int) -> None:
        taken = await window.take(count)
        order.append(name)
        await anyio.sleep(1)
        window.give_back(taken)

    async with anyio.create_task_group() as tasks:
        for name, count in (("large", 10), ("small", 1)):
            tasks.start_soon(want, name, count)
            await anyio.sleep(0.1)
        window.give_back(held)
    assert order == ["large", "small"]
    assert window.taken == 0


async def test_more_than_all_is_all() -> None:
    """A piece that is larger than the window moves alone."""
    window = Window(10)
    assert await window.take(1_000) == 10
    assert window.taken == 10


@given(
    wants=st.lists(
        st.tuples(st.integers(1, 30), st.floats(0, 5), st.floats(0.1, 5), st.booleans()),
        max_size=20,
    )
)
def test_it_is_never_overdrawn_and_nothing_is_lost(
    wants: list[tuple[int, float, float, bool]],
) -> None:
    """Whoever waits, works or is cancelled while waiting."""
    window, served = Window(20), list[int]()

    async def want(number: int, count: int, begin: float, work: float, *, hasty: bool) -> None:
        await anyio.sleep(begin)
        with anyio.move_on_after(1 if hasty else 10_000):
            taken = await window.take(count)
            try:
                assert 0 <= window.taken <= 20
                served.append(number)
                await anyio.sleep(work)
            finally:
                window.give_back(taken)

    async def all_of_them() -> None:
        async with anyio.create_task_group() as tasks:
            for number, (count, begin, work, hasty) in enumerate(wants):
                tasks.start_soon(lambda *a, h=hasty: want(*a, hasty=h), number, count, begin, work)

    run_virtually(all_of_them)
    assert window.taken == 0
    patient = {number for number, (*_, hasty) in enumerate(wants) if not hasty}
    assert patient <= set(served)
