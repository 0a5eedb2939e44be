"""What was left behind is taken back when nobody goes on with it, and in time."""

import anyio
import pytest

from image_sync.runtime.farewell import GRACE, completed, taking_back
from tests.clock import START, VIRTUAL_TIME, Backend

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Backend:
    """Seconds here take no time."""
    return VIRTUAL_TIME


class Room:
    """A door that takes some seconds to open, and is closed again."""

    def __init__(self, seconds: float) -> None:
        self.opened = 0
        self.closed: list[str] = []
        self._seconds = seconds

    async def open(self) -> str:
        await anyio.sleep(self._seconds)
        self.opened += 1
        return "a key"

    async def close(self, key: str) -> None:
        await anyio.sleep(1)
        self.closed.append(key)


async def test_what_is_wanted_is_handed_over() -> None:
    """However long it takes, nothing is undone."""
    room = Room(100 * GRACE)
    assert await completed(room.open, room.close) == "a key"
    assert room.closed == []


async def test_what_nobody_wants_any_more_is_undone() -> None:
    """Cancelled in the middle, it ends and is taken back; the cancellation goes on."""
    room = Room(3)
    with anyio.move_on_after(1) as scope:
        await completed(room.open, room.close)
    assert scope.cancelled_caught
    assert (room.opened, room.closed) == (1, ["a key"])
    assert anyio.current_time() - START == 3 + 1


async def test_an_operation_that_does_not_end_is_given_up() -> None:
    """A few seconds after the cancellation."""
    room = Room(1_000)
    with anyio.move_on_after(1):
        await completed(room.open, room.close)
    assert (room.opened, room.closed) == (0, [])
    assert anyio.current_time() - START == 1 + GRACE


async def test_a_failure_comes_out_as_it_is() -> None:
    """Not in a group."""

    async def fail() -> str:
        raise ValueError("no such door")

    with pytest.raises(ValueError, match="no such door"):
        await completed(fail, Room(0).close)


async def test_undoing_has_what_the_operation_left_of_the_time() -> None:
    """Whoever cancelled knows when both are over."""
    room = Room(1 + GRACE - 0.5)
    with anyio.move_on_after(1):
        await completed(room.open, room.close)
    assert (room.opened, room.closed) == (1, [])
    assert anyio.current_time() - START == 1 + GRACE


async def forever() -> None:
    await anyio.sleep_forever()


async def test_what_is_taken_back_at_the_end_has_some_seconds() -> None:
    """However long the block took."""
    async with taking_back(forever):
        await anyio.sleep(100 * GRACE)
    assert anyio.current_time() - START == 101 * GRACE


@pytest.mark.parametrize("seconds", [0.0, 3.0, 2 * GRACE])
async def test_taking_back_has_what_is_left_since_the_cancellation(seconds: float) -> None:
    """A block that took all of it leaves nothing, and is not cut off itself."""
    with anyio.move_on_after(1) as scope:
        async with taking_back(forever):
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(seconds)
    assert scope.cancelled_caught
    assert anyio.current_time() - START == 1 + max(GRACE, seconds)


async def test_a_failure_of_the_block_comes_out_when_all_is_taken_back() -> None:
    """As it is, and not in a group."""
    room = Room(0)
    with pytest.raises(ValueError, match="no such door"):
        async with taking_back(lambda: room.close("a key")):
            raise ValueError("no such door")
    assert room.closed == ["a key"]
