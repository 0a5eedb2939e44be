"""A simulated registry that has bad hours, and notices when it is asked too much or too often."""

import asyncio
from enum import StrEnum
from typing import NamedTuple

from image_sync.http.deadlines import DEFAULTS
from image_sync.http.limits import CONCURRENCY
from image_sync.model import HostPolicy

_BURST = 1.0  # seconds of its rate that a host takes at once
_ROUNDING = 1e-6


class Trouble(StrEnum):
    """What is wrong with a host."""

    SILENT = "silent"  # connects, and says nothing
    UNREACHABLE = "unreachable"  # no connection comes about in time
    REFUSING = "refusing"  # refuses connections at once
    FAILING = "failing"  # 503


class Spell(NamedTuple):
    """Bad hours, in seconds since the start."""

    begin: float
    end: float
    trouble: Trouble


class Pause(NamedTuple):
    """A 429 at some moment, in seconds since the start."""

    begin: float
    seconds: float
    pulls_only: bool = False


class Troubled(Exception):  # noqa: N818 - a state of the host
    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble)
        self.trouble = trouble


class TooMany(Exception):  # noqa: N818 - an answer
    """429."""

    def __init__(self, pause: Pause) -> None:
        super().__init__(pause)
        self.pause = pause


class Host:
    """A registry; times are seconds since the start.

    Args:
        name: Canonical host.
        latency: Seconds until it answers.
        count: How many images it has.

    Attributes:
        most: Requests in flight at once, at most.
        offences: What was done to it that should not be.
    """

    def __init__(self, name: str, latency: float, count: int) -> None:
        self.name = name
        self.latency = latency
        self.count = count
        self.spells: list[Spell] = []
        self.pauses: list[Pause] = []
        self.most = 0
        self.asked = 0
        self.offences: list[str] = []
        self._policy = HostPolicy()
        self._began = asyncio.get_running_loop().time()
        self._in_flight = 0
        self._free = float("-inf")  # when what was asked so far is through, at its rate
        self._until = {False: float("-inf"), True: float("-inf")}  # paused, by pulls_only
        self._held_over = 0  # in flight when its limit was lowered

    def now(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    def adopt(self, policy: HostPolicy) -> None:
        """Expect other limits from now on."""
        if policy.requests_per_second != self._policy.requests_per_second:
            self._free = float("-inf")
        self._policy = policy
        self._held_over = self._in_flight

    def trouble(self) -> Trouble | None:
        now = self.now()
        return next((each.trouble for each in self.spells if each.begin <= now < each.end), None)

    def well_since(self) -> float:
        """When its last trouble or pause was over; infinity while one lasts."""
        now = self.now()
        ends = [spell.end for spell in self.spells if spell.begin <= now]
        latest = max([0.0, *ends, *self._until.values()])
        return latest if latest <= now else float("inf")

    async def answer(self, *, pulls: bool, seconds: float) -> None:
        """Answer a request after some seconds more than usual; silence ends at its deadline."""
        self._arrived(pulls=pulls)
        self._in_flight += 1
        self.most = max(self.most, self._in_flight)
        try:
            await self._respond(pulls=pulls, seconds=seconds)
        finally:
            self._in_flight -= 1
            self._held_over = min(self._held_over, self._in_flight)

    async def _respond(self, *, pulls: bool, seconds: float) -> None:
        match self.trouble():
            case Trouble.SILENT:
                await asyncio.sleep(DEFAULTS.connect + DEFAULTS.headers)
                raise Troubled(Trouble.SILENT)
            case Trouble.UNREACHABLE:
                await asyncio.sleep(DEFAULTS.connect)
                raise Troubled(Trouble.UNREACHABLE)
            case Trouble.REFUSING | Trouble.FAILING as trouble:
                await asyncio.sleep(self.latency)
                raise Troubled(trouble)
            case None:
                await asyncio.sleep(self.latency + seconds)
        now = self.now()
        for pause in self.pauses:
            if pause.begin <= now and (pulls or not pause.pulls_only):
                self.pauses.remove(pause)
                until = self._until[pause.pulls_only]
                self._until[pause.pulls_only] = max(until, now + pause.seconds)
                raise TooMany(pause)

    def _arrived(self, *, pulls: bool) -> None:
        now = self.now()
        self.asked += 1
        most = max(self._policy.concurrency or CONCURRENCY, self._held_over)
        if self._in_flight >= most:
            self._note(f"{self._in_flight + 1} requests in flight, {most} allowed")
        paused = max(self._until[False], self._until[True] if pulls else float("-inf"))
        if now < paused - _ROUNDING:
            self._note(f"asked {paused - now:.3f} s before the end of its pause")
        rate = self._policy.requests_per_second
        if rate:
            self._free = max(self._free, now - _BURST) + 1.0 / rate
            if self._free > now + 1.0 / rate + _ROUNDING:
                self._note(f"more than {rate:.0f} requests per second")

    def _note(self, offence: str) -> None:
        self.offences.append(f"{self.name} at {self.now():.3f} s: {offence}")
