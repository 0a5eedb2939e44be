"""Every event is one line, with the fields that people search for."""

import io
from typing import get_args

import msgspec
import pytest

from image_sync import events
from image_sync.errors import ErrorKind, Side
from image_sync.model import (
    Action,
    Condition,
    Damage,
    Reason,
    Security,
    SyncResult,
    Tally,
    Verdict,
    Verified,
)
from image_sync.observe import EventLog, log
from image_sync.observe.lines import describe
from image_sync.oci import Digest
from tests.cli.test_exit_codes import SPEC

X, C = Digest.of(b"x"), Digest.of(b"c")


def result(action: Action, error: str | None = None) -> SyncResult:
    """A result that ended so."""
    kind = ErrorKind.NETWORK if error else None
    return SyncResult(
        spec=SPEC,
        verdict=Verdict.CHANGED,
        action=action,
        reason=Reason.CHANGED,
        expected_digest=X,
        bytes_copied=5,
        duration=0.25,
        error=error,
        error_kind=kind,
    )


EXAMPLES: list[tuple[events.Event, str]] = [
    (events.ProcessStarted(), "info"),
    (events.Listening("127.0.0.1:8080"), "info"),
    (events.RegistryServed("127.0.0.1:5050", "/var/lib/images"), "info"),
    (events.RegistryServed("127.0.0.1:5050", "/var/lib/images", "image-sync serve"), "info"),
    (events.RegistryShared("127.0.0.1:5050", "/var/lib/images"), "info"),
    (events.GarbageCollected(manifests=2, blobs=5, size=1_000_000), "info"),
    (events.PassStarted("p1", 3, dry_run=False), "info"),
    (events.PassResized("p1", 4), "debug"),
    (events.PassFinished("p1", Tally.of([result(Action.PULLED)]), 1.5, interrupted=False), "info"),
    (events.PassPlanned(581.0), "debug"),
    (events.Postponed(SPEC, 30.0, "source: slow down"), "debug"),
    (events.ConfigAdopted((SPEC,), added=1, changed=0, removed=2), "info"),
    (events.ConfigRejected(("a.yaml:3:1: unknown key", "a.yaml:9:1: no tag")), "error"),
    (events.Stopping(15, copies=1, grace=25.0), "info"),
    (events.Stopped(signal=15, copies=0), "info"),
    (events.Stopped(signal=2, at_once=True), "info"),
    (events.Stopped(error="a.yaml: no such file\nb.yaml: no such file"), "error"),
    (events.LeadershipChanged(leads=True, leader="pod-0"), "info"),
    (events.LeadershipChanged(leads=False, leader="pod-1"), "info"),
    (events.LeadershipChanged(leads=False, leader=""), "info"),
    (events.CopyStarted(SPEC, "crane", X, 1), "info"),
    (events.CopyProgress(SPEC, "crane", 1000), "debug"),
    (events.AttemptFailed(SPEC, 1, "reset\x1b[31m\nby peer", ErrorKind.NETWORK, 2.0), "warning"),
    (events.EngineSkipped(SPEC, "crane", "skopeo", "it is not installed"), "info"),
    (events.EngineFailed(SPEC, "crane", ("crane", "copy"), 1, "DENIED\nno"), "debug"),
    (events.TagMoved(SPEC, SPEC.target_reference, C, X), "info"),
    (events.ImageFinished(result(Action.PULLED)), "info"),
    (events.ImageFinished(result(Action.ALREADY_CACHED)), "debug"),
    (events.ImageFinished(result(Action.FAILED, "source: down")), "error"),
    (events.ImageVerified(Verified(spec=SPEC, condition=Condition.WHOLE, digest=X)), "debug"),
    (
        events.ImageVerified(
            Verified(
                spec=SPEC,
                condition=Condition.DAMAGED,
                digest=X,
                damage=(Damage(C, "the blob is missing", ErrorKind.BLOB_MISSING),),
            )
        ),
        "error",
    ),
    (events.RequestFinished(Side.SOURCE, "a.example", "HEAD", "/v2/a", 200, 0.1, 1), "debug"),
    (events.HostPaused("a.example", 60.0, pulls_only=True, why="toomanyrequests"), "warning"),
    (events.PullQuota("docker.io", 100, 20), "debug"),
    (events.CircuitOpened("a.example", 30.0), "warning"),
    (events.WeakSecurity("zot:5000", Security.CLEAR, credentials=False), "info"),
    (events.CredentialsFound("a.example", "/home/a/.docker/config.json"), "info"),
    (events.Warned("ledger", "it cannot be read"), "warning"),
]


def test_there_is_an_example_of_every_event() -> None:
    """A new event cannot go untested."""
    assert {type(event) for event, _ in EXAMPLES} == set(get_args(events.Event))


@pytest.mark.parametrize(
    ("event", "level"), [pytest.param(e, lv, id=f"{type(e).__name__}-{lv}") for e, lv in EXAMPLES]
)
def test_every_event_is_one_line_of_json(
    stream: io.StringIO, event: events.Event, level: str
) -> None:
    """With time, level, message and logger, and fields that are never nested."""
    log.configure("debug", as_json=True, stream=stream)
    EventLog()(event)
    (line,) = stream.getvalue().splitlines()
    fields = msgspec.json.decode(line, type=dict[str, str | int | float | bool | None])
    assert fields["level"] == level
    assert fields["logger"] == "image_sync"
    assert str(fields["time"]).endswith("Z")
    assert fields["msg"]


@pytest.mark.parametrize(
    "event", [pytest.param(event, id=type(event).__name__) for event, _ in EXAMPLES]
)
def test_every_event_is_one_printable_line_of_text(
    stream: io.StringIO, event: events.Event
) -> None:
    """What a registry or a tool says cannot break a line or colour a terminal."""
    log.configure("debug", as_json=False, stream=stream)
    EventLog()(event)
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()


def test_an_image_that_is_cached_already_is_no_news(stream: io.StringIO) -> None:
    """500 images every ten minutes would be 72,000 lines a day."""
    log.configure("info", as_json=True, stream=stream)
    watch = EventLog()
    watch(events.ImageFinished(result(Action.ALREADY_CACHED)))
    assert stream.getvalue() == ""


def test_lines_of_a_pass_carry_its_id_and_the_image(stream: io.StringIO) -> None:
    """So that one pass, and one image, can be picked out of a log."""
    log.configure("info", as_json=True, stream=stream)
    watch = EventLog()
    watch(events.PassStarted("p1", 1, dry_run=False))
    watch(events.ImageFinished(result(Action.FAILED, "source: down")))
    last = msgspec.json.decode(stream.getvalue().splitlines()[-1], type=dict[str, object])
    assert last["pass_id"] == "p1"
    assert (last["image"], last["tag"], last["registry"]) == ("a.example/a", "1", "a.example")
    assert (last["error"], last["error_kind"]) == ("source: down", "network")
    assert last["duration_ms"] == 250


@pytest.mark.parametrize("address", ["0.0.0.0:5050", "[::]:5050"])
def test_a_registry_for_everybody_is_not_pulled_from_an_address_of_nobody(address: str) -> None:
    """`docker pull 0.0.0.0:5050/...` works nowhere else."""
    _, text, _ = describe(events.RegistryServed(address, "/srv"))
    assert text == "a registry over /srv: docker pull HOST:5050/NAME:TAG"
