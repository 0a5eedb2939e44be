"""One kill after the other, and what must hold after each.

In each round most images move at the source, a pass begins, and at a random moment of it one
victim ends with -9; a registry comes back soon, or only when image-sync has ended. Then:

1. Every tag of the cache is whole: each descriptor below it is there, of its size and digest.
2. Every tag names what it named before, or what the source names now; none is gone.
3. image-sync, if it was not the victim, has ended by itself in its time, with an exit code and a
   report that agree with what the cache holds, and without a traceback.
4. It has left no upload open that it could delete, if nobody killed the cache under it (the builtin
   engine's promise).
5. The next pass, undisturbed, makes the cache equal to the source and leaves no upload open.

What does not hold is a violation. Moments are drawn from a seed; where in a pass they land depends
on the machine all the same.
"""

import math
import random
import subprocess
import time
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from tests.e2e.program import Run
from tests.kill.checks import Tags, abandoned, outdated, wrong_ending, wrong_tags
from tests.kill.scene import BUILTIN, Cache, Scene
from tests.kill.torn import mend
from tests.kill.walk import Tagged, open_uploads, walk

# Seconds for a pass that nobody disturbs: it takes one or two on a machine that is not busy.
PASS_TIMEOUT: Final = 60
# Seconds for a run on top of its own time-out: the interpreter starts, what was done is put away.
GRACE: Final = 30.0
# Seconds until a killed registry is back, at most.
DOWN: Final = 0.5
# Images that stay as they are in a round, at most.
STILL: Final = 2


class Victim(StrEnum):
    """Who is killed."""

    IMAGE_SYNC = "image-sync"
    SOURCE = "source"
    CACHE = "cache"


# Exit codes of a pass, by the registry that died under it: all done nevertheless, an image
# failed, nothing could be asked of the target.
_CODES: Final[Mapping[Victim, frozenset[int]]] = {
    Victim.SOURCE: frozenset({0, 1}),
    Victim.CACHE: frozenset({0, 1, 4}),
}


class Kill(msgspec.Struct):
    """One round.

    Attributes:
        version: Of the distribution that is the cache.
        down: Seconds until a registry is back; None: when the pass has ended.
        at: Seconds from the pass's first request to the kill.
        midway: Whether the pass was still at work.
        code: The exit code of the pass that was disturbed; None where there is none.
        seconds: From the kill to the end of that pass.
        next_seconds: What the next pass took.
        left: Uploads that the disturbed pass left open.
        left_next: Uploads that the next pass left open.
        torn: Files that the killed cache had torn itself.
        violations: What did not hold, in words.
    """

    number: int
    victim: Victim
    version: int
    down: float | None
    at: float
    midway: bool = False
    code: int | None = None
    seconds: float = 0.0
    next_seconds: float = 0.0
    left: int = 0
    left_next: int = 0
    torn: int = 0
    violations: list[str] = []

    @property
    def story(self) -> str:
        """The round in one line."""
        down = "to the end" if self.down is None else f"for {self.down:.2f} s"
        gone = "" if self.victim is Victim.IMAGE_SYNC else f", down {down}"
        middle = "midway" if self.midway else "too late"
        ended = "" if self.code is None else f"; ended with {self.code}"
        return (
            f"round {self.number}: {self.victim} killed at {self.at:.2f} s, {middle}{gone}, "
            f"cache distribution {self.version}{ended} after {self.seconds:.1f} s, "
            f"{self.left} uploads left, {self.torn} files torn; next pass {self.next_seconds:.1f} s"
        )


class Plan(NamedTuple):
    """How to play.

    Attributes:
        engine: What copies.
        seed: What moves, who stays down, and when the kills come is drawn from it.
        pass_timeout: Seconds for a pass that is disturbed. One that has lost a registry waits
            for it for up to a minute, which would make a long round.
    """

    engine: str = BUILTIN
    seed: int = 1
    pass_timeout: int = 5


def play(scene: Scene, plan: Plan, numbers: range) -> Iterator[Kill]:
    """Rounds of these numbers, after a pass that fills each cache."""
    loop = _Loop(scene, plan)
    loop.fill(f"{plan.seed}-{numbers.start}-filled")
    for number in numbers:
        yield loop.round(number)


