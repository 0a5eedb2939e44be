"""Events add up to metrics, under the names that docs/metrics.md lists, in bounded numbers."""

import re
from pathlib import Path

import msgspec
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from image_sync import events
from image_sync.errors import ErrorKind, Side
from image_sync.model import (
    Action,
    Condition,
    Endpoint,
    Reason,
    SyncResult,
    Tally,
    TlsPolicy,
    Verdict,
    Verified,
)
from image_sync.observe.metrics import OTHER, Metrics
from image_sync.oci import Digest, Repository
from tests.cli.test_exit_codes import SPEC
from tests.observe.test_log import EXAMPLES

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
NOW = 1_700_000_000.0
ADOPTED = events.ConfigAdopted((SPEC,), 1, 0, 0)
ELSEWHERE = msgspec.structs.replace(
    SPEC,
    source=Endpoint(Side.SOURCE, Repository("b.example", "a"), TlsPolicy.VERIFY),
    target_tag="2",
)


@pytest.fixture
def metrics() -> Metrics:
    """Those of a process that works by a configuration of one image."""
    watch = Metrics("9.9.9", clock=lambda: NOW)
    watch(ADOPTED)
    return watch


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """Of one series; None if it is not there."""
    return metrics.registry.get_sample_value(f"image_sync_{name}", labels)


def result(action: Action, reason: Reason, **more: object) -> events.ImageFinished:
    """An image that ended so."""
    base = SyncResult(spec=SPEC, verdict=Verdict.UNKNOWN, action=action, reason=reason)
    return events.ImageFinished(msgspec.structs.replace(base, **more))


def request(host: str = "a.example", status: int | None = 200) -> events.RequestFinished:
    """A request that took 40 ms."""
    return events.RequestFinished(Side.SOURCE, host, "HEAD", "/v2/a", status, 0.04, 1)


FAILED = result(
    Action.FAILED,
    Reason.SOURCE_UNKNOWN,
    error="down",
    error_kind=ErrorKind.NETWORK,
    error_side=Side.SOURCE,
)
PULLED = result(Action.PULLED, Reason.CHANGED, bytes_copied=70, bytes_reused=30)


def documented() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Type and labels of each metric in the table."""
    rows = re.findall(r"^\| `(image_sync_\w+)` \| (\w+) \| (.*?) \|", PAGE, re.MULTILINE)
    return {
        name: (kind, tuple(re.findall(r"`(\w+)`(?:: (?:`[^`]*`[^`|]*)+)?", labels)))
        for name, kind, labels in rows
    }


def told() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Type and labels of each metric there is, after one of every event."""
    metrics = Metrics("9.9.9")
    for event in (*(event for event, _ in EXAMPLES), ADOPTED, FAILED):
        metrics(event)
    for event in (events.LeadershipChanged(leads=True, leader="me"), *host_events("a.example")):
        metrics(event)
    found = {}
    text = generate_latest(metrics.registry).decode()
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels}
        found[name] = (family.type, labels - {"le"})
    return {name: (kind, tuple(sorted(labels))) for name, (kind, labels) in found.items()}


def host_events(host: str) -> list[events.Event]:
    """All that a registry may ask for or leave."""
    return [
        request(host),
        events.HostPaused(host, 60.0, pulls_only=False, why="429"),
        events.HostPaused(host, 30.0, pulls_only=True, why="429"),
        events.PullQuota(host, 100, 20),
        events.CircuitOpened(host, 30.0),
    ]


def label_names(cell: tuple[str, tuple[str, ...]]) -> tuple[str, tuple[str, ...]]:
    """With labels in order."""
    return cell[0], tuple(sorted(cell[1]))


def test_the_page_lists_every_metric_and_no_other() -> None:
    """With its type and labels."""
    assert {name: label_names(cell) for name, cell in documented().items()} == told()


def test_names_follow_the_conventions() -> None:
    """Counters end in _total and nothing else does; units are base units, and come last."""
    for name, (kind, _) in told().items():
        assert name.endswith("_total") == (kind == "counter"), name
        assert not re.search(r"_(ms|secs|milliseconds|kb|mb)(_|$)", name), name
        assert (kind == "histogram") <= name.endswith("_seconds"), name


def test_a_new_process_counts_from_zero() -> None:
    """So that the first failure is an increase, and a process without success is found out."""
    fresh = Metrics("9.9.9")
    assert value(fresh, "passes_total", result="failure") == 0
    assert value(fresh, "last_success_timestamp_seconds") == 0
    assert value(fresh, "leader") is None
    assert b"_created" not in generate_latest(fresh.registry)


def test_a_pass_that_left_something_to_the_next_is_no_success(metrics: Metrics) -> None:
    """A registry that hangs shows in how passes end."""
    tally = Tally.of([PULLED.result])
    metrics(events.PassFinished("p1", tally, 42.0, interrupted=False, unfinished=1))
    assert value(metrics, "passes_total", result="partial") == 1
    assert value(metrics, "last_success_timestamp_seconds") == 0


@pytest.mark.parametrize(
    ("results", "interrupted", "outcome"),
    [
        pytest.param([PULLED], False, "success", id="all-well"),
        pytest.param([], False, "success", id="nothing-due"),
        pytest.param([PULLED, FAILED], False, "partial", id="one-failed"),
        pytest.param([FAILED], False, "failure", id="all-failed"),
        pytest.param([PULLED], True, "interrupted", id="interrupted"),
    ],
)
def test_a_pass_counts_by_how_it_ended(
    metrics: Metrics,
    results: list[events.ImageFinished],
    *,
    interrupted: bool,
    outcome: str,
) -> None:
    """Only one without failures moves the time of the last success."""
    tally = Tally.of([each.result for each in results])
    metrics(events.PassFinished("p1", tally, 42.0, interrupted=interrupted))
    assert value(metrics, "passes_total", result=outcome) == 1
    assert value(metrics, "pass_duration_seconds_sum") == 42
    assert value(metrics, "last_pass_timestamp_seconds") == NOW
    success = NOW if outcome == "success" else 0
    assert value(metrics, "last_success_timestamp_seconds") == success


