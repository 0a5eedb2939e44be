"""Time that only moves when a test or a sleeper says so."""

import anyio.lowlevel


class VirtualClock:
    """A clock whose sleeps are over at once; satisfies `image_sync.http.Clock`."""

    def __init__(self) -> None:
        self.now = 1000.0  # monotonic seconds
        self.sleeps: list[float] = []  # seconds, one for each sleep begun

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        await anyio.lowlevel.checkpoint()
        self.now += seconds
