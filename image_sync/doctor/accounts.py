"""Who we are at a registry, and which of our images stand for each account."""

from typing import NamedTuple

from image_sync.credentials import CredentialStore, FileProblem, Found
from image_sync.doctor.sites import Site
from image_sync.errors import Side
from image_sync.examination import Finding, Level
from image_sync.model import Endpoint, ImageSpec
from image_sync.oci import Reference
from image_sync.oci.quoting import printable

_MOST = 4
"""Accounts of one registry that are tried: one for the host and some for namespaces of it."""


class Trial(NamedTuple):
    """An account, and an image that it is tried with.

    Attributes:
        found: None for nobody.
    """

    found: Found | None
    spec: ImageSpec
    side: Side

    @property
    def endpoint(self) -> Endpoint:
        """Where it is tried."""
        return self.spec.source if self.side is Side.SOURCE else self.spec.target

    @property
    def reference(self) -> Reference:
        """What is asked for there."""
        target = self.side is Side.TARGET
        return self.spec.target_reference if target else self.spec.source_reference

    @property
    def who(self) -> str:
        """The account for people."""
        if self.found is None:
            return "anybody (there are no credentials for it)"
        credential, where = self.found
        name = printable(credential.username) or "an identity token"
        return f"{name} of {printable(where)}"


async def trials_at(site: Site, store: CredentialStore) -> list[Trial]:
    """An image for each account that the images of a registry are asked for with."""
    trials: dict[Found | None, Trial] = {}
    for spec in site.specs:
        trial = Trial(None, spec, site.key.side)
        found = await store.look_up(trial.endpoint.host, trial.endpoint.repository.path)
        trials.setdefault(found, trial._replace(found=found))
        if len(trials) == _MOST:
            break
    return list(trials.values())


def file_findings(problems: tuple[FileProblem, ...]) -> list[Finding]:
    """What is wrong with files that hold credentials."""
    remedy = "correct the file, or remove it: until then its accounts are not used"
    return [
        Finding(Level.WARN, "credentials", f"{printable(each.path)}: {each.message}", remedy)
        for each in problems
    ]
