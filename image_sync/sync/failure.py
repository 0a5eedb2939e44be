"""What a failed attempt means for its image. Pure.

What a kind of error means in general stands in `errors.TRAITS`; here is what the moment adds.
"""

from image_sync.errors import (
    TRAITS,
    CopyError,
    EngineError,
    ErrorKind,
    ImageSyncError,
    RegistryError,
    Side,
    side_of,
)
from image_sync.model import ImageSpec, Reason
from image_sync.oci.quoting import printable
from image_sync.runtime.unforeseen import place_of, unwrapped

REFERRERS = "referrers"
"""The operation of a `CopyError` that speaks of an image's referrers."""
COMMIT = "commit"
"""The operation of a `CopyError` that speaks of the cache's tag."""


def is_outdated(error: ImageSyncError) -> bool:
    """True if the source has not what its check found: the tag may have moved (fault row 55)."""
    lost = error.kind is ErrorKind.NOT_FOUND and side_of(error) is not Side.TARGET
    return lost and not is_about_referrers(error)


def is_contested(error: ImageSyncError) -> bool:
    """True if the cache's tag names what neither its check found nor we put there (fault row 50).

    Another writer, or a cache that acknowledges and does nothing.
    """
    about_tag = isinstance(error, CopyError) and error.operation == COMMIT
    return about_tag and error.kind is ErrorKind.BAD_CONTENT


def is_refusal(error: ImageSyncError) -> bool:
    """True if the cache does not take the image as it is."""
    return error.kind is ErrorKind.REFUSED_BY_TARGET and not is_about_referrers(error)


def is_about_referrers(error: ImageSyncError) -> bool:
    """True if the image arrived, and something that refers to it did not: it says nothing of it."""
    return isinstance(error, CopyError) and error.operation == REFERRERS


def may_pass(error: ImageSyncError) -> bool:
    """True if another attempt may help soon.

    It does not where no engine can be used at all, or where a host is to be left alone.
    """
    match error:
        case EngineError(engine="") | ImageSyncError(retry_after=float()):
            return False
        case _:
            return TRAITS[error.kind].retryable


def reason_of(error: ImageSyncError, *, begun: bool) -> Reason:
    """Whether the copy failed, or what came before it or after; engines speak for themselves.

    Args:
        error: What went wrong.
        begun: The copy had begun; before, the cache was only asked what it holds.
    """
    if error.kind is ErrorKind.NO_PLATFORM:
        return Reason.UNSUITABLE
    if isinstance(error, CopyError):
        about_referrers = is_about_referrers(error)
        return Reason.REFERRERS_FAILED if about_referrers else Reason.COMMIT_FAILED
    if isinstance(error, RegistryError) and error.side is Side.TARGET:
        return Reason.COMMIT_FAILED if begun else Reason.TARGET_UNKNOWN
    return Reason.COPY_FAILED


def reason_of_look(error: ImageSyncError) -> Reason:
    """Why an unchanged image could not be looked at: of the source, only referrers are asked."""
    at_source = side_of(error) is Side.SOURCE
    return Reason.REFERRERS_FAILED if at_source else Reason.TARGET_UNKNOWN


def bug(spec: ImageSpec, error: Exception) -> ImageSyncError:
    """An exception that nobody foresaw, as an error of one image that says where it came from."""
    error = unwrapped(error)
    place = place_of(error)
    where = f" ({place})" if place else ""
    what = f"{type(error).__name__}: {printable(str(error))}"
    return ImageSyncError(f"{spec}: {what}{where}", ErrorKind.INTERNAL)
