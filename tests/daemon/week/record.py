"""What was seen: gaps between two looks at an image, passes, warnings, and what should not be."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from image_sync.events import Event, ImageFinished, PassFinished, PassStarted, Warned
from image_sync.model import Action, ImageSpec, SyncResult
from image_sync.oci import Reference
from tests.daemon.week.host import Host
from tests.daemon.week.world import CACHE, World


class Record:
    """Watches one simulation; times are seconds since its start.

    Args:
        hosts: By name; they say when they were well.
        world: Says when an image changed.

    Attributes:
        offences: What should not have been.
        counts: How much there was of what.
        gaps: The longest time without a look at an image that is well, by its own interval.
        returns: The longest time until a look after trouble was over, by its own interval.
        lag: The longest time that the cache was behind a host that was well.
        resumed: When the process last went on after it stood still or began anew.
    """

    def __init__(self, hosts: Mapping[str, Host], world: World) -> None:
        self._hosts = hosts
        self._world = world
        self._now = hosts[CACHE].now
        self._specs: dict[Reference, ImageSpec] = {}
        self._looked: dict[Reference, float] = {}
        self._troubled: set[Reference] = set()  # failed last, or came back to a paused host
        self._at_work: dict[str, set[Reference]] = defaultdict(set)
        self._in_pass = False
        self.offences: list[str] = []
        self.counts: Counter[str] = Counter()
        self.gaps: defaultdict[float | None, float] = defaultdict(float)
        self.returns: defaultdict[float | None, float] = defaultdict(float)
        self.lag = 0.0
        self.copies_at_once = 0
        self.resumed = 0.0

    def adopt(self, specs: tuple[ImageSpec, ...]) -> None:
        """Expect looks at these images and no others from now on; anew at what has changed."""
        now, before = self._now(), self._specs
        self._specs = {spec.target_reference: spec for spec in specs}
        self._looked = {
            key: self._looked[key] if before.get(key) == spec else now
            for key, spec in self._specs.items()
        }
        self._troubled &= self._specs.keys()

    @contextmanager
    def working(self, what: str, spec: ImageSpec) -> Iterator[None]:
        """Count what is done about an image; never twice at once."""
        at_work, reference = self._at_work[what], spec.target_reference
        if reference in at_work:
            self.offences.append(f"{spec}: {what} twice at once at {self._now():.1f} s")
        at_work.add(reference)
        self.counts[what] += 1
        self.copies_at_once = max(self.copies_at_once, len(self._at_work["copy"]))
        try:
            yield
        finally:
            at_work.discard(reference)

    def looked_at(self, spec: ImageSpec) -> None:
        """An image was looked at."""
        reference, now = spec.target_reference, self._now()
        before = self._looked.get(reference)
        if before is None:
            return
        well = self._well_since(spec)
        if well <= before and reference not in self._troubled:
            self.gaps[spec.interval] = max(self.gaps[spec.interval], now - before)
        elif well <= now:
            since = now - max(before, well)
            self.returns[spec.interval] = max(self.returns[spec.interval], since)
        self._looked[reference] = now

    def _well_since(self, spec: ImageSpec) -> float:
        hosts = (self._hosts[spec.source.host], self._hosts[CACHE])
        return max(self.resumed, *(host.well_since() for host in hosts))

    def emit(self, event: Event) -> None:
        match event:
            case PassStarted():
                self._pass(begins=True)
            case PassFinished():
                self._pass(begins=False)
            case Warned(subject="schedule"):
                self.counts["late"] += 1
            case ImageFinished(result=result):
                self._finished(result)
            case _:
                pass

    def _pass(self, *, begins: bool) -> None:
        if begins is self._in_pass:
            what = "begins" if begins else "ends"
            self.offences.append(f"a pass {what} at {self._now():.1f} s, and another did before")
        self._in_pass = begins
        self.counts["pass"] += begins

    def _finished(self, result: SyncResult) -> None:
        reference, now = result.spec.target_reference, self._now()
        self.counts[result.action] += 1
        if result.action in {Action.FAILED, Action.SKIPPED}:
            self._troubled.add(reference)
        else:
            self._troubled.discard(reference)
        if reference in self._looked and result.attempts:
            self._looked[reference] = now
        if result.action is Action.PULLED:
            changed = self._world.changed[result.spec.image]
            if result.spec.interval is None and self._well_since(result.spec) <= changed:
                self.lag = max(self.lag, now - changed)
