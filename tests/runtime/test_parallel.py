"""The same work on many items: how many at once, and what a failure does."""

import anyio
import pytest

from image_sync.runtime.parallel import for_each
from tests.clock import VIRTUAL_TIME, Backend

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


@pytest.mark.parametrize(("items", "workers"), [(0, 3), (1, 3), (3, 3), (10, 3), (5, 1)], ids=str)
async def test_every_item_is_worked_on_once_and_only_so_many_at_a_time(
    items: int, workers: int
) -> None:
    """Each item gets its turn, and the places are filled but never exceeded."""
    done: list[int] = []
    busy = most = 0

    async def work(item: int) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await anyio.sleep(1)
        busy -= 1
        done.append(item)

    await for_each(work, range(items), workers=workers)
    assert sorted(done) == list(range(items))
    assert most == min(items, workers)


async def test_the_first_failure_comes_out_as_it_is_and_ends_the_rest() -> None:
    """No group around it, its own cause kept, and nothing begun after it."""
    begun: list[int] = []
    cause = OSError("the cable")

    async def work(item: int) -> None:
        begun.append(item)
        await anyio.sleep(item)
        if item == 2:
            raise ValueError("two") from cause

    with pytest.raises(ValueError, match="two") as caught:
        await for_each(work, [1, 2, 30, 40, 50], workers=2)
    assert caught.value.__cause__ is cause
    assert begun == [1, 2, 30]


async def test_a_cancelled_call_ends_its_work() -> None:
    """A deadline around it is obeyed; nothing goes on behind its back."""
    ended = []

    async def work(item: int) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(item)

    with anyio.move_on_after(5) as scope:
        await for_each(work, [1, 2], workers=2)
    assert scope.cancelled_caught
    assert sorted(ended) == [1, 2]
