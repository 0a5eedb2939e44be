"""What is synchronised, and what came of it: the values that every layer hands to the next.

Pure: no I/O, no clock, no defaults of the configuration. The field names that users of the report
and of the configuration see are made at the edges (`report.py`, `config/`).
"""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Self

import msgspec

from image_sync.errors import ErrorKind, Side
from image_sync.oci import Digest, PlatformChoice, Reference, Repository


class TlsPolicy(StrEnum):
    """How far the peer of a connection must prove who it is."""

    VERIFY = "verify"
    """https with a certificate that verifies; nothing else."""
    LENIENT = "lenient"
    """https, verified if it can be, else with any certificate; plain HTTP only if the peer answers
    with something that is not TLS, and never again once https worked."""
    PLAIN = "plain"
    """Plain HTTP."""


class Security(StrEnum):
    """How a connection to a registry turned out, once its policy met its peer."""

    VERIFIED = "verified"  # https, certificate verified
    UNVERIFIED = "unverified"  # https, any certificate
    CLEAR = "clear"  # plain HTTP


class DockerManifests(StrEnum):
    """What becomes of manifests of Docker's types on their way into the cache."""

    AUTO = "auto"
    """They are kept; where the cache refused them, they are converted to the OCI's types."""
    KEEP = "keep"
    CONVERT = "convert"


class HostPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator says of one registry: limits, trust and ways.

    `None` and empty mean that nothing was said.
    """

    concurrency: int | None = None  # requests in flight
    requests_per_second: float | None = None
    reserve_pulls: int = 0  # pulls of the quota that are left alone
    bandwidth: int | None = None  # bytes per second of all copies from or to it
    proxy: str | None = None  # URL
    auth_file: str | None = None  # path of a docker config file
    ca_file: str | None = None  # path, added to the system's roots
    client_cert_file: str | None = None  # path
    client_key_file: str | None = None  # path
    realm_hosts: tuple[str, ...] = ()  # may receive this registry's credentials
    redirect_hosts: tuple[str, ...] = ()  # may have private addresses


class Endpoint(msgspec.Struct, frozen=True):
    """One side of one image: where it is, and how its registry must prove itself."""

    side: Side
    repository: Repository
    tls: TlsPolicy

    @property
    def host(self) -> str:
        """The canonical host of its registry."""
        return self.repository.host


class ImageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One configured image.

    Attributes:
        image: The source as the operator wrote it.
        tag: The tag as the operator wrote it: `TAG`, `sha256:…` or `TAG@sha256:…`.
        source: Where it comes from.
        source_tag: The tag to ask for, None for a bare digest.
        pin: The digest that the operator pinned, None if the tag decides.
        target: Where it is kept.
        target_tag: The tag it is kept under.
        platforms: What of an index is wanted.
        referrers: Whether signatures, attestations and SBOMs of it are wanted as well.
        interval: Seconds between two checks of it, None for when all are checked.
    """

    image: str
    tag: str
    source: Endpoint
    source_tag: str | None
    pin: Digest | None
    target: Endpoint
    target_tag: str
    platforms: PlatformChoice
    referrers: bool = False
    interval: float | None = None

    @property
    def source_reference(self) -> Reference:
        """What is asked at the source: the pin where there is one, else the tag."""
        return Reference(self.source.repository, self.source_tag, self.pin)

    @property
    def target_reference(self) -> Reference:
        """What is moved in the cache; unique among the specs of one configuration."""
        return self.target.repository.tag(self.target_tag)

    def __str__(self) -> str:
        return written(self.image, self.tag)


def written(image: str, tag: str) -> str:
    """An image and its tag as one text, as an operator would write it."""
    return f"{image}{'@' if tag.startswith('sha256:') else ':'}{tag}"


