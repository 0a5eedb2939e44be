"""The embedded registry keeps to the OCI distribution specification, whole.

Each check of the suite passes and none is skipped. What it leaves out on its own is
switched on in a second run; sparse manifests stay off, since the registry refuses a
manifest whose parts it does not have.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.embedded.conformance import OPTIONAL, Findings, read_report, run_suite
from tests.real.registries import crane_registry, embedded

# An upload that is called off, in both digest algorithms: optional in the specification.
CALLED_OFF = frozenset(
    {
        "sha256 blobs/post cancel/blob-post-cancel",
        "sha512 blobs/post cancel/blob-post-cancel",
    }
)


@pytest.mark.parametrize(
    ("settings", "disabled", "least"),
    [
        pytest.param({}, CALLED_OFF, 862, id="what-the-suite-demands-of-all"),
        pytest.param(OPTIONAL, frozenset(), 986, id="with-the-optional-interfaces"),
    ],
)
def test_every_check_of_the_suite_passes(
    tmp_path: Path, settings: Mapping[str, str], disabled: frozenset[str], least: int
) -> None:
    """No failure, no error, nothing skipped, and not fewer checks than there are."""
    with embedded(tmp_path / "registry") as registry:
        findings = run_suite(registry.host, tmp_path / "results", settings)
    assert findings.problems(least=least, disabled=disabled) == []


def test_the_suite_finds_what_crane_s_registry_lacks(tmp_path: Path) -> None:
    """Four hundred failures are seen as such: a pass above means something."""
    with crane_registry(tmp_path / "registry") as registry:
        findings = run_suite(registry.host, tmp_path / "results")
    assert findings.statuses()["failure"] > 400
    problems = findings.problems(least=1, disabled=CALLED_OFF)
    assert any(problem.startswith("empty/referrers: failure: ") for problem in problems)


def document(*statuses: str, **counts: int) -> bytes:
    """A report with a case of each status, `a`, `b`, ... by name."""
    cases = "".join(
        f'<testcase name="Suite/{name}" status="{status}"/>'
        for name, status in zip("abcdef", statuses, strict=False)
    )
    numbers = {"tests": len(statuses), "failures": 0, "errors": 0, "skipped": 0, **counts}
    attributes = " ".join(f'{name}="{number}"' for name, number in numbers.items())
    return f"<testsuites><testsuite {attributes}>{cases}</testsuite></testsuites>".encode()


def test_a_run_where_all_passed_has_no_problems() -> None:
    """Two cases, both passed."""
    assert read_report(document("passed", "passed")).problems(least=2) == []


def test_what_is_switched_off_may_be_skipped() -> None:
    """Where it is named, and counted as switched off."""
    findings = read_report(document("passed", "skipped", disabled=1))
    assert findings.problems(least=2, disabled={"b"}) == []


@pytest.mark.parametrize(
    ("report", "disabled", "problem"),
    [
        pytest.param(document("passed", "failure"), set(), "b: failure: ", id="a-failed-case"),
        pytest.param(document("passed", "error"), set(), "b: error: ", id="a-broken-case"),
        pytest.param(document("passed", "skipped"), set(), "b: skipped: ", id="a-skipped-case"),
        pytest.param(
            document("passed", "passed", skipped=1), set(), "1 skipped, not 0", id="a-skipped-check"
        ),
        pytest.param(
            document("passed", "passed", failures=1),
            set(),
            "1 failures, not 0",
            id="a-failed-check",
        ),
        pytest.param(
            document("passed", "passed", errors=1), set(), "1 errors, not 0", id="a-broken-check"
        ),
        pytest.param(
            document("passed", "failure", disabled=1), {"b"}, "b: failure: ", id="off-but-failed"
        ),
        pytest.param(
            document("passed", "skipped", skipped=1, disabled=0),
            {"b"},
            "1 skipped, not 0",
            id="skipped-and-not-off",
        ),
        pytest.param(document("passed"), set(), "only 1 checks, not 2", id="too-few"),
        pytest.param(document(), set(), "only 0 checks, not 2", id="nothing-ran"),
        pytest.param(
            document("passed", "passed", disabled=1), {"c"}, "c: did not come up", id="renamed"
        ),
    ],
)
def test_nothing_else_passes(report: bytes, disabled: set[str], problem: str) -> None:
    """A case that is not passed, a count that is not nought, a run that is not whole."""
    assert problem in read_report(report).problems(least=2, disabled=disabled)


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(document("unknown"), id="a-status-of-its-own"),
        pytest.param(b"<testsuites></testsuites>", id="no-suite"),
    ],
)
def test_a_report_of_another_form_is_refused(report: bytes) -> None:
    """It is read for a verdict, so nothing in it is guessed."""
    with pytest.raises(ValueError, match=r"unknown status|0 suites"):
        read_report(report)


def test_findings_count_cases_by_status() -> None:
    """For a look at registries that fail."""
    findings: Findings = read_report(document("passed", "failure", "failure"))
    assert findings.statuses() == {"passed": 1, "failure": 2}
