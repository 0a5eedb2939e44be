"""The copies that run now.

A copy begins when its engine does, and ends when its image has a result or another attempt follows.
Not here: what it tells (`states.py`), how fast it is (`pace.py`).
"""

from collections.abc import Callable, Collection
from datetime import datetime

from image_sync import events
from image_sync.model import ImageSpec
from image_sync.observe.pace import Pace
from image_sync.observe.states import Running
from image_sync.oci import Digest, Reference

_CopyEvent = (
    events.CopyStarted
    | events.CopyProgress
    | events.AttemptFailed
    | events.Postponed
    | events.ImageFinished
)


class Copies:
    """At most one for each image.

    Args:
        monotonic: Seconds that never jump.
        wall: The moment, in UTC.
    """

    def __init__(self, monotonic: Callable[[], float], wall: Callable[[], datetime]) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._running: dict[Reference, _Copy] = {}

    def __call__(self, event: _CopyEvent) -> None:
        """Take note of one event."""
        match event:
            case events.CopyStarted(spec=spec):
                self._begin(spec, event.engine, event.attempt, event.digest)
            case events.CopyProgress():
                self._move(event)
            case events.AttemptFailed(spec=spec) | events.Postponed(spec=spec):
                self._running.pop(spec.target_reference, None)
            case events.ImageFinished(result=result):
                self._running.pop(result.spec.target_reference, None)

    def keep(self, references: Collection[Reference]) -> None:
        """Drop the copies of all other images: they were given up."""
        self._running = {key: copy for key, copy in self._running.items() if key in references}

    def told(self) -> list[Running]:
        """Those that run, the longest running first."""
        now = self._monotonic()
        return [copy.told(now) for copy in self._running.values()]

    def _begin(self, spec: ImageSpec, engine: str, attempt: int, digest: Digest | None) -> "_Copy":
        copy = _Copy(spec, engine, attempt, digest, self._monotonic(), self._wall())
        self._running.pop(spec.target_reference, None)  # so that it is the last in order
        self._running[spec.target_reference] = copy
        return copy

    def _move(self, event: events.CopyProgress) -> None:
        """Count bytes; referrers begin to move without a word, by the builtin engine."""
        copy = self._running.get(event.spec.target_reference)
        if copy is None or copy.engine != event.engine:
            copy = self._begin(event.spec, event.engine, copy.attempt if copy else 1, None)
        copy.pace.count(self._monotonic(), event.bytes_moved)
        copy.size = event.size


class _Copy:
    """One of them."""

    __slots__ = ("attempt", "began", "began_at", "digest", "engine", "pace", "size", "spec")

    def __init__(
        self,
        spec: ImageSpec,
        engine: str,
        attempt: int,
        digest: Digest | None,
        began: float,
        began_at: datetime,
    ) -> None:
        self.spec = spec
        self.engine = engine
        self.attempt = attempt
        self.digest = digest
        self.began = began
        self.began_at = began_at
        self.size: int | None = None
        self.pace = Pace(began)

    def told(self, now: float) -> Running:
        return Running(
            spec=self.spec,
            engine=self.engine,
            attempt=self.attempt,
            digest=self.digest,
            bytes_moved=self.pace.moved,
            size=self.size,
            rate=self.pace.rate(now),
            began_at=self.began_at,
            elapsed=now - self.began,
        )