class _Loop:
    """A scene and what is known of it.

    `wanted` is what the source names, `tags` what each cache named last, and `span` the seconds
    for which a pass is at work.
    """

    def __init__(self, scene: Scene, plan: Plan) -> None:
        self._scene = scene
        self._plan = plan
        self._wanted: dict[str, Tagged] = {}
        self._tags: dict[int, Tags] = {}
        self._span = math.inf

    def fill(self, label: str) -> None:
        """Have every image in both caches, and learn how long a pass is at work."""
        self._move(random.Random(label), label, still=0)
        for cache in self._scene.caches:
            process = self._start(cache, PASS_TIMEOUT)
            began = time.monotonic()
            run = _finish(process, PASS_TIMEOUT)
            self._span = min(self._span, time.monotonic() - began)
            wrong = self._finished_wrongly(cache, run)
            assert not wrong, "\n".join(wrong)

    def round(self, number: int) -> Kill:
        """One kill, the checks, and the pass that puts things right."""
        draw = random.Random(f"{self._plan.seed} {number}")
        cache = self._scene.caches[number // 3 % 2]
        kill = Kill(
            number,
            victim=list(Victim)[number % 3],
            version=cache.version,
            down=None if number // 6 % 2 else draw.uniform(0, DOWN),
            at=draw.uniform(0, self._span),
        )
        self._move(draw, f"{self._plan.seed}-{number}-moved", still=draw.randint(0, STILL))
        self._disturb(cache, kill)
        self._put_right(cache, kill)
        return kill

    def _disturb(self, cache: Cache, kill: Kill) -> None:
        before, uploads = self._tags[cache.version], open_uploads(cache.registry)
        process = self._start(cache, self._plan.pass_timeout)
        time.sleep(kill.at)
        kill.midway = process.poll() is None
        struck = time.monotonic()
        run = self._strike(process, cache, kill)
        kill.seconds = time.monotonic() - struck
        left = _since(uploads, cache)
        kill.left = len(left)
        found = walk(cache.registry.api)
        kill.violations += found.broken
        kill.violations += wrong_tags(before, found.tags, self._wanted)
        if kill.victim is not Victim.IMAGE_SYNC:
            kill.code = run.code if run else None
            codes = _CODES[kill.victim]
            kill.violations += wrong_ending(run, codes, self._names, found.tags, self._wanted)
        if kill.victim is Victim.SOURCE and self._plan.engine == BUILTIN:
            kill.violations += abandoned(left)

    def _put_right(self, cache: Cache, kill: Kill) -> None:
        uploads = open_uploads(cache.registry)
        process = self._start(cache, PASS_TIMEOUT)
        began = time.monotonic()
        run = _finish(process, PASS_TIMEOUT)
        kill.next_seconds = time.monotonic() - began
        left = _since(uploads, cache)
        kill.left_next = len(left)
        wrong = [*self._finished_wrongly(cache, run), *abandoned(left)]
        kill.violations += [f"in the next pass: {text}" for text in wrong]

    def _strike(self, process: "subprocess.Popen[str]", cache: Cache, kill: Kill) -> Run | None:
        """Kill the victim, and see the pass to its end."""
        if kill.victim is Victim.IMAGE_SYNC:
            process.kill()
            return _finish(process, self._plan.pass_timeout)
        registry = cache.registry if kill.victim is Victim.CACHE else self._scene.source
        registry.kill()
        if kill.victim is Victim.CACHE:
            kill.torn = len(mend(registry, self._tags[cache.version]))
        if kill.down is not None:
            time.sleep(kill.down)
            registry.restart()
            return _finish(process, self._plan.pass_timeout)
        run = _finish(process, self._plan.pass_timeout)
        registry.restart()
        return run

    def _finished_wrongly(self, cache: Cache, run: Run | None) -> list[str]:
        """What is not as it should be after a pass that nobody disturbed."""
        found = walk(cache.registry.api)
        self._tags[cache.version] = found.tags
        wrong = [*found.broken, *wrong_tags({}, found.tags, self._wanted)]
        wrong += wrong_ending(run, {0}, self._names, found.tags, self._wanted)
        wrong += [f"{name} is not up to date" for name in outdated(found.tags, self._wanted)]
        return wrong

    def _move(self, draw: random.Random, label: str, *, still: int) -> None:
        """Move all images but some at the source."""
        kept = self._scene.kept
        for each in draw.sample(kept, len(kept) - still):
            self._wanted[each.target] = self._scene.move(each, label)

    def _start(self, cache: Cache, timeout: int) -> "subprocess.Popen[str]":
        """A pass that has just sent its first request to the source."""
        cache.program.settings["pass_timeout_secs"] = timeout
        recorder = self._scene.source.recorder
        first = recorder.hold(None, "")
        process = cache.program.start("--once", "--config", str(cache.program.config))
        try:
            first.wait()
        except TimeoutError as error:
            process.kill()
            raise RuntimeError(f"no pass began: {process.communicate()[1]}") from error
        recorder.stop_answering()
        return process

    @property
    def _names(self) -> list[str]:
        return [kept.target for kept in self._scene.kept]


def _since(uploads: Mapping[str, int], cache: Cache) -> dict[str, int]:
    """The uploads that are open now and were not then, with their bytes."""
    now = open_uploads(cache.registry)
    return {upload: size for upload, size in now.items() if upload not in uploads}


def _finish(process: "subprocess.Popen[str]", timeout: int) -> Run | None:
    """How a pass with that time-out ended; None if it had to be killed for not doing so."""
    try:
        stdout, stderr = process.communicate(timeout=timeout + GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    return Run(process.returncode, stdout, stderr)
