"""What to do about one image, from what both sides answered. Pure.

X is the digest that the source holds, C the one the cache holds, Y the one the cache should hold:
X itself, or what the wanted platforms and a conversion to the OCI's types make of it. The rows of
the table in docs/design.md, section "How an image is decided", stand here in the same order. "Could
not check" is never taken for "changed" or "unchanged".
"""

from typing import assert_never

import msgspec

from image_sync.errors import ErrorKind, ImageSyncError, RegistryError, Side
from image_sync.model import ImageSpec, Reason, Verdict
from image_sync.oci import (
    AllPlatforms,
    Descriptor,
    Digest,
    Manifest,
    OnePlatform,
    PlatformList,
    mediatypes,
)
from image_sync.oci.selection import select

ALGORITHM = "sha256"
"""Of Y: the one that every engine, registry and puller knows (image spec 1.1, descriptor.md)."""


class Held(msgspec.Struct, frozen=True):
    """The registry has it."""

    digest: Digest
    media_type: str  # empty where the registry did not say


class Absent(msgspec.Struct, frozen=True):
    """The registry says that it has no such thing."""


class NotAsked(msgspec.Struct, frozen=True):
    """The registry was not asked, because its answer would change nothing."""


class Unknown(msgspec.Struct, frozen=True):
    """The registry could not be asked, or did not say."""

    error: ImageSyncError


Answer = Held | Absent | Unknown
SourceAnswer = Answer | NotAsked
TargetAnswer = Answer


class Keep(msgspec.Struct, frozen=True):
    """The cache holds what it should."""

    expected: Digest


class Copy(msgspec.Struct, frozen=True):
    """Copy Y by digest, then move the tag."""

    expected: Digest
    verdict: Verdict

    @property
    def reason(self) -> Reason:
        """Why, for the report: the reasons to copy have the names of their verdicts."""
        return Reason(self.verdict)


class Ask(msgspec.Struct, frozen=True):
    """The source has to be asked after all: the pin alone does not decide."""


class Derive(msgspec.Struct, frozen=True):
    """Y is not known: it takes one GET of the manifest X."""

    source_digest: Digest


class Fail(msgspec.Struct, frozen=True):
    """Nothing can be decided, or there is nothing to copy; nothing is copied."""

    reason: Reason
    error: ImageSyncError


class Defer(msgspec.Struct, frozen=True):
    """Going on would spend pulls that are reserved; not a failure."""


Step = Keep | Copy | Ask | Derive | Fail
Decision = Keep | Copy | Fail | Defer


def decide(
    spec: ImageSpec,
    source: SourceAnswer,
    target: TargetAnswer,
    expected: Digest | None,
    *,
    convert: bool,
) -> Step:
    """The next step for an image.

    Args:
        spec: The image.
        source: What the source answered.
        target: What the cache answered.
        expected: Y, where the ledger or a manifest told it.
        convert: Manifests of Docker's types become the OCI's.
    """
    if isinstance(source, Absent):
        return gone(spec)
    if isinstance(target, Unknown):
        return Fail(Reason.TARGET_UNKNOWN, target.error)
    if isinstance(source, Unknown):
        return Fail(Reason.SOURCE_UNKNOWN, source.error)
    held = target.digest if isinstance(target, Held) else None
    match source:
        case NotAsked():
            media_type = _type_of(spec.pin, target)
            expected = expected or implied(spec, spec.pin, media_type, convert=convert)
            return Keep(expected) if expected and expected == held else Ask()
        case Held(digest=digest) if spec.pin not in {None, digest}:
            return Fail(Reason.SOURCE_UNKNOWN, _not_the_pin(spec, digest))
        case Held(digest=digest, media_type=media_type):
            media_type = media_type or _type_of(digest, target)
            expected = expected or implied(spec, digest, media_type, convert=convert)
            if expected is None:
                return Derive(digest)
            if expected == held:
                return Keep(expected)
            return Copy(expected, Verdict.CHANGED if held else Verdict.MISSING)
        case _:
            assert_never(source)


def gone(spec: ImageSpec) -> Fail:
    """What to do when the source has no such tag: the cached one stays."""
    error = RegistryError(
        f"{spec.source_reference} does not exist, or not for us",
        ErrorKind.NOT_FOUND,
        side=Side.SOURCE,
    )
    return Fail(Reason.SOURCE_GONE, error)


def implied(
    spec: ImageSpec, digest: Digest | None, media_type: str, *, convert: bool
) -> Digest | None:
    """Y without asking for more: X, if all of it is wanted or there is nothing to choose from.

    Where Docker's types become the OCI's, X must be known to have none.
    """
    if digest is None or digest.algorithm != ALGORITHM:
        return None
    if convert:
        return digest if media_type == mediatypes.OCI_MANIFEST else None
    whole = isinstance(spec.platforms, AllPlatforms) or media_type in mediatypes.MANIFESTS
    return digest if whole else None


def choose(spec: ImageSpec, manifest: Manifest) -> Manifest | Descriptor:
    """What is wanted of an image: its manifest, a shorter index of our own, or one child.

    Raises:
        RegistryError: There is no child for a wanted platform, or none that could be kept.
        ManifestError: The shorter index cannot be written.
    """
    if not manifest.is_index:
        return manifest
    match spec.platforms:
        case AllPlatforms():
            return manifest
        case OnePlatform(platform=platform):
            child = manifest.child_for(platform)
            if child is None:
                raise _no_platform(spec, manifest)
            if child.digest.algorithm != ALGORITHM:
                raise _other_algorithm(spec, child.digest)
            return child
        case PlatformList(platforms=platforms):
            if not set(platforms) <= set(manifest.platforms()):
                raise _no_platform(spec, manifest)
            return select(manifest, platforms)
        case _:
            assert_never(spec.platforms)


def _type_of(digest: Digest | None, target: TargetAnswer) -> str:
    """The media type of X, where the cache holds X itself and says."""
    return target.media_type if isinstance(target, Held) and target.digest == digest else ""


def _other_algorithm(spec: ImageSpec, digest: Digest) -> RegistryError:
    return RegistryError(
        f"{spec}: its index names {spec.platforms} by {digest}; only {ALGORITHM} is kept",
        ErrorKind.UNSUPPORTED,
        side=Side.SOURCE,
        hint=f"have it pushed with {ALGORITHM} digests, or take `all` of it",
    )


def _not_the_pin(spec: ImageSpec, digest: Digest) -> RegistryError:
    return RegistryError(
        f"{spec.source_reference} was answered with another digest: {digest}",
        ErrorKind.BAD_CONTENT,
        side=Side.SOURCE,
    )


def _no_platform(spec: ImageSpec, manifest: Manifest) -> RegistryError:
    offered = ", ".join(sorted({str(platform) for platform in manifest.platforms()}))
    return RegistryError(
        f"{spec} has no {spec.platforms}; it has {offered or 'no platforms at all'}",
        ErrorKind.NO_PLATFORM,
        side=Side.SOURCE,
    )
