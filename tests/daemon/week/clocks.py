"""The two clocks of the simulated process: the virtual loop's, and a time of day that is set."""

import asyncio
from datetime import UTC, datetime

import anyio

from tests.clock import START, VirtualTimeLoop

_MIDNIGHT = 1_800_057_600.0 - START  # 2027-01-16 in UTC


class WorldClock:
    """Satisfies `image_sync.http.Clock` and `image_sync.schedule.Clock`."""

    def __init__(self) -> None:
        self._ahead = _MIDNIGHT

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return self._ahead + self.monotonic()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.wall(), UTC)

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    def set_forward(self, seconds: float) -> None:
        """Set the time of day; also what a machine's sleep does, where the loop's clock stops."""
        self._ahead += seconds


def stand_still(seconds: float) -> None:
    """Have time go on while the process does nothing: all timers fire late."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop._jump(seconds)
