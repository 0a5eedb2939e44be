"""What `image-sync doctor` prints: the document, and the lines for people."""

import io
from datetime import UTC, datetime

import pytest

from image_sync.errors import ErrorKind, Side
from image_sync.examination import (
    Changes,
    Examination,
    Finding,
    Level,
    changes_of,
    make_examination,
    print_examination,
)
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

NOTHING = changes_of((), not_compared=0)


def result(action: Action, reason: Reason, number: int = 1) -> SyncResult:
    """One image of a dry run."""
    source = Endpoint(Side.SOURCE, Repository("a.example", "a"), TlsPolicy.VERIFY)
    target = Endpoint(Side.TARGET, Repository("c.example", "a"), TlsPolicy.VERIFY)
    failed = action is Action.FAILED
    return SyncResult(
        spec=ImageSpec(
            image="a.example/a",
            tag=str(number),
            source=source,
            source_tag=str(number),
            pin=None,
            target=target,
            target_tag=str(number),
            platforms=AllPlatforms(),
        ),
        verdict=Verdict.UNKNOWN,
        action=action,
        reason=reason,
        error="it is gone" if failed else None,
        error_kind=ErrorKind.NOT_FOUND if failed else None,
    )


def report(*findings: Finding, changes: Changes = NOTHING) -> Examination:
    """A report of some findings."""
    return make_examination(
        findings,
        changes,
        cache_registry="c.example",
        began=datetime(2026, 1, 1, tzinfo=UTC),
        duration=1.26,
    )


def printed(examination: Examination) -> list[str]:
    """What people see, line by line."""
    stream = io.StringIO()
    print_examination(examination, stream)
    return stream.getvalue().splitlines()


def test_the_numbers_count_every_level() -> None:
    """And the duration is in milliseconds."""
    made = report(
        Finding(Level.OK, "a", "x"), Finding(Level.FAIL, "b", "y"), Finding(Level.FAIL, "c", "z")
    )
    summary = made.summary
    assert (summary.ok, summary.warn, summary.fail, summary.duration_ms) == (1, 0, 2, 1260)


def test_a_line_has_its_level_in_front_and_what_to_do_below() -> None:
    """Subjects stand in one column, and what fails stands out without colours."""
    lines = printed(
        report(
            Finding(Level.OK, "clock", "agrees"),
            Finding(Level.FAIL, "cache c.example", "is down", "start it"),
        )
    )
    assert lines[0] == "ok    clock            agrees"
    assert lines[1] == "FAIL  cache c.example  is down"
    assert lines[2].strip() == "-> start it"
    assert lines[2].index("->") == lines[1].index("is down")


def test_text_in_brackets_is_printed_as_it_is() -> None:
    """It comes from outside and is no markup: an IPv6 host, for one."""
    assert "[::1]:5000 [red]" in printed(report(Finding(Level.OK, "x", "[::1]:5000 [red]")))[0]


@pytest.mark.parametrize(
    ("reason", "waits"),
    [
        pytest.param(Reason.MISSING, False, id="missing"),
        pytest.param(Reason.CHANGED, False, id="changed"),
        pytest.param(Reason.DEFERRED, True, id="deferred"),
        pytest.param(Reason.PAUSED, True, id="paused"),
    ],
)
def test_what_waits_is_not_what_would_be_copied(
    reason: Reason,
    waits: bool,  # noqa: FBT001 - a column
) -> None:
    """Both are skipped in a dry run."""
    changes = changes_of([result(Action.SKIPPED, reason)], not_compared=0)
    assert (changes.would_pull, changes.deferred) == ((0, 1) if waits else (1, 0))


def test_twenty_images_are_named_and_those_that_failed_first() -> None:
    """The rest is counted."""
    results = [result(Action.SKIPPED, Reason.CHANGED, number) for number in range(24)]
    gone = result(Action.FAILED, Reason.SOURCE_GONE, 99)
    changes = changes_of([*results, gone], not_compared=3)
    assert len(changes.images) == 20
    assert changes.images[0].tag == "99"
    lines = printed(report(changes=changes))
    assert "A pass: 24 to copy, 0 already cached, 1 failed, 3 not compared" in lines
    assert "  a.example/a:99  source_gone: it is gone" in lines
    assert "  and 5 more: image-sync check names them all" in lines
