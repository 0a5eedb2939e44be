"""What is done to a running image-sync and to what it works with, one thing after the other.

What comes next is drawn from a seed; what it meets depends on the machine all the same. Not here:
what must hold after it (`soak.py`).
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from tests.e2e.background import Background, children
from tests.soak.scene import TOOLS, Scene

# Images whose tags move at once, at most.
MOVED: Final = 6
# Of the list, the part that is left out of a changed configuration, at most.
LEFT_OUT: Final = 0.1
CONCURRENCY: Final = (1, 8)
# Seconds until a killed registry is back, at most.
DOWN: Final = 3.0
# Seconds between two troubles.
PAUSE: Final = (0.2, 1.2)
# Seconds in which a tool is looked for that could be killed.
_HUNT: Final = 2.0
_ENGINES: Final = ("builtin", *TOOLS)


class Trouble:
    """Makes trouble.

    Attributes:
        made: How often, by kind.
    """

    def __init__(self, scene: Scene, daemon: Background, seed: int) -> None:
        self.made: Counter[str] = Counter()
        self._scene = scene
        self._daemon = daemon
        self._draw = random.Random(seed)
        self._kinds: Mapping[str, tuple[int, Callable[[], bool]]] = {
            "moves": (10, self._move),
            "registries killed": (2, self._kill_a_registry),
            "configurations changed": (3, self._change),
            "configurations broken": (1, self._break),
            "passes asked for": (2, self._hurry),
            "tools killed": (3, self._kill_a_tool),
        }

    def make(self, seconds: float) -> None:
        """Make trouble for so many seconds."""
        weights = [weight for weight, _ in self._kinds.values()]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            (kind,) = self._draw.choices(list(self._kinds), weights)
            self.made[kind] += self._kinds[kind][1]()
            time.sleep(self._draw.uniform(*PAUSE))

    def end(self) -> None:
        """Have every image in the configuration again."""
        self._scene.keep(self._scene.kept)
        self._daemon.reload(self._scene.program)

    def _move(self) -> bool:
        kept = self._scene.kept
        for each in self._draw.sample(kept, self._draw.randint(1, min(MOVED, len(kept)))):
            self._scene.move(each)
        return True

    def _kill_a_registry(self) -> bool:
        registry = self._draw.choice([self._scene.cache, *self._scene.sources])
        registry.kill()
        time.sleep(self._draw.uniform(0, DOWN))
        registry.restart()
        return True

    def _change(self) -> bool:
        """Other images, another engine, another concurrency."""
        scene, kept = self._scene, self._scene.kept
        fewer = self._draw.randint(0, int(len(kept) * LEFT_OUT))
        left_out = set(self._draw.sample(range(len(kept)), fewer))
        scene.keep([each for number, each in enumerate(kept) if number not in left_out])
        scene.program.settings["concurrency"] = self._draw.randint(*CONCURRENCY)
        scene.program.settings["preferred_tool"] = self._draw.choice(_ENGINES)
        self._daemon.reload(self._scene.program)
        return True

    def _break(self) -> bool:
        """A configuration that is none; the file is right again before anything else happens."""
        file = self._scene.program.config
        right = file.read_text(encoding="utf-8")
        file.write_text(right[: len(right) // 2], encoding="utf-8")
        self._daemon.send(signal.SIGHUP)
        time.sleep(self._draw.uniform(*PAUSE))
        file.write_text(right, encoding="utf-8")
        self._daemon.send(signal.SIGHUP)
        return True

    def _hurry(self) -> bool:
        self._daemon.send(signal.SIGUSR1)
        return True

    def _kill_a_tool(self) -> bool:
        """True if one was running: what moves at that moment gives it something to do."""
        self._move()
        self._hurry()
        deadline = time.monotonic() + _HUNT
        while time.monotonic() < deadline:
            if pids := children(self._daemon.pid):
                time.sleep(self._draw.uniform(0, 0.1))
                with suppress(ProcessLookupError):
                    os.kill(self._draw.choice(pids), signal.SIGKILL)
                    return True
            time.sleep(0.01)
        return False
