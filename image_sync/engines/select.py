"""Which engine copies: those that can, in order of preference, and why the others do not."""

from collections.abc import Sequence
from typing import NamedTuple

from image_sync.engines.base import CopyRequest, Engine, Refusal
from image_sync.errors import TRAITS, EngineError, ErrorKind


class PassedOver(NamedTuple):
    """An engine that will not do a copy."""

    engine: str
    refusal: Refusal

    def __str__(self) -> str:
        return f"{self.engine}: {self.refusal.why}"


class Candidate(NamedTuple):
    """An engine that can do a copy.

    Attributes:
        engine: The engine.
        passed_over: Those that are preferred to it and will not do this copy.
    """

    engine: Engine
    passed_over: tuple[PassedOver, ...]


class Selection:
    """The engines at hand, in order of preference."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = tuple(engines)

    async def candidates(self, request: CopyRequest) -> tuple[Candidate, ...]:
        """The engines that can do a copy, preferred ones first; at least one.

        Raises:
            EngineError: None can; its message gives every engine's reason.
        """
        able: list[Candidate] = []
        passed: list[PassedOver] = []
        for engine in self._engines:
            refusal = await engine.refusal(request)
            if refusal is None:
                able.append(Candidate(engine, tuple(passed)))
            else:
                passed.append(PassedOver(engine.name, refusal))
        if not able:
            raise _nobody(passed)
        return tuple(able)


def leads_on(error: EngineError, following: Engine) -> bool:
    """True if another engine may be tried in the same pass after this failure.

    The failure is the engine's own; never what a registry said. One whose deadline struck while
    bytes were moving is followed only by an engine that can do with several deadlines: another
    would begin anew and get no further.
    """
    if error.kind is ErrorKind.TIMEOUT:
        return error.progressed and following.resumes
    return TRAITS[error.kind].next_engine


def _nobody(passed: Sequence[PassedOver]) -> EngineError:
    kinds = {each.refusal.kind for each in passed}
    kind = ErrorKind.TOOL if kinds <= {ErrorKind.TOOL} else ErrorKind.UNSUPPORTED
    reasons = "; ".join(map(str, passed)) or "none is set up"
    return EngineError(f"no engine can do this: {reasons}", kind, engine="")
