"""Virtual time: an event loop whose clock jumps to the next timer instead of waiting for it.

Inside it `anyio.sleep(3600)`, `move_on_after`, `fail_after` and deadlines take no real time and
still happen in their order; `anyio.current_time()` starts at `START` and tells exactly when. Tests
of one module run in it by overriding the anyio plugin's fixture::

    @pytest.fixture
    def anyio_backend() -> Backend:
        return VIRTUAL_TIME

    @pytest.mark.anyio
    async def test_a_day_passes() -> None:
        await anyio.sleep(86_400)
        assert anyio.current_time() == START + 86_400

and a Hypothesis property, which has to start its own loop each time, by `run_virtually(scenario)`.

For code without I/O. What comes from another thread, a child process or a socket is not waited for
while a timer is pending: the timer wins at once. `time.monotonic()` and `time.time()` go on as
always, so code under test must take its time from the loop or from a clock it is given. When all
tasks wait and nothing could wake them, the loop raises `NothingWillHappen` instead of hanging.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

START = 1_000.0
"""Seconds on the virtual clock at first; not 0, so that "no time" and "the start" differ."""

Backend = tuple[str, dict[str, object]]
Result = TypeVar("Result")


class NothingWillHappen(Exception):  # noqa: N818 - says what is the matter
    """All tasks wait for each other: a deadlock in the code under test, or in the test."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time.

    Args:
        patience: Real seconds that something from another thread may take while no timer is
            pending, before it is taken for a deadlock.
    """

    def __init__(self, patience: float = 5.0) -> None:
        self._now = START
        super().__init__(_JumpingSelector(self._jump, patience))
        # Seconds by which asyncio lets a timer fire early. Its own 1e-9 is lost in rounding once
        # the clock shows months, and a timer that is due now would then never fire.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Seconds on the virtual clock."""
        return self._now

    def _jump(self, seconds: float) -> None:
        self._now += seconds


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that has the clock moved where the loop would have it wait."""

    def __init__(self, jump: Callable[[float], None], patience: float) -> None:
        super().__init__()
        self._jump = jump
        self._patience = patience

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(self._patience if timeout is None else 0)
        if not ready and timeout is None:
            raise NothingWillHappen
        if not ready and timeout:
            self._jump(timeout)
        return ready


VIRTUAL_TIME: Backend = ("asyncio", {"loop_factory": VirtualTimeLoop})
"""What an `anyio_backend` fixture returns to have its tests run in virtual time."""


def run_virtually(scenario: Callable[[], Awaitable[Result]]) -> Result:
    """What a coroutine function returns, run in a virtual time of its own from start to end."""
    return anyio.run(scenario, backend_options={"loop_factory": VirtualTimeLoop})
