"""The board: how things stand, kept up to date by the same events as the log.

In memory alone, and of this process alone: it begins empty. One event costs the same however many
images there are, but for a new configuration. To be written and read on the event loop's thread.

Not here: what it tells (`states.py`), what is known of running copies (`copies.py`) and of
registries (`hosts.py`), and how any of it is shown.
"""

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from image_sync import events
from image_sync.model import Action, ImageSpec, SyncResult
from image_sync.observe.copies import Copies
from image_sync.observe.hosts import Hosts
from image_sync.observe.states import (
    ConfigState,
    CurrentPass,
    HostState,
    ImageState,
    LastPass,
    Leadership,
    Running,
    Shutdown,
)
from image_sync.oci import Reference


def _now() -> datetime:
    return datetime.now(UTC)


class Board:
    """A subscriber that remembers what matters now.

    Until a configuration is adopted, every image that has a result is on it; afterwards those that
    are configured are, and what comes in of others, or of their former configuration, is left out.

    Args:
        monotonic: Seconds that never jump.
        wall: The moment, in UTC.

    Attributes:
        began_at: When it was made.
        config: Which configuration is in force.
        last_pass: The last pass that is over, None if there was none.
        leadership: None as long as nobody spoke of it.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = _now,
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._began = monotonic()
        self._images: dict[Reference, ImageState] = {}
        self._copies = Copies(monotonic, wall)
        self._hosts = Hosts(monotonic, wall)
        self._pass: _Pass | None = None
        self._next_pass: float | None = None
        self._stopping: tuple[int, float] | None = None  # signal, and when the grace is over
        self.began_at = wall()
        self.config = ConfigState()
        self.last_pass: LastPass | None = None
        self.leadership: Leadership | None = None

    def __call__(self, event: events.Event) -> None:
        """Take note of one event."""
        match event:
            case (
                events.RequestFinished()
                | events.HostPaused()
                | events.PullQuota()
                | events.CircuitOpened()
            ):
                self._hosts(event)
            case (
                events.CopyStarted()
                | events.CopyProgress()
                | events.AttemptFailed()
                | events.Postponed()
            ):
                self._copies(event)
            case events.ImageFinished(result=result):
                self._copies(event)
                self._finish(result)
            case _:
                self._live(event)

    def image(self, reference: Reference) -> ImageState | None:
        """One image by its place in the cache, None if it is not on the board."""
        return self._images.get(reference)

    def images(self) -> list[ImageState]:
        """All images, in the order of the configuration."""
        return list(self._images.values())

    def by_action(self) -> dict[Action | None, int]:
        """How many images had each action last; None for those that had no turn."""
        return Counter(
            state.result.action if state.result else None for state in self._images.values()
        )

    def running(self) -> list[Running]:
        """The copies that run now, the longest running first."""
        return self._copies.told()

    def hosts(self) -> list[HostState]:
        """The registries of which something is known, by name."""
        return self._hosts.told()

    @property
    def current_pass(self) -> CurrentPass | None:
        """The pass that runs, None between passes."""
        return self._pass.told(self._monotonic()) if self._pass else None

    @property
    def next_pass_in(self) -> float | None:
        """Seconds until the next pass begins, None while it is not planned."""
        return None if self._next_pass is None else max(0.0, self._next_pass - self._monotonic())

    @property
    def shutdown(self) -> Shutdown | None:
        """How the process ends, None if it does not."""
        if self._stopping is None:
            return None
        signal, until = self._stopping
        return Shutdown(signal=signal, grace_left=max(0.0, until - self._monotonic()))

    @property
    def uptime(self) -> float:
        """Seconds since the board was made."""
        return self._monotonic() - self._began

    def _live(self, event: events.Event) -> None:
        """Take note of what happens to the process as a whole."""
        match event:
            case events.PassStarted():
                self._next_pass = None
                self._pass = _Pass(event, self._monotonic(), self._wall())
            case events.PassResized(images=images):
                if self._pass:
                    self._pass.images = images
            case events.PassFinished():
                self._end_pass(event)
            case events.PassPlanned(seconds=seconds):
                self._next_pass = self._monotonic() + seconds
            case events.ConfigAdopted(specs=specs):
                self._adopt(specs)
            case events.ConfigRejected(problems=problems):
                self.config = msgspec.structs.replace(
                    self.config, rejected_at=self._wall(), problems=problems
                )
            case events.Stopping(signal=signal, grace=grace):
                self._stopping = signal, self._monotonic() + grace
            case events.LeadershipChanged(leads=leads, leader=leader):
                self.leadership = Leadership(leads=leads, leader=leader, since=self._wall())
            case _:
                pass  # of no lasting interest

    def _adopt(self, specs: tuple[ImageSpec, ...]) -> None:
        kept = self._images
        self._images = {}
        for spec in specs:
            known = kept.get(spec.target_reference)
            state = known if known and known.spec == spec else ImageState(spec=spec)
            self._images[spec.target_reference] = state
        self._copies.keep(self._images)
        self._hosts.keep({side.host for spec in specs for side in (spec.source, spec.target)})
        self.config = ConfigState(adopted_at=self._wall())

    def _finish(self, result: SyncResult) -> None:
        reference = result.spec.target_reference
        if self._pass:
            self._pass.actions[result.action] += 1
        state = self._images.get(reference)
        if state is None and self.config.adopted_at is None:
            state = ImageState(spec=result.spec)
        if state and state.spec == result.spec:
            self._images[reference] = _after(state, result, self._wall())

    def _end_pass(self, event: events.PassFinished) -> None:
        self._pass = None
        if event.interrupted:
            self._copies.keep(())
        self.last_pass = LastPass(
            pass_id=event.pass_id,
            tally=event.tally,
            ended_at=self._wall(),
            duration=event.duration,
            interrupted=event.interrupted,
        )


def _after(state: ImageState, result: SyncResult, now: datetime) -> ImageState:
    """What is known of an image once it has another result."""
    failures, since = state.failures, state.failing_since
    match result.action:
        case Action.FAILED:
            failures, since = failures + 1, since or now
        case Action.PULLED | Action.ALREADY_CACHED:
            failures, since = 0, None
        case Action.SKIPPED:
            pass
    return ImageState(
        spec=state.spec,
        result=result,
        checked_at=now,
        pulled_at=now if result.action is Action.PULLED else state.pulled_at,
        failures=failures,
        failing_since=since,
    )


class _Pass:
    """A pass that runs."""

    def __init__(self, started: events.PassStarted, began: float, began_at: datetime) -> None:
        self.actions: Counter[Action] = Counter()
        self.images = started.images
        self._started = started
        self._began = began
        self._began_at = began_at

    def told(self, now: float) -> CurrentPass:
        return CurrentPass(
            pass_id=self._started.pass_id,
            images=self.images,
            dry_run=self._started.dry_run,
            began_at=self._began_at,
            elapsed=now - self._began,
            pulled=self.actions[Action.PULLED],
            already_cached=self.actions[Action.ALREADY_CACHED],
            skipped=self.actions[Action.SKIPPED],
            failed=self.actions[Action.FAILED],
        )