def test_the_next_pass_has_a_time(metrics: Metrics) -> None:
    """Told as a point in time."""
    metrics(events.PassPlanned(600.0))
    assert value(metrics, "next_pass_timestamp_seconds") == NOW + 600


def test_images_count_by_what_came_of_them(metrics: Metrics) -> None:
    """With the bytes of their copies, and the kind and side of their errors."""
    for event in (PULLED, PULLED, FAILED):
        metrics(event)
    assert value(metrics, "results_total", action="pulled", reason="changed") == 2
    assert value(metrics, "copied_bytes_total") == 140
    assert value(metrics, "reused_bytes_total") == 60
    assert value(metrics, "errors_total", kind="network", side="source") == 1


def test_an_image_fails_until_it_succeeds(metrics: Metrics) -> None:
    """However often it failed; one that was skipped meanwhile fails still."""
    skipped = result(Action.SKIPPED, Reason.DEFERRED)
    seen = []
    for event in (FAILED, FAILED, skipped, PULLED):
        metrics(event)
        seen.append(value(metrics, "images_failing"))
    assert seen == [1, 1, 1, 0]


def test_an_image_that_is_configured_no_more_fails_no_more(metrics: Metrics) -> None:
    """And is counted no more."""
    metrics(FAILED)
    metrics(events.ConfigAdopted((), 0, 0, 1))
    assert (value(metrics, "images"), value(metrics, "images_failing")) == (0, 0)


def test_tags_and_verifications_count(metrics: Metrics) -> None:
    """Each by itself."""
    metrics(events.TagMoved(SPEC, SPEC.target_reference, None, Digest.of(b"x")))
    metrics(events.ImageVerified(Verified(spec=SPEC, condition=Condition.HEALED)))
    assert value(metrics, "tags_moved_total") == 1
    assert value(metrics, "verifications_total", condition="healed") == 1


def test_requests_count_by_registry_method_and_class_of_status(metrics: Metrics) -> None:
    """And one without an answer as that."""
    for status in (200, 201, 429, None):
        metrics(request(status=status))
    counted = [
        value(metrics, "requests_total", registry="a.example", method="HEAD", status=status)
        for status in ("2xx", "4xx", "none")
    ]
    assert counted == [2, 1, 1]
    assert value(metrics, "request_duration_seconds_count", registry="a.example") == 4


def test_registries_tell_what_they_allow(metrics: Metrics) -> None:
    """Pauses of pulls and of everything stand side by side."""
    for event in host_events("c.example"):
        metrics(event)
    paused = "paused_until_timestamp_seconds"
    assert value(metrics, paused, registry="c.example", requests="all") == NOW + 60
    assert value(metrics, paused, registry="c.example", requests="pulls") == NOW + 30
    assert value(metrics, "pull_quota_remaining", registry="c.example") == 20
    assert value(metrics, "pull_quota_limit", registry="c.example") == 100
    assert value(metrics, "circuits_opened_total", registry="c.example") == 1


def test_hosts_that_no_image_names_share_one_label(metrics: Metrics) -> None:
    """Where redirects lead is others' choice, and may be a new name each day."""
    for number in range(1000):
        for event in host_events(f"{number}.cdn.example"):
            metrics(event)
    text = generate_latest(metrics.registry).decode()
    assert "cdn.example" not in text
    assert value(metrics, "requests_total", registry=OTHER, method="HEAD", status="2xx") == 1000
    assert value(metrics, "pull_quota_limit", registry=OTHER) is None


def test_a_registry_that_is_configured_no_more_allows_nothing(metrics: Metrics) -> None:
    """Its quota would stand there for ever; what it counted stays, and goes on as others'."""
    for event in host_events("a.example"):
        metrics(event)
    metrics(events.ConfigAdopted((ELSEWHERE,), 1, 0, 1))
    metrics(request("a.example"))
    metrics(request("b.example"))
    assert value(metrics, "pull_quota_limit", registry="a.example") is None
    paused = "paused_until_timestamp_seconds"
    assert value(metrics, paused, registry="a.example", requests="all") is None
    for host in ("a.example", "b.example", OTHER):
        assert value(metrics, "requests_total", registry=host, method="HEAD", status="2xx") == 1


def test_a_reload_that_failed_stands_until_one_succeeds(metrics: Metrics) -> None:
    """The time is that of the last success."""
    loaded = "config_last_reload_successful"
    metrics(events.ConfigRejected(("image-sync.yaml:1:1: wrong",)))
    assert value(metrics, loaded) == 0
    metrics(ADOPTED)
    assert value(metrics, loaded) == 1
    assert value(metrics, "config_last_reload_success_timestamp_seconds") == NOW


def test_leadership_is_told_once_there_is_an_election(metrics: Metrics) -> None:
    """A process without a Lease would else count as one that waits."""
    assert value(metrics, "leader") is None
    metrics(events.LeadershipChanged(leads=False, leader="other"))
    assert value(metrics, "leader") == 0
    metrics(events.LeadershipChanged(leads=True, leader="me"))
    assert value(metrics, "leader") == 1


def test_the_version_is_told(metrics: Metrics) -> None:
    """As a label."""
    assert b'version="9.9.9"' in generate_latest(metrics.registry)
