"""What counts as a violation."""

import json

import pytest

from tests.e2e.program import Run
from tests.kill.checks import Tags, abandoned, fits, outdated, wrong_ending, wrong_tags
from tests.kill.walk import Tagged

OLD, NEW, OTHER = Tagged("sha256:old"), Tagged("sha256:new"), Tagged("sha256:other")
MADE = Tagged("", ("sha256:child",))
NAME = "team/app:1"
WANTED = {NAME: NEW}


def test_an_index_that_is_made_is_known_by_its_children() -> None:
    """Its digest is the product's business."""
    assert fits(Tagged("sha256:any", ("sha256:child",)), MADE)
    assert not fits(Tagged("sha256:any", ("sha256:child", "sha256:more")), MADE)


@pytest.mark.parametrize(
    ("before", "found", "says"),
    [
        pytest.param({NAME: OLD}, {NAME: OLD}, None, id="as before"),
        pytest.param({NAME: OLD}, {NAME: NEW}, None, id="moved"),
        pytest.param({}, {}, None, id="not there yet"),
        pytest.param({}, {NAME: NEW}, None, id="there for the first time"),
        pytest.param({"image-sync/ledger:a": OLD}, {"image-sync/ledger:a": OTHER}, None, id="own"),
        pytest.param({NAME: OLD}, {NAME: OTHER}, "names", id="wrong"),
        pytest.param({NAME: OLD}, {}, "names None", id="gone"),
        pytest.param({"image-sync/ledger:a": OLD}, {}, "gone", id="ledger gone"),
        pytest.param({}, {"team/app:2": NEW}, "nobody asked", id="strange"),
    ],
)
def test_a_tag_names_what_it_named_or_what_it_should(
    before: Tags, found: Tags, says: str | None
) -> None:
    """Anything else is said."""
    wrong = list(wrong_tags(before, found, WANTED))
    assert len(wrong) == (says is not None)
    assert says is None or says in wrong[0]


def ended(code: int, action: str, *, error: str | None = None, stderr: str = "") -> Run:
    """A pass over one image."""
    result = {
        "image": "a",
        "tag": "1",
        "target": NAME,
        "action": action,
        "reason": "",
        "attempts": 1,
        "error": error,
        **dict.fromkeys(("remote_digest", "cached_digest", "expected_digest", "engine")),
        "error_kind": None,
    }
    names = ("pulled", "already_cached", "skipped", "deferred", "failed", "total")
    report = {"cache_registry": "c", "summary": dict.fromkeys(names, 0), "results": [result]}
    return Run(code, json.dumps(report), stderr)


@pytest.mark.parametrize(
    ("run", "found", "says"),
    [
        pytest.param(ended(0, "pulled"), NEW, None, id="done"),
        pytest.param(ended(1, "failed", error="why"), OLD, None, id="failed"),
        pytest.param(None, OLD, "did not end", id="hung"),
        pytest.param(ended(70, "failed", error="why"), OLD, "ended with 70", id="bug"),
        pytest.param(
            ended(1, "failed", error="why", stderr="Traceback"), OLD, "traceback", id="traceback"
        ),
        pytest.param(Run(1, "{", ""), OLD, "no report", id="half a report"),
        pytest.param(ended(0, "pulled"), OLD, "does not hold it", id="lie"),
        pytest.param(ended(0, "failed", error="why"), OLD, "reports 1 images", id="hidden"),
        pytest.param(ended(1, "pulled"), NEW, "reports 0 images", id="false alarm"),
        pytest.param(ended(1, "failed"), OLD, "without an error", id="mute"),
    ],
)
def test_a_pass_ends_as_it_says(run: Run | None, found: Tagged, says: str | None) -> None:
    """Exit code, report and cache agree."""
    wrong = list(wrong_ending(run, {0, 1}, [NAME], {NAME: found}, WANTED))
    assert len(wrong) == (says is not None)
    assert says is None or says in wrong[0]


def test_what_is_outdated_is_named() -> None:
    """Also what is not there."""
    assert outdated({NAME: NEW}, WANTED) == []
    assert outdated({NAME: OLD}, WANTED) == outdated({}, WANTED) == [NAME]


def test_an_upload_that_is_left_open_is_abandoned() -> None:
    """Also one without a byte in it."""
    assert len(list(abandoned({"empty": 0, "begun": 5}))) == 2
    assert list(abandoned({})) == []