class Verdict(StrEnum):
    """What the check found. "Could not check" is a verdict of its own."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    MISSING = "missing"
    GONE = "gone"  # the source has no such tag or repository any more
    DAMAGED = "damaged"  # the cache names the right digest, and parts below it are not there
    UNKNOWN = "unknown"


class Action(StrEnum):
    """What the pass did with an image; the values are fixed by existing users of the report."""

    ALREADY_CACHED = "already_cached"
    PULLED = "pulled"
    SKIPPED = "skipped"
    FAILED = "failed"


class Reason(StrEnum):
    """Why an image got its action; a closed list."""

    UNCHANGED = "unchanged"  # already_cached: the cache holds the digest it should
    MISSING = "missing"  # pulled, or skipped in a dry run: the cache had no such tag
    CHANGED = "changed"  # pulled, or skipped in a dry run: the cache held another digest
    DAMAGED = "damaged"  # pulled, or skipped in a dry run: parts of it were missing in the cache
    REFERRERS = "referrers"  # pulled, or skipped in a dry run: referrers of it were missing
    DEFERRED = "deferred"  # skipped: the copy would go below the reserved pulls of a host
    PAUSED = "paused"  # skipped: a host asked to be left alone; it is asked again when it said
    SOURCE_UNKNOWN = "source_unknown"  # failed: the source could not be checked
    UNSUITABLE = "unsuitable"  # failed: the source has the image, but not what is wanted of it
    SOURCE_GONE = "source_gone"  # failed: the source has no such tag or repository
    TARGET_UNKNOWN = "target_unknown"  # failed: the cache could not be checked
    COPY_FAILED = "copy_failed"  # failed: no engine could copy it
    REFERRERS_FAILED = "referrers_failed"  # failed: its referrers could not be copied
    COMMIT_FAILED = "commit_failed"  # failed: what arrived was wrong, or the tag did not move
    PASS_TIMEOUT = "pass_timeout"  # noqa: S105 - failed: settings.pass_timeout_secs was over
    INTERRUPTED = "interrupted"  # failed: a signal ended the pass
    INTERNAL = "internal"  # failed: a bug of ours


class SyncResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one image in one pass.

    Attributes:
        remote_digest: What the source holds under the tag.
        cached_digest: What the cache held before.
        expected_digest: What the cache should hold.
        bytes_copied: Bytes moved; None where the engine cannot say.
        bytes_reused: Bytes that were there already; None where the engine cannot say.
        attempts: Copies begun.
        duration: Seconds spent on the image, waiting in queues left out.
        error: One line for people, None if there is no error.
        target_failed: The cache could not be checked, whatever the source answered.
        cost_bytes: Bytes that a copy would move at most, where a dry run found out.
        again_in: Seconds until a host may be asked that is to be left alone; None if none is.
    """

    spec: ImageSpec
    verdict: Verdict
    action: Action
    reason: Reason
    remote_digest: Digest | None = None
    cached_digest: Digest | None = None
    expected_digest: Digest | None = None
    engine: str | None = None
    bytes_copied: int | None = None
    bytes_reused: int | None = None
    attempts: int = 0
    duration: float = 0.0
    error: str | None = None
    error_kind: ErrorKind | None = None
    error_side: Side | None = None
    target_failed: bool = False
    cost_bytes: int | None = None
    again_in: float | None = None


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """The results of a pass in numbers; `deferred` counts some of the skipped."""

    pulled: int
    already_cached: int
    skipped: int
    deferred: int
    failed: int
    bytes_copied: int
    bytes_reused: int
    cost_bytes: int

    @classmethod
    def of(cls, results: Sequence[SyncResult]) -> Self:
        """The tally of some results; bytes that an engine could not tell count as none."""
        actions = Counter(result.action for result in results)
        return cls(
            pulled=actions[Action.PULLED],
            already_cached=actions[Action.ALREADY_CACHED],
            skipped=actions[Action.SKIPPED],
            deferred=sum(result.reason is Reason.DEFERRED for result in results),
            failed=actions[Action.FAILED],
            bytes_copied=sum(result.bytes_copied or 0 for result in results),
            bytes_reused=sum(result.bytes_reused or 0 for result in results),
            cost_bytes=sum(result.cost_bytes or 0 for result in results),
        )

    def __add__(self, other: "Tally") -> "Tally":
        """The tally of the results of both."""
        names = self.__struct_fields__
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in names})


class Damage(NamedTuple):
    """A part of an image that a registry lacks, or holds with other content.

    Attributes:
        digest: Which manifest or blob.
        what: What is wrong with it, in words for people.
        kind: BLOB_MISSING if it is not all there, BAD_CONTENT if its bytes are others.
    """

    digest: Digest
    what: str
    kind: ErrorKind


class Condition(StrEnum):
    """In what condition an image was found in the cache, or left there."""

    WHOLE = "whole"
    DAMAGED = "damaged"
    HEALED = "healed"  # it was damaged, and is whole now
    MISSING = "missing"  # the cache has no such tag; the next pass brings it
    UNKNOWN = "unknown"  # it could not be checked, or not to its end


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What came of verifying one image in the cache.

    Attributes:
        digest: What the cache's tag names; None if it has no such tag, or did not say.
        damage: What is damaged; of an image that was healed, what was.
        duration: Seconds spent on the image.
        error: Why it could not be checked or healed; None where there is nothing to say.
    """

    spec: ImageSpec
    condition: Condition
    digest: Digest | None = None
    damage: tuple[Damage, ...] = ()
    duration: float = 0.0
    error: str | None = None
    error_kind: ErrorKind | None = None
