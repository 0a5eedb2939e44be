"""One soak from start to end, and what must hold after it.

image-sync fills the cache, has a third of the time to warm up under trouble, is left in peace and
looked at, has the rest of the trouble, and is left in peace and looked at again. Then:

1. It runs, and has logged no traceback.
2. Two passes in a row found every image in the cache, and had nothing to do.
3. The cache serves of each image of the list what its source names, whole: every byte is read.
4. It holds no more memory, descriptors, threads, children and temporary files than after the
   warm-up, but for the slack of `holding.Slack`.
5. SIGTERM ends it with 0, and nothing of it is left: no child, no temporary file.

What does not hold is a violation.
"""

import signal
import time
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tests.e2e.background import (
    IN_FORCE,
    PASS_OVER,
    PULLED,
    Background,
    SilenceError,
    children,
    running,
)
from tests.kill.checks import outdated
from tests.kill.walk import walk
from tests.soak.holding import Holding, grown, look
from tests.soak.scene import INTERVAL, Scene
from tests.soak.trouble import Trouble

# Seconds after which image-sync must have come to rest once it is left in peace. What failed rests
# for twice the interval, and so on: a pass is asked for meanwhile.
CALM: Final = 180.0
# Seconds for a pass: it begins within an interval.
PASS: Final = INTERVAL + 60.0
# Passes in a row that must have had nothing to do.
QUIET: Final = 2
# Seconds between passes where none is wanted.
LONG: Final = 3600
# Of the time, the part in which it warms up.
WARM_UP: Final = 1 / 3


class Plan(NamedTuple):
    """How to play.

    Attributes:
        minutes: How long trouble is made.
        seed: What happens is drawn from it.
    """

    minutes: float
    seed: int = 1


class Outcome(msgspec.Struct):
    """What came of a soak.

    Attributes:
        made: What trouble there was, by kind.
        copies: How many images were copied, by engine.
        before: What image-sync held after the warm-up.
        after: What it held at the end.
        passes: How many there were.
        failed: Failures of images that its log tells.
        violations: What did not hold, in words.
    """

    made: Counter[str]
    copies: Counter[str] = msgspec.field(default_factory=Counter)
    before: Holding | None = None
    after: Holding | None = None
    passes: int = 0
    failed: int = 0
    violations: list[str] = []

    def summary(self) -> str:
        """What came of it, as text; the violations last."""
        lines = (
            f"trouble: {_listed(self.made)}",
            f"copies: {_listed(self.copies)}; {self.passes} passes, {self.failed} failures",
            f"held after the warm-up: {self.before}",
            f"held at the end: {self.after}",
            f"violations: {len(self.violations)}",
        )
        return "\n".join([*lines, *(f"  VIOLATION {text}" for text in self.violations)])


def play(scene: Scene, plan: Plan) -> Outcome:
    """Make trouble, and look what came of it."""
    temporary = Path(scene.program.environment["TMPDIR"])
    with running(scene.program) as daemon:
        trouble = Trouble(scene, daemon, plan.seed)
        outcome = Outcome(trouble.made)
        try:
            daemon.expect(PASS_OVER, patience=CALM)
            outcome.before = _trouble(scene, daemon, trouble, plan.minutes * 60 * WARM_UP)
            outcome.after = _trouble(scene, daemon, trouble, plan.minutes * 60 * (1 - WARM_UP))
        except SilenceError as error:
            outcome.violations.append(f"it did not come to rest: {error}")
        else:
            outcome.violations += grown(outcome.before, outcome.after)
        outcome.violations += _wrong_cache(scene)
        outcome.violations += _wrong_ending(daemon, temporary)
        _count(outcome, daemon)
    return outcome


def _trouble(scene: Scene, daemon: Background, trouble: Trouble, seconds: float) -> Holding:
    """Make trouble, leave it in peace, and see what it holds."""
    trouble.make(seconds)
    trouble.end()
    _calm(scene, daemon)
    return _at_rest(scene, daemon)


def _at_rest(scene: Scene, daemon: Background) -> Holding:
    """What it holds while there is no pass, and no connection is kept for the next one."""
    _pace(scene, daemon, LONG)
    holding = look(daemon.pid, Path(scene.program.environment["TMPDIR"]))
    _pace(scene, daemon, INTERVAL)
    return holding


def _pace(scene: Scene, daemon: Background, interval: int) -> None:
    scene.program.settings["interval_secs"] = interval
    daemon.reload(scene.program)
    daemon.expect(IN_FORCE)


def _calm(scene: Scene, daemon: Background) -> None:
    """Wait until two passes in a row had nothing to do.

    Raises:
        SilenceError: That did not happen in time.
    """
    deadline = time.monotonic() + CALM
    daemon.catch_up()
    calm = 0
    while calm < QUIET:
        if not calm:
            daemon.send(signal.SIGUSR1)
        line = daemon.expect(PASS_OVER, patience=PASS)
        calm = calm + 1 if line["already_cached"] == len(scene.kept) else 0
        if time.monotonic() > deadline:
            raise SilenceError(daemon.tail())


def _wrong_cache(scene: Scene) -> list[str]:
    found = walk(scene.cache.api)
    stale = [f"{name} is not what its source has" for name in outdated(found.tags, scene.wanted)]
    return [*found.broken, *stale]


def _wrong_ending(daemon: Background, temporary: Path) -> list[str]:
    if not daemon.running():
        return [f"it ended by itself:\n{daemon.finish().stderr[-2000:]}"]
    left = children(daemon.pid)
    run = daemon.finish(signal.SIGTERM)
    wrong = [f"it ended with {run.code}:\n{daemon.tail()}"] if run.code else []
    wrong += [f"its child {pid} is left" for pid in left if Path(f"/proc/{pid}").exists()]
    return wrong + [f"{file} is left" for file in temporary.rglob("*")]


def _count(outcome: Outcome, daemon: Background) -> None:
    for line in daemon.lines():
        if line["msg"] == PULLED:
            outcome.copies[str(line.get("engine", "only the tag"))] += 1
        outcome.passes += line["msg"] == PASS_OVER
        outcome.failed += line["msg"] == "failed"
        if "traceback" in line or "Traceback" in str(line["msg"]):
            outcome.violations.append(f"a traceback was logged: {dict(line)}")


def _listed(counter: "Counter[str]") -> str:
    return ", ".join(f"{count} {key}" for key, count in sorted(counter.items())) or "none"
