"""What a failed attempt means for its image. Pure.

What a kind of error means in general stands in `errors.TRAITS`; here is what the moment adds.
"""

import traceback
from pathlib import Path

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
from image_sync.oci.wire import printable


def is_outdated(error: ImageSyncError) -> bool:
    """True if the source has not what its check found: the tag may have moved (fault row 55)."""
    return error.kind is ErrorKind.NOT_FOUND and side_of(error) is not Side.TARGET


def may_pass(error: ImageSyncError) -> bool:
    """True if another attempt may help; where no engine can be used at all, it does not."""
    unusable = isinstance(error, EngineError) and not error.engine
    return TRAITS[error.kind].retryable and not unusable


def reason_of(error: ImageSyncError) -> Reason:
    """Whether the copy failed, or what came after it: engines speak for themselves."""
    committing = isinstance(error, CopyError) or (
        isinstance(error, RegistryError) and error.side is Side.TARGET
    )
    return Reason.COMMIT_FAILED if committing else Reason.COPY_FAILED


def bug(spec: ImageSpec, error: Exception) -> ImageSyncError:
    """An exception that nobody foresaw, as an error of one image that says where it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    what = f"{type(error).__name__}: {printable(str(error))}"
    return ImageSyncError(f"{spec}: {what}{where}", ErrorKind.INTERNAL)
