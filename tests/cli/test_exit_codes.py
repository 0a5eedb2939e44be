"""Which exit code a pass deserves: the first rule that applies."""

import pytest

from image_sync.cli import exit_codes
from image_sync.errors import ErrorKind, Side
from image_sync.model import (
    Action,
    Condition,
    Endpoint,
    ImageSpec,
    Reason,
    SyncResult,
    TlsPolicy,
    Verdict,
    Verified,
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


@pytest.mark.parametrize(
    ("conditions", "signal", "code"),
    [
        pytest.param([], None, 0, id="nothing-to-do"),
        pytest.param(["whole", "healed", "missing"], None, 0, id="all-well"),
        pytest.param(["whole", "damaged"], None, 1, id="damage-remains"),
        pytest.param(["healed", "unknown"], None, 1, id="one-could-not-be-checked"),
        pytest.param(["unknown", "unknown"], None, 4, id="cache-down"),
        pytest.param(["damaged", "unknown"], None, 1, id="damage-beside-the-unknown"),
        pytest.param(["whole", "unknown"], 15, 143, id="terminated"),
        pytest.param(["unknown"], 2, 130, id="interrupted"),
    ],
)
def test_a_verification_fails_for_damage_and_for_what_it_does_not_know(
    conditions: list[str], signal: int | None, code: int
) -> None:
    """What was healed is well; a tag that the cache lacks is the next pass's business."""
    results = [Verified(spec=SPEC, condition=Condition(each)) for each in conditions]
    assert exit_codes.of_verification(results, signal=signal) == code


def test_what_is_wrong_with_a_manifest_is_not_the_caches_being_down() -> None:
    """It answered, and well."""
    unknown = [
        Verified(spec=SPEC, condition=Condition.UNKNOWN, error_kind=kind)
        for kind in (ErrorKind.BAD_CONTENT, ErrorKind.UNAVAILABLE)
    ]
    assert exit_codes.of_verification(unknown, signal=None) == 1
    assert exit_codes.of_verification(unknown[1:], signal=None) == 4
