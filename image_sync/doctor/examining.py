"""The examination from its start to its end: in which order things are looked at, and told."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import anyio
import msgspec

from image_sync.compose import Orders, Parts, assembled
from image_sync.config import Scope, from_environment
from image_sync.doctor.accounts import file_findings
from image_sync.doctor.comparing import compare, images_finding, ledger_finding
from image_sync.doctor.engines import engine_findings
from image_sync.doctor.lease import lease_finding
from image_sync.doctor.machine import clock_finding, listen_finding, tool_findings
from image_sync.doctor.sites import Key, sites_of
from image_sync.doctor.visit import PATIENCE, Visit
from image_sync.doctor.witness import Witness
from image_sync.engines import look_around
from image_sync.events import Emit
from image_sync.examination import (
    Changes,
    Examination,
    Finding,
    Level,
    changes_of,
    make_examination,
)
from image_sync.hosting import Purpose, hosted
from image_sync.model import ImageSpec
from image_sync.report import counted
from image_sync.runtime.parallel import for_each
from image_sync.runtime.signals import ENDING, Ending, acting_on

_AT_ONCE = 64
"""Registries that are asked at once: more than a configuration names, as a rule."""


class Examined(msgspec.Struct, frozen=True):
    """An examination that is over.

    Attributes:
        signal: The signal that cut it short, None if it ran to its end.
    """

    report: Examination
    signal: int | None


async def examine(
    scope: Scope, emit: Emit, environ: Mapping[str, str], patience: float = PATIENCE
) -> Examined:
    """Look at everything that a pass over some images needs.

    Args:
        scope: The configuration, and its images.
        emit: Takes the events that are no findings.
        environ: For finding tools and credentials.
        patience: Seconds for all questions to one registry.

    Raises:
        ConfigError: A file that the configuration names cannot be used.
    """
    began, clock = datetime.now(UTC), anyio.current_time()
    doctor = _Doctor(scope, emit, environ, patience)
    working = anyio.CancelScope()
    ending = Ending(lambda _: working.cancel())
    async with acting_on(dict.fromkeys(ENDING, ending)):
        with working:
            await doctor.run()
    report = make_examination(
        [*doctor.findings, *doctor.witness.findings()],
        doctor.changes,
        cache_registry=scope.resolved.cache.text,
        began=began,
        duration=anyio.current_time() - clock,
    )
    return Examined(report, ending.signal if working.cancelled_caught else None)


class _Doctor:
    """One examination, and what it found so far."""

    def __init__(
        self, scope: Scope, emit: Emit, environ: Mapping[str, str], patience: float
    ) -> None:
        self.findings: list[Finding] = []
        self.changes: Changes = changes_of((), not_compared=len(scope.specs))
        self.witness = Witness(emit)
        self._scope = scope
        self._resolved = scope.resolved
        self._environ = environ
        self._patience = patience
        settings = scope.resolved.settings
        self._named = str(settings.preferred_tool) if scope.resolved.tool_is_named else None

    async def run(self) -> None:
        orders = Orders(specs=self._scope.specs, shard=self._scope.shard, dry_run=True)
        self.findings += self._configuration()
        async with (
            hosted(self._resolved, Purpose.ONE_PASS, self.witness, self._environ),
            assembled(self._resolved, orders, self.witness, self._environ) as parts,
        ):
            self.findings += file_findings(parts.credentials.problems())
            tools = await look_around(parts.access, self.witness, self._named)
            self.findings += tool_findings(tools, self._named)
            visits = await self._visit(parts)
            await self._compare(parts, visits, orders)
        await self._look_at_the_daemons()

    def _configuration(self) -> list[Finding]:
        specs, names = self._scope.specs, ", ".join(self._scope.files) or "the command line"
        hosts = len({spec.source.host for spec in specs})
        images = f"{counted(len(specs), 'image')} from {counted(hosts, 'host')}"
        findings = [Finding(Level.OK, "configuration", f"{names}: valid, {images}")]
        variables = ", ".join(sorted(from_environment(self._environ)[0]))
        if variables:
            findings.append(Finding(Level.OK, "environment", f"sets {variables}"))
        warnings = self._resolved.warnings
        return [*findings, *(Finding(Level.WARN, "configuration", each) for each in warnings)]

    async def _visit(self, parts: Parts) -> list[Visit]:
        """Every registry, looked at."""
        sites = sites_of(self._scope.specs, self._resolved.cache.ledger)
        visits = [Visit(parts, self._resolved, site, self._patience) for site in sites]
        await for_each(Visit.make, visits, workers=_AT_ONCE)
        self.findings += [finding for visit in visits for finding in visit.findings]
        clocks = {visit.site.key.host: visit.ahead for visit in visits}
        clock = clock_finding({host: s for host, s in clocks.items() if s is not None})
        self.findings += [clock] if clock else []
        return visits

    async def _compare(self, parts: Parts, visits: Sequence[Visit], orders: Orders) -> None:
        """What a pass would do about the images whose registries can be asked."""
        deadline = float(self._resolved.settings.pull_timeout_secs)
        self.findings += await engine_findings(parts, visits, deadline, self._named)
        usable = {visit.site.key for visit in visits if visit.is_usable}
        specs = tuple(spec for spec in orders.specs if _keys(spec) <= usable)
        left = len(orders.specs) - len(specs)
        if specs:
            mine = msgspec.structs.replace(orders, specs=specs)
            results = await compare(parts, self._resolved, mine, self.witness)
            self.changes = changes_of(results, not_compared=left)
            if not self.witness.warned_of("ledger"):
                self.findings.append(ledger_finding(self._resolved))
        self.findings.append(images_finding(self.changes, len(orders.specs)))

    async def _look_at_the_daemons(self) -> None:
        """What only a process needs that runs until it is stopped."""
        settings = self._resolved.settings
        self.findings.append(await listen_finding(settings.server.listen))
        if settings.lease is not None:
            self.findings.append(await lease_finding(settings.lease, self._environ))


def _keys(spec: ImageSpec) -> set[Key]:
    return {Key.of(spec.source), Key.of(spec.target)}
