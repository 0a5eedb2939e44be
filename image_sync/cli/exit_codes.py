"""Exit codes, and which one a pass or a verification deserves. Pure.

The first that applies: 130 or 143 interrupted; 2 usage or configuration; 4 nothing could be checked
at the target; 1 an image failed, is damaged or could not be verified, or the result could not be
written; 3 drift, where it was asked for; 0. 70 is a bug of ours (sysexits.h, EX_SOFTWARE).
"""

from collections.abc import Sequence

from image_sync.errors import ErrorKind
from image_sync.model import Action, Condition, SyncResult, Verified

OK = 0
FAILED = 1
USAGE = 2
DRIFT = 3
TARGET_DOWN = 4
BUG = 70
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_SIGNAL_BASE = 128


def of_pass(
    results: Sequence[SyncResult],
    *,
    signal: int | None,
    skip_on_error: bool,
    drift_matters: bool = False,
) -> int:
    """The exit code of a pass.

    Args:
        results: What came of each image.
        signal: The signal that cut it short, None if it ran to its end.
        skip_on_error: Whether failed images count (`settings.skip_on_error`).
        drift_matters: Whether an image that is not up to date counts (`check --exit-code`).
    """
    if signal is not None:
        return _SIGNAL_BASE + signal
    if results and all(result.target_failed for result in results):
        return TARGET_DOWN
    if not skip_on_error and any(result.action is Action.FAILED for result in results):
        return FAILED
    if drift_matters and any(result.action is Action.SKIPPED for result in results):
        return DRIFT
    return OK


def of_verification(results: Sequence[Verified], *, signal: int | None) -> int:
    """The exit code of a verification.

    Args:
        results: What came of each image.
        signal: The signal that cut it short, None if it ran to its end.
    """
    if signal is not None:
        return _SIGNAL_BASE + signal
    left = {result.condition for result in results}
    if results and all(_says_nothing_of_images(result) for result in results):
        return TARGET_DOWN
    return FAILED if left & {Condition.DAMAGED, Condition.UNKNOWN} else OK


def of_examination(failures: int, *, signal: int | None) -> int:
    """The exit code of an examination.

    Args:
        failures: How many findings would make a pass fail.
        signal: The signal that cut it short, None if it ran to its end.
    """
    if signal is not None:
        return _SIGNAL_BASE + signal
    return FAILED if failures else OK


def of_demo(wrong: int, *, signal: int | None) -> int:
    """The exit code of the demo.

    Args:
        wrong: How many steps went wrong.
        signal: The signal that cut it short, None if it ran to its end.
    """
    return of_examination(wrong, signal=signal)


def _says_nothing_of_images(result: Verified) -> bool:
    """Whether it is the registry that is in the way, and not what it holds."""
    unknown = result.condition is Condition.UNKNOWN
    return unknown and result.error_kind is not ErrorKind.BAD_CONTENT


def unwritten(code: int) -> int:
    """The exit code of a pass whose report could not be written."""
    return code if code > _SIGNAL_BASE or code == TARGET_DOWN else FAILED
