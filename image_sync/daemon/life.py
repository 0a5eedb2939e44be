"""Work that goes on: images are worked on as they come due, under a configuration that may change.

The order at the end is fixed: nothing new is begun; what is being copied has some time to finish,
and is given up then; what was learnt is saved, and uploads that nobody goes on with are taken back;
connections close.
"""

import anyio
from anyio.abc import TaskGroup

from image_sync.config import Scope
from image_sync.daemon.generation import Generation, Opens
from image_sync.daemon.outlook import Outlook
from image_sync.daemon.passes import Passes
from image_sync.daemon.rhythms import Rhythms
from image_sync.errors import ConfigError
from image_sync.events import (
    ConfigAdopted,
    Emit,
    Event,
    ImageFinished,
    PassFinished,
    Stopping,
    Warned,
)
from image_sync.model import Action, ImageSpec, Reason, SyncResult
from image_sync.oci import Reference
from image_sync.schedule import Agenda, Clock, MachineClock

_LOOK_AGAIN = 30.0
"""Seconds after which clocks are looked at again: one that was put forward may have made something
due, and whoever asks whether this is alive need not wait for longer."""
_STUCK = 3 * _LOOK_AGAIN
"""Seconds without a look at the clock after which something is wrong with the process."""


class Life:
    """Has images worked on as they come due.

    Args:
        emit: Takes the events.
        assembly: Puts together what works under a configuration.
        clock: Where time comes from.
    """

    def __init__(self, emit: Emit, assembly: Opens, clock: Clock | None = None) -> None:
        self._emit = emit
        self._assembly = assembly
        self._clock = clock or MachineClock()
        self._agenda: Agenda[Reference] = Agenda(self._clock.monotonic)
        self._outlook = Outlook(emit, self._clock.monotonic)
        self._passes = Passes(self._tell, self._clock.monotonic)
        self._rhythms: Rhythms | None = None
        self._specs: dict[Reference, ImageSpec] = {}
        self._working: dict[Reference, ImageSpec] = {}  # as they were when they were taken
        self._generations: list[Generation] = []  # the last one takes what comes due
        self._tasks: TaskGroup | None = None
        self._adopting = anyio.Lock()
        self._changed = anyio.Event()
        self._beat: float | None = None  # when clocks were looked at last
        self._reached = False  # the cache has answered
        self._ending: int | None = None

    async def run(self, scope: Scope) -> None:
        """Work until told to end; cancel it to stop at once.

        Raises:
            ConfigError: A file that the configuration names cannot be used.
        """
        failure: ConfigError | None = None
        try:
            async with anyio.create_task_group() as self._tasks:
                try:
                    async with self._adopting:
                        await self._adopt(scope)
                except ConfigError as error:
                    failure = error  # raised outside of the group, which would wrap it up
                else:
                    await self._go_on()
        finally:
            self._passes.close(interrupted=True)
        if failure:
            raise failure

    async def adopt(self, scope: Scope) -> None:
        """Work by another configuration from now on; running copies go on.

        Nothing comes of it once this was told to end.

        Raises:
            ConfigError: A file that it names cannot be used; the one before stays in force.
        """
        async with self._adopting:
            if self._ending is None:
                await self._adopt(scope)

    async def _adopt(self, scope: Scope) -> None:
        before = self._generations[-1].scope if self._generations else None
        if before is None or not scope.works_like(before):
            await self._replace(scope)
        else:
            self._generations[-1].scope = scope
            if scope.fixed != before.fixed:
                text = "settings.server and settings.lease hold from the start: restart to change"
                self._emit(Warned("config", text))
        for warning in scope.resolved.warnings:
            self._emit(Warned("config", warning))
        self._plan(scope, first=before is None)
        self._changed.set()

    def hurry(self, *, failing: bool = False) -> None:
        """Have a pass now, over all images or only over those that failed last."""
        self._agenda.hurry(failing=failing)
        self._changed.set()

    def end(self, signum: int) -> None:
        """End in order."""
        self._ending = signum
        self._changed.set()

    def alive(self) -> str | None:
        """Why this cannot go on; None if it does."""
        if self._beat is None or self._ending is not None:  # both are bounded otherwise
            return None
        silent = self._clock.monotonic() - self._beat
        return f"nothing was looked at for {silent:.0f} s" if silent > _STUCK else None

    def ready(self) -> str | None:
        """Why nothing can be expected yet or any more; None if it can."""
        if self._ending is not None:
            return "it was told to end"
        if not self._generations:
            return "it is starting"
        # What is being copied was checked at both sides.
        self._reached |= any(generation.runner.copies for generation in self._generations)
        return None if self._reached or not self._specs else "the cache has not answered yet"

    async def _go_on(self) -> None:
        while self._ending is None:
            self._changed = anyio.Event()
            self._beat = self._clock.monotonic()
            self._begin()
            await self._wait()
        await self._finish(self._ending)

    def _begin(self) -> None:
        """Have worked on what is due."""
        due = self._agenda.take()
        if due.late:
            self._outlook.warn([self._specs[reference] for reference in due.late])
        for reference in due.keys:
            self._working[reference] = spec = self._specs[reference]
            self._generations[-1].runner.put(spec)
        turn = self._rhythms is not None and self._rhythms.main in due.turns
        if due.keys or turn:
            self._passes.take(due.keys, turn=turn)
            self._outlook.forget()
        self._outlook.tell(self._agenda.wait())

    async def _wait(self) -> None:
        """Until something is due, or changed."""
        due = self._agenda.wait()
        longest = _LOOK_AGAIN if due is None else min(_LOOK_AGAIN, due)
        with anyio.move_on_after(max(0.0, longest)):
            await self._changed.wait()

    async def _replace(self, scope: Scope) -> None:
        """Have another generation take over."""
        assert self._tasks, "it runs"  # noqa: S101
        generation = Generation(scope, self._assembly, self._finish_image)
        await self._tasks.start(generation.run)
        for earlier in self._generations:
            earlier.retire(replaced=True)
        self._generations.append(generation)
        if self._ending is not None:  # it was told to end meanwhile
            generation.retire()
        self._tasks.start_soon(self._forget, generation)

    async def _forget(self, generation: Generation) -> None:
        """Drop a generation once nothing works under it."""
        await generation.idle()
        self._generations.remove(generation)

    def _plan(self, scope: Scope, *, first: bool) -> None:
        """Have the images of a configuration come due, and no others."""
        timing = scope.resolved.timing
        if self._rhythms is None:
            self._rhythms = Rhythms(timing, self._clock)
        self._rhythms.adopt(timing)
        self._agenda.keep(self._rhythms.main)
        wanted = {spec.target_reference: spec for spec in scope.specs}
        removed = self._specs.keys() - wanted.keys()
        for reference in removed:
            self._remove(reference)
        changed = {key for key, spec in wanted.items() if self._specs.get(key, spec) != spec}
        added = wanted.keys() - self._specs.keys()
        delay = self._rhythms.jitter.start() if first else 0.0
        for reference, spec in wanted.items():
            rhythm = self._rhythms.of(spec)
            if reference in added or reference in changed:
                self._give_back(reference)
                self._specs[reference] = spec
                self._agenda.put(reference, rhythm, delay)
            else:
                self._agenda.adapt(reference, rhythm)
        self._generations[-1].runner.expect({spec.source.host for spec in scope.specs})
        self._emit(ConfigAdopted(scope.specs, len(added), len(changed), len(removed)))

    def _give_back(self, reference: Reference) -> None:
        """Have an image come due as it is configured now, unless something is done about it."""
        spec = self._working.get(reference)
        if spec is not None:
            for generation in self._generations:
                generation.give_up(spec, waiting=True)

    def _remove(self, reference: Reference) -> None:
        del self._specs[reference]
        self._agenda.remove(reference)
        spec = self._working.pop(reference, None)
        if spec is not None:
            for generation in self._generations:
                generation.give_up(spec)
            self._passes.drop(reference)

    def _finish_image(self, result: SyncResult) -> None:
        """An image has its result, or was given back because something else is wanted of it."""
        reference = result.spec.target_reference
        if self._working.get(reference) is not result.spec:
            return  # it is not configured any more
        del self._working[reference]
        given_back = result.reason is Reason.INTERRUPTED
        if given_back and not result.attempts and self._ending is not None:
            return
        if given_back and self._ending is None:
            self._agenda.postpone(reference, 0.0)
            self._changed.set()
            return
        if result.again_in is not None:
            self._agenda.postpone(reference, result.again_in)
        else:
            self._agenda.done(reference, failed=result.action is Action.FAILED)
        self._reached = self._reached or _has_reached(result)
        self._emit(ImageFinished(result))
        self._passes.finish(result)
        self._changed.set()

    async def _finish(self, signum: int) -> None:
        """End what is running, in order."""
        grace = float(self._generations[-1].scope.resolved.settings.shutdown_grace_secs)
        ending = list(self._generations)
        copies = sum(generation.runner.copies for generation in ending)
        self._emit(Stopping(signum, copies, grace))
        for generation in ending:
            generation.retire(replaced=generation is not ending[-1])
        with anyio.move_on_after(grace):
            for generation in ending:
                await generation.idle()
        for generation in ending:
            generation.give_up()

    def _tell(self, event: Event) -> None:
        """Tell of passes; what was learnt in one is kept."""
        self._emit(event)
        if isinstance(event, PassFinished) and self._generations:
            self._generations[-1].remember()


def _has_reached(result: SyncResult) -> bool:
    """True if the cache must have answered for this result."""
    if result.attempts:
        return True
    early = result.reason in {Reason.PASS_TIMEOUT, Reason.INTERNAL}  # maybe before a check was over
    return not (result.target_failed or early)
