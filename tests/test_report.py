"""The report: what users of 0.1.1 read in it, and what people see."""

import io
import json
from datetime import UTC, datetime

import msgspec
import pytest

from image_sync.errors import ErrorKind, Side
from image_sync.model import Action, Reason, SyncResult, Verdict
from image_sync.oci import Digest
from image_sync.report import _fitting, as_json, make_report, print_table
from tests.cli.test_exit_codes import SPEC

X, C = Digest.of(b"x"), Digest.of(b"c")
BEGAN = datetime(2026, 11, 23, 16, 13, 47, 95070, UTC)

PULLED = SyncResult(
    spec=SPEC,
    verdict=Verdict.CHANGED,
    action=Action.PULLED,
    reason=Reason.CHANGED,
    remote_digest=X,
    cached_digest=C,
    expected_digest=X,
    engine="crane",
    bytes_copied=1_500_000,
    attempts=1,
    duration=0.0671,
)
FAILED = SyncResult(
    spec=SPEC,
    verdict=Verdict.UNKNOWN,
    action=Action.FAILED,
    reason=Reason.SOURCE_UNKNOWN,
    error="source: it is down",
    error_kind=ErrorKind.NETWORK,
    error_side=Side.SOURCE,
)


def document() -> dict[str, object]:
    """The JSON report of both."""
    report = make_report(
        [PULLED, FAILED], cache_registry="zot:5000", began=BEGAN, duration=1.2, dry_run=False
    )
    parsed: dict[str, object] = json.loads(as_json(report))
    return parsed


def test_every_field_of_0_1_1_is_there_with_its_meaning() -> None:
    """Scripts that read the old report go on working."""
    report = document()
    assert report["timestamp"] == "2026-11-23T16:13:47.095070+00:00"
    assert report["cache_registry"] == "zot:5000"
    summary = report["summary"]
    assert isinstance(summary, dict)
    assert {key: summary[key] for key in ("pulled", "already_cached", "failed", "total")} == {
        "pulled": 1,
        "already_cached": 0,
        "failed": 1,
        "total": 2,
    }
    results = report["results"]
    assert isinstance(results, list)
    old = ("image", "tag", "action", "remote_digest", "cached_digest", "duration_ms", "error")
    assert [[result[key] for key in old] for result in results] == [
        ["a.example/a", "1", "pulled", str(X), str(C), 67, None],
        ["a.example/a", "1", "failed", None, None, 0, "source: it is down"],
    ]


@pytest.mark.parametrize(
    ("reason", "would_pull", "shown"),
    [
        pytest.param(Reason.MISSING, True, "would pull", id="missing"),
        pytest.param(Reason.CHANGED, True, "would pull", id="changed"),
        pytest.param(Reason.DEFERRED, False, "skipped", id="deferred"),
        pytest.param(Reason.PAUSED, False, "skipped", id="paused"),
    ],
)
def test_a_dry_run_tells_what_would_be_copied_as_json_and_as_a_table(
    *, reason: Reason, would_pull: bool, shown: str
) -> None:
    """The action stays `skipped`, as in 0.1.1; a field beside it tells what the table does."""
    skipped = msgspec.structs.replace(PULLED, action=Action.SKIPPED, reason=reason)
    cached = msgspec.structs.replace(PULLED, action=Action.ALREADY_CACHED, reason=Reason.UNCHANGED)
    report = make_report(
        [skipped, cached], cache_registry="zot:5000", began=BEGAN, duration=1.2, dry_run=True
    )
    parsed = json.loads(as_json(report))
    found = [(row["action"], row["would_pull"]) for row in parsed["results"]]
    assert found == [("skipped", would_pull), ("already_cached", False)]
    assert parsed["summary"]["would_pull"] == would_pull
    stream = io.StringIO()
    print_table(report, stream)
    lines = stream.getvalue().splitlines()
    assert shown in lines[1]
    assert f"2 images: {would_pull:d} out of date, 1 already cached" in lines[-1]


def test_a_pass_that_copies_would_pull_nothing_more() -> None:
    """The field is there, so that nobody has to ask whether it is."""
    summary = document()["summary"]
    assert isinstance(summary, dict)
    assert summary["would_pull"] == 0


def test_the_table_shows_every_image_and_every_error() -> None:
    """Nothing is cut off where the output is no terminal."""
    report = make_report(
        [PULLED, FAILED], cache_registry="zot:5000", began=BEGAN, duration=1.2, dry_run=False
    )
    stream = io.StringIO()
    print_table(report, stream)
    text = stream.getvalue()
    assert "a.example/a:1" in text
    assert X.hex[:12] in text
    assert "1.5 MB" in text
    assert "source: it is down" in text
    assert "2 images: 1 pulled, 0 already cached, 1 failed" in text


def test_a_narrow_terminal_has_fewer_columns_and_whole_names() -> None:
    """A name that is broken cannot be copied; on one that is narrower still, it has to be."""
    rows = [["docker.io/library/nginx:1.27", "already_cached", "9e5e9d7d866a", "1.2 MB", "0.1 s"]]
    titles = ["IMAGE", "ACTION", "DIGEST", "SIZE", "TIME"]
    assert _fitting(titles, rows, 73) == [0, 1, 2, 3, 4]
    assert _fitting(titles, rows, 72) == [0, 1, 3, 4]
    assert _fitting(titles, rows, 58) == [0, 1, 3]
    assert _fitting(titles, rows, 51) == [0, 1]
    assert _fitting(titles, rows, 20) == [0, 1]
    assert _fitting(["IMAGE"], [], 3) == [0]
