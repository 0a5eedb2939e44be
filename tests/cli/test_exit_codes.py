"""Which exit code a pass deserves: the first rule that applies."""

import pytest

from image_sync.cli import exit_codes
from image_sync.errors import Side
from image_sync.model import (
    Action,
    Endpoint,
    ImageSpec,
    Reason,
    SyncResult,
    TlsPolicy,
    Verdict,
)
from image_sync.oci import AllPlatforms, Repository

SPEC = ImageSpec(
    image="a.example/a",
    tag="1",
    source=Endpoint(Side.SOURCE, Repository("a.example", "a"), TlsPolicy.VERIFY),
    source_tag="1",
    pin=None,
    target=Endpoint(Side.TARGET, Repository("c.example", "a"), TlsPolicy.VERIFY),
    target_tag="1",
    platforms=AllPlatforms(),
)


def result(action: Action, reason: Reason, *, target_failed: bool = False) -> SyncResult:
    """A result of which only these matter."""
    return SyncResult(
        spec=SPEC,
        verdict=Verdict.UNKNOWN,
        action=action,
        reason=reason,
        target_failed=target_failed,
    )


FINE = result(Action.ALREADY_CACHED, Reason.UNCHANGED)
PULLED = result(Action.PULLED, Reason.MISSING)
GONE = result(Action.FAILED, Reason.SOURCE_GONE)
DOWN = result(Action.FAILED, Reason.TARGET_UNKNOWN, target_failed=True)
BOTH = result(Action.FAILED, Reason.SOURCE_GONE, target_failed=True)
STALE = result(Action.SKIPPED, Reason.CHANGED)
DEFERRED = result(Action.SKIPPED, Reason.DEFERRED)


@pytest.mark.parametrize(
    ("results", "signal", "skip", "drift", "code"),
    [
        pytest.param([], None, False, False, 0, id="nothing-to-do"),
        pytest.param([FINE, PULLED], None, False, False, 0, id="all-well"),
        pytest.param([FINE, GONE], None, False, False, 1, id="one-failed"),
        pytest.param([FINE, GONE], None, True, False, 0, id="one-failed-and-skipped"),
        pytest.param([DOWN, DOWN], None, False, False, 4, id="cache-down"),
        pytest.param([DOWN, DOWN], None, True, False, 4, id="cache-down-is-no-source-error"),
        pytest.param([DOWN, BOTH], None, False, False, 4, id="cache-down-whatever-the-source"),
        pytest.param([DOWN, FINE], None, False, False, 1, id="one-repository-refused"),
        pytest.param([STALE], None, False, False, 0, id="drift-that-nobody-asked-for"),
        pytest.param([STALE, FINE], None, False, True, 3, id="drift"),
        pytest.param([DEFERRED], None, False, True, 3, id="deferred-is-drift"),
        pytest.param([STALE, GONE], None, False, True, 1, id="failure-before-drift"),
        pytest.param([DOWN], 2, False, True, 130, id="interrupted-before-all"),
        pytest.param([FINE], 15, False, False, 143, id="terminated"),
    ],
)
def test_exit_code(
    results: list[SyncResult],
    signal: int | None,
    skip: bool,  # noqa: FBT001 - a column
    drift: bool,  # noqa: FBT001 - a column
    code: int,
) -> None:
    """The table of the README, row by row."""
    found = exit_codes.of_pass(results, signal=signal, skip_on_error=skip, drift_matters=drift)
    assert found == code
