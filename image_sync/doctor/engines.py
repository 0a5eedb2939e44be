"""Which engine would copy from each source, decided as in a pass."""

from collections.abc import Sequence
from typing import NamedTuple

from image_sync.compose import Parts
from image_sync.doctor.visit import Visit
from image_sync.engines import CopyRequest
from image_sync.errors import EngineError, Side
from image_sync.examination import Finding, Level
from image_sync.model import Endpoint, Security


class Choice(NamedTuple):
    """Who copies, and why others do not.

    Attributes:
        engine: Its name, empty if nobody can.
        others: The engines that are preferred to it, each with its reason.
    """

    engine: str
    others: tuple[str, ...]


async def engine_findings(
    parts: Parts, visits: Sequence[Visit], deadline: float, named: str | None
) -> list[Finding]:
    """Who would copy, with the sources that it holds for.

    Args:
        parts: What copies.
        visits: The registries that were looked at.
        deadline: Seconds of one attempt.
        named: The engine that the configuration names; None if it names none.
    """
    hosts: dict[Choice, list[str]] = {}
    for visit in visits:
        request = _request(parts, visit, deadline)
        if request:
            hosts.setdefault(await _choose(parts, request), []).append(visit.site.key.host)
    return [_finding(choice, names, named) for choice, names in hosts.items()]


def _request(parts: Parts, visit: Visit, deadline: float) -> CopyRequest | None:
    """A copy from a source; None if it is not known how it would be made."""
    if visit.site.key.side is Side.TARGET or visit.seen is None:
        return None
    trial, digest = visit.seen
    source, target = (_security(parts, end) for end in (trial.spec.source, trial.spec.target))
    if digest is None or source is None or target is None:
        return None
    return CopyRequest(
        source=trial.spec.source,
        target=trial.spec.target,
        digest=digest,
        source_security=source,
        target_security=target,
        deadline=deadline,
    )


def _security(parts: Parts, endpoint: Endpoint) -> Security | None:
    return parts.http.security(endpoint.host, endpoint.tls)


async def _choose(parts: Parts, request: CopyRequest) -> Choice:
    try:
        first = (await parts.selection.candidates(request))[0]
    except EngineError as error:
        return Choice("", (error.message,))
    return Choice(first.engine.name, tuple(map(str, first.passed_over)))


def _finding(choice: Choice, hosts: Sequence[str], named: str | None) -> Finding:
    because = f" ({'; '.join(choice.others)})" if choice.others else ""
    if not choice.engine:
        return Finding(Level.FAIL, "engine", f"nobody can copy from {', '.join(hosts)}{because}")
    level = Level.WARN if named and choice.engine != named else Level.OK
    return Finding(level, "engine", f"{choice.engine} copies from {', '.join(hosts)}{because}")
