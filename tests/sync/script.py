"""Checks, copies and looks of a pass as written down, and passes made of them."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

import anyio

from image_sync.errors import ErrorKind
from image_sync.events import Event
from image_sync.model import Action, ImageSpec, Reason, SyncResult, Verdict
from image_sync.oci import Digest
from image_sync.sync import Limits, Pass
from image_sync.sync.bring import Attempt, Outcome
from image_sync.sync.checked import Checked
from image_sync.sync.copy import Deferred
from image_sync.sync.plan import Copy, Decision
from image_sync.sync.referrers import Referrer
from image_sync.sync.unchanged import Found
from tests.clock import START
from tests.sync.scene import make_spec

X, C = Digest.of(b"x"), Digest.of(b"c")
COPY = Copy(X, Verdict.CHANGED)
DONE = Outcome("crane", 10, None)


class Unbegun(NamedTuple):
    """A failure before the copy begins."""

    error: Exception


Step = Decision | Outcome | Deferred | Exception | Unbegun | float | Callable[[], Awaitable[None]]


class Script:
    """Checks and copies as written down: for each image what happens, turn by turn.

    A decision, an outcome or an exception ends a turn; a number is a pause of so many seconds
    before, and a function is awaited. The last entry is repeated. `cost` is what a copy costs.
    """

    def __init__(
        self,
        checks: Mapping[str, Sequence[Step]] | None = None,
        copies: Mapping[str, Sequence[Step]] | None = None,
    ) -> None:
        self.checks = {tag: list(steps) for tag, steps in (checks or {}).items()}
        self.copies = {tag: list(steps) for tag, steps in (copies or {}).items()}
        self.began: list[tuple[str, str, float]] = []
        self.doubted: list[Digest | None] = []
        self.at_work: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.rich = True
        self.expects: Digest | None = X  # what is to be copied; None for anything
        self.convertible = False  # what `refused` says
        self.refusals = 0
        self.settlements = 0
        self.overtakes: list[bool] = []
        self.looks: dict[str, Found | Exception] = {}
        self.damaged: list[frozenset[Digest]] = []
        self.referred: list[tuple[str, tuple[Referrer, ...]]] = []
        self.cost_steps: list[int | Exception] = [4_711]

    async def check(self, spec: ImageSpec, doubted: Digest | None = None) -> Checked:
        self.doubted.append(doubted)
        decision = await self._turn("check", spec, self.checks.get(spec.target_tag, [COPY]))
        assert isinstance(decision, Decision)
        return Checked(spec, decision, X, C, 1)

    async def cost(self, checked: Checked) -> int | None:
        step = self.cost_steps.pop(0) if len(self.cost_steps) > 1 else self.cost_steps[0]
        if isinstance(step, Exception):
            raise step
        return step

    def affordable(self, checked: Checked) -> bool:
        return self.rich

    def refused(self, checked: Checked) -> bool:
        self.refusals += 1
        return self.convertible

    def settled(self, checked: Checked) -> None:
        self.settlements += 1

    def overtaken(self, checked: Checked) -> bool:
        return self.overtakes.pop() if self.overtakes else False

    async def look(self, spec: ImageSpec, expected: Digest) -> Found:
        found = self.looks.get(spec.target_tag, Found())
        if isinstance(found, Exception):
            raise found
        return found

    async def refer(
        self, checked: Checked, missing: Sequence[Referrer], attempt: Attempt
    ) -> Outcome | Deferred:
        self.referred.append((checked.spec.target_tag, tuple(missing)))
        return await self.attempt(checked, X, attempt)

    async def attempt(
        self,
        checked: Checked,
        expected: Digest,
        attempt: Attempt,
        damaged: frozenset[Digest] = frozenset(),
    ) -> Outcome | Deferred:
        assert self.expects in {None, expected}
        self.damaged.append(damaged)
        spec = checked.spec
        steps = self.copies.get(spec.target_tag, [DONE])
        if not isinstance(steps[0], Unbegun | Deferred):
            attempt.begin()
        outcome = await self._turn("copy", spec, steps)
        assert isinstance(outcome, Outcome | Deferred)
        return outcome

    async def _turn(self, what: str, spec: ImageSpec, steps: list[Step]) -> object:
        host = spec.source.host
        self.began.append((what, spec.target_tag, anyio.current_time() - START))
        for key in (what, f"{what} {host}"):
            self.at_work[key] += 1
            self.most[key] = max(self.most[key], self.at_work[key])
        try:
            while True:
                step = steps.pop(0) if len(steps) > 1 else steps[0]
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, Unbegun):
                    raise step.error
                if isinstance(step, float):
                    await anyio.sleep(step)
                elif callable(step):
                    await step()
                else:
                    return step
        finally:
            for key in (what, f"{what} {host}"):
                self.at_work[key] -= 1

    def times(self, what: str, tag: str) -> list[float]:
        """When an image had its turns, in seconds since the start."""
        return [when for kind, name, when in self.began if (kind, name) == (what, tag)]


def a_pass(
    script: Script,
    specs: Sequence[ImageSpec],
    events: list[Event] | None = None,
    **limits: object,
) -> Pass:
    bounds = {"concurrency": 2, "check_concurrency": 64} | limits
    return Pass(
        specs,
        script,
        script,
        script,
        Limits(**bounds),  # type: ignore[arg-type]
        (events if events is not None else []).append,
        backoff=lambda attempt: 10.0**attempt,
    )


def named(*tags: str, host: str = "source.test") -> list[ImageSpec]:
    return [make_spec(tag=tag, source=host) for tag in tags]


def summary(result: SyncResult) -> tuple[Action, Reason, ErrorKind | None]:
    return result.action, result.reason, result.error_kind
