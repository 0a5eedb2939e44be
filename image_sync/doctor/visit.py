"""One registry, looked at: whether it answers, how safely, whom it lets in, what it allows."""

from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from image_sync.compose import Parts
from image_sync.config import Resolved
from image_sync.doctor.accounts import Trial, trials_at
from image_sync.doctor.pushing import try_push
from image_sync.doctor.sites import Site
from image_sync.errors import TRAITS, ErrorKind, RegistryError, Side
from image_sync.examination import Finding, Level
from image_sync.model import DockerManifests, HostPolicy, Security
from image_sync.oci import Digest, mediatypes
from image_sync.registry import Greeting, greet

PATIENCE = 10.0
"""For all questions to one registry: as long as connecting alone may take in a pass."""
_HOW = {
    Security.VERIFIED: "TLS with a certificate that verifies",
    Security.UNVERIFIED: "TLS with a certificate that does not verify",
    Security.CLEAR: "plain HTTP",
    None: "a connection of unknown safety",
}
_SAFER = {
    Security.UNVERIFIED: "set registries.<host>.ca_file to the CA that signed it",
    Security.CLEAR: "give the registry TLS: whoever is in between can read and change everything",
}
_KEPT = {
    DockerManifests.AUTO: "kept, and converted if the cache refuses them",
    DockerManifests.KEEP: "kept as they are",
    DockerManifests.CONVERT: "converted to the OCI's types",
}


class Visit:
    """One registry, looked at.

    Args:
        parts: What asks.
        resolved: The configuration.
        site: The registry.
        patience: Seconds for all questions.

    Attributes:
        findings: What was found, in the order of the questions.
        greeting: What it said to anybody; None if nothing.
        seen: A trial that got an answer, and the digest of what it asked for; None if none did.
    """

    def __init__(self, parts: Parts, resolved: Resolved, site: Site, patience: float) -> None:
        self.site = site
        self.findings: list[Finding] = []
        self.greeting: Greeting | None = None
        self.seen: tuple[Trial, Digest | None] | None = None
        self._parts = parts
        self._settings = resolved.settings
        self._policy = resolved.hosts.get(site.key.host) or HostPolicy()
        self._patience = patience
        self._doing = ""
        self._holds_docker = False

    @property
    def is_usable(self) -> bool:
        """Whether images can be compared there."""
        return self.seen is not None

    @property
    def ahead(self) -> float | None:
        """Seconds by which its clock is before ours, None if it did not tell the time."""
        return self.greeting.ahead if self.greeting else None

    async def make(self) -> None:
        """Ask everything, as long as the patience lasts."""
        with anyio.move_on_after(self._patience) as scope:
            await self._step("asking whether it is a registry", self._ask)
        if scope.cancelled_caught:
            text = f"{self._doing}: no answer within {self._patience:g} s"
            self._add(Level.FAIL, text, TRAITS[ErrorKind.NETWORK].hint)

    async def _step(self, doing: str, question: Callable[[], Awaitable[None]]) -> bool:
        """Ask one thing; False if there was no good answer, which is a finding then."""
        self._doing = doing
        try:
            await question()
        except RegistryError as error:
            self._add(Level.FAIL, f"{doing}: {_told(error)}", error.hint)
            return False
        return True

    async def _ask(self) -> None:
        self.greeting = greeting = await greet(self._parts.http, self.site.greeted)
        self._doing = "looking for credentials"
        trials = await trials_at(self.site, self._parts.credentials)
        self._tell_safety(greeting, trials)
        for trial in trials:
            await self._try(trial)
        if self.site.key.side is Side.TARGET and self.is_usable:
            self._tell_types()
        self._tell_quota()

    async def _try(self, trial: Trial) -> None:
        can_read = await self._step(f"reading as {trial.who}", partial(self._read, trial))
        if can_read and self.site.key.side is Side.TARGET:
            await self._step(f"pushing as {trial.who}", partial(self._push, trial))

    async def _read(self, trial: Trial) -> None:
        head = await self._parts.client.head_manifest(trial.endpoint, trial.reference)
        self.seen = self.seen or (trial, head.digest if head else None)
        self._holds_docker |= head is not None and head.media_type in mediatypes.DOCKER
        there = "is there" if head else "is not there"
        self._add(Level.OK, f"lets {trial.who} read: {trial.reference} {there}")

    async def _push(self, trial: Trial) -> None:
        await try_push(self._parts.client, trial.endpoint)
        where = trial.endpoint.repository.path
        text = f"lets {trial.who} push: an upload to {where} was begun and taken back"
        self._add(Level.OK, text)

    def _tell_safety(self, greeting: Greeting, trials: list[Trial]) -> None:
        security = self._parts.http.security(self.site.key.host, self.site.key.tls)
        software = f" ({greeting.software})" if greeting.software else ""
        text = f"answers in {greeting.duration * 1000:.0f} ms over {_HOW[security]}{software}"
        exposed = any(trial.found for trial in trials)
        if exposed and security is not Security.VERIFIED:
            text += "; credentials are sent there all the same"
        safe = security not in _SAFER or (self.site.key.side is Side.TARGET and not exposed)
        remedy = None if safe or security is None else _SAFER.get(security)
        self._add(Level.OK if safe else Level.WARN, text, remedy)

    def _tell_quota(self) -> None:
        quota = self._parts.http.quota(self.site.key.host)
        if quota is None:
            return
        reserve = self._policy.reserve_pulls
        text = f"{quota.remaining} of {quota.limit} pulls are left"
        if reserve:
            text += f", {reserve} of them reserved"
        if quota.remaining > reserve:
            self._add(Level.OK, text)
            return
        remedy = "wait for the next window, log in, or lower registries.<host>.reserve_pulls"
        self._add(Level.WARN, f"{text}: copies wait", remedy)

    def _tell_types(self) -> None:
        known = "it holds one" if self._holds_docker else "not tried here: one would remain"
        kept = _KEPT[self._settings.on_docker_manifest]
        self._add(Level.OK, f"manifests of Docker's types are {kept} ({known})")

    def _add(self, level: Level, text: str, remedy: str | None = None) -> None:
        self.findings.append(Finding(level, self.site.subject, text, remedy))


def _told(error: RegistryError) -> str:
    """An error without the side, which the subject says."""
    answer = " ".join((*([str(error.status)] if error.status else ()), *error.codes))
    return f"{error.message} ({answer})" if answer else error.message
