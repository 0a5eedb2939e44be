"""The conformance suite of the OCI distribution specification, and what it found.

The suite is opencontainers/distribution-spec's own program. Its exit status says less
than its report: what a registry "does not offer" (202 to a blob sent with the POST, 200
to a Range) counts as skipped there, and a run with skipped cases still ends with 0.
"""

import os
import subprocess
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

from tests.real.tools import require

# Seconds. Measured: 4 s with crane's registry, 20 s with CNCF distribution.
_TIMEOUT: Final = 300.0

# What the suite leaves out unless told; `OCI_VERSION=dev` is the same.
OPTIONAL: Final[Mapping[str, str]] = {
    "OCI_API_BLOBS_DIGEST_HEADER": "true",
    "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
    "OCI_API_MANIFESTS_DIGEST_HEADER": "true",
    "OCI_API_MANIFESTS_TAG_PARAM": "true",
}

_STATUSES: Final = frozenset({"passed", "skipped", "failure", "error"})
_COUNTS: Final = ("failures", "errors", "skipped", "disabled")


class Case(NamedTuple):
    """One request, or a few that belong together, and what the suite says of it."""

    name: str
    status: str
    message: str


class Findings(NamedTuple):
    """A report, as far as a verdict needs it.

    Attributes:
        checks: What was counted; a case can hold several.
        counts: How many of them failed, could not be done, were skipped or switched off.
        cases: In the order in which they ran.
    """

    checks: int
    counts: Mapping[str, int]
    cases: tuple[Case, ...]

    def problems(self, *, least: int, disabled: Collection[str] = ()) -> list[str]:
        """What keeps this from being a pass; nothing is tolerated but the cases in `disabled`.

        `least` is the number of checks below which the run was not the whole suite.
        """
        found = [
            f"{case.name}: {case.status}: {case.message}"
            for case in self.cases
            if case.status != "passed" and not (case.status == "skipped" and case.name in disabled)
        ]
        allowed = {"disabled": len(disabled)}
        found += [
            f"{count} {what}, not {allowed.get(what, 0)}"
            for what, count in self.counts.items()
            if count != allowed.get(what, 0)
        ]
        if self.checks < least:
            found.append(f"only {self.checks} checks, not {least}")
        missing = set(disabled) - {case.name for case in self.cases}
        return found + [f"{name}: did not come up" for name in sorted(missing)]

    def statuses(self) -> Counter[str]:
        """How many cases ended in which way."""
        return Counter(case.status for case in self.cases)


def run_suite(host: str, directory: Path, settings: Mapping[str, str] | None = None) -> Findings:
    """What the suite finds in the registry at `host`, over plain HTTP.

    Its reports go to `directory`: `report.html` has every request and answer.
    """
    directory.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "OCI_REGISTRY": host,
        "OCI_TLS": "disabled",
        "OCI_VERSION": "1.1",
        "OCI_RESULTS_DIR": str(directory),
        **(settings or {}),
    }
    # The exit status is not looked at: the report says more.
    ran = subprocess.run(
        [require("conformance")],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=_TIMEOUT,
        env=environment,
    )
    report = directory / "junit.xml"
    assert report.exists(), f"the suite wrote no report: {ran.stderr}"
    return read_report(report.read_bytes())


def read_report(document: bytes) -> Findings:
    """A junit.xml of the suite.

    Raises:
        ValueError: not such a report, or not of one suite.
    """
    suites = ET.fromstring(document).findall("testsuite")
    if len(suites) != 1:
        raise ValueError(f"{len(suites)} suites in the report")
    (suite,) = suites
    counts = {what: int(suite.get(what, "0")) for what in _COUNTS}
    cases = tuple(_case(each) for each in suite.iter("testcase"))
    return Findings(int(suite.attrib["tests"]), counts, cases)


def _case(element: ET.Element) -> Case:
    name, status = element.attrib["name"], element.attrib["status"]
    if status not in _STATUSES:
        raise ValueError(f"{name}: unknown status {status}")
    return Case(name.partition("/")[2], status, element.findtext("system-out", ""))
