"""What an operator is told when a registry does not play along, and what the cache keeps."""

import json

import pytest

from tests.e2e.program import Program, Run
from tests.real import images
from tests.real.running import RunningRegistry

MANIFESTS = r"/manifests/"


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        pytest.param(401, b"", "unauthorized", "credentials", id="401-unauthorized"),
        pytest.param(
            403,
            b'{"errors":[{"code":"DENIED","message":"requested access is denied"}]}',
            "denied",
            "permission",
            id="403-denied",
        ),
        pytest.param(404, b"", "not_found", "does not exist", id="404-gone"),
    ],
)
def test_a_source_that_refuses_fails_its_image_alone(
    status: int,
    body: bytes,
    kind: str,
    says: str,
    crane_program: Program,
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """The refused image is failed with the side and what to do; its cached tag stays, and the
    other image is copied (fault rows 1, 5, 12)."""
    old = source.push("team/refused", "1", images.single(programs))
    cache.push("team/refused", "1", images.single(programs))
    source.push("team/fine", "1", images.single(programs, label="fine"))
    source.recorder.answer(None, r"/team/refused/manifests/", status, body=body)
    crane_program.add(source, "team/refused", "1")
    crane_program.add(source, "team/fine", "1")
    run = crane_program.once()
    refused, fine = run.report.results
    assert (run.code, refused.action, fine.action) == (1, "failed", "pulled"), run.stderr
    assert refused.error_kind == kind
    assert refused.error is not None
    assert "source" in refused.error
    assert says in refused.error
    assert cache.api.digest_of("team/refused", "1") == old


def test_a_limited_source_is_left_alone_and_not_taken_for_changed(
    crane_program: Program,
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """One 429 with a long Retry-After costs the host's other images no request (fault row 8)."""
    for tag in "123456789":
        source.push("team/app", tag, images.single(programs, label=tag))
        crane_program.add(source, "team/app", tag)
    crane_program.settings["check_concurrency"] = 1
    source.recorder.answer(
        None, MANIFESTS, 429, headers={"Retry-After": "3600"}, body=b"Too Many Requests"
    )
    run = crane_program.once()
    assert run.code == 1
    assert {result.error_kind for result in run.report.results} == {"rate_limited"}
    limited = [r for r in source.recorder.requests if r.status == 429]
    assert len(limited) == 1
    assert cache.api.tags("team/app") == []


def test_a_short_pause_is_waited_for(
    crane_program: Program, source: RunningRegistry, programs: dict[str, bytes]
) -> None:
    """A 429 that says one second delays a pass and fails nothing (fault row 8)."""
    source.push("team/app", "1", images.single(programs))
    crane_program.add(source, "team/app", "1")
    source.recorder.answer(None, MANIFESTS, 429, headers={"Retry-After": "1"}, times=1)
    run = crane_program.once()
    assert (run.code, run.actions) == (0, ["pulled"]), run.stderr


def test_a_passing_fault_of_the_source_is_tried_again(
    crane_program: Program, source: RunningRegistry, programs: dict[str, bytes]
) -> None:
    """A 503 that goes away costs a moment and no failure (fault row 16)."""
    source.push("team/app", "1", images.single(programs))
    crane_program.add(source, "team/app", "1")
    source.recorder.answer(None, MANIFESTS, 503, body=b"<html>busy</html>", times=1)
    run = crane_program.once()
    assert (run.code, run.actions) == (0, ["pulled"]), run.stderr


def test_a_source_that_is_down_fails_its_images(
    crane_program: Program, source: RunningRegistry
) -> None:
    """Exit 1, side source, and no copy is tried."""
    crane_program.add(source, "team/app", "1")
    source.kill()
    run = crane_program.once()
    assert (run.code, run.only.reason, run.only.error_kind) == (1, "source_unknown", "network")
    assert run.only.attempts == 0


@pytest.mark.parametrize("lenient", [False, True], ids=["strict", "skip_on_error"])
def test_a_cache_that_is_down_is_exit_4(
    lenient: bool,  # noqa: FBT001 - a parameter
    crane_program: Program,
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """Nothing could be checked at the target: also under skip_on_error, which speaks of sources;
    and no manifest GET is spent at the source."""
    source.push("team/app", "1", images.single(programs))
    crane_program.add(source, "team/app", "1")
    crane_program.settings["skip_on_error"] = lenient
    cache.kill()
    run = crane_program.once()
    assert (run.code, run.only.reason) == (4, "target_unknown")
    assert source.recorder.manifest_gets() == []


def test_skip_on_error_reports_failures_and_exits_0(
    crane_program: Program, source: RunningRegistry
) -> None:
    """The image is failed in the report all the same."""
    crane_program.settings["skip_on_error"] = True
    crane_program.add(source, "team/none", "1")
    run = crane_program.once()
    assert (run.code, run.actions) == (0, ["failed"])


def test_a_dry_run_decides_and_touches_nothing(
    crane_program: Program,
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """What would be copied is skipped with its reason; the cache gets no write at all."""
    source.push("team/app", "1", images.multi_platform(programs))
    crane_program.add(source, "team/app", "1")
    run = crane_program.run("--dry-run", "--config", str(crane_program.config))
    assert (run.code, run.only.action, run.only.reason) == (0, "skipped", "missing")
    writes = {"PUT", "POST", "PATCH", "DELETE"}
    assert not [r for r in cache.recorder.requests if r.method in writes]


def test_check_has_an_exit_code_for_drift(
    crane_program: Program,
    source: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """`check --exit-code` is 3 while an image is out of date, and 0 after a pass."""
    source.push("team/app", "1", images.multi_platform(programs))
    crane_program.add(source, "team/app", "1")

    def check(*arguments: str) -> Run:
        return crane_program.run("check", "--config", str(crane_program.config), *arguments)

    assert check().code == 0
    assert check("--exit-code").code == 3
    assert crane_program.once().code == 0
    assert check("--exit-code").code == 0


def test_a_missing_credential_helper_is_named(
    crane_program: Program, source: RunningRegistry
) -> None:
    """The registry that needs it refuses us, and the log says which program is not there."""
    file = crane_program.log_in({})
    file.write_text(json.dumps({"credHelpers": {source.host: "none"}}), encoding="utf-8")
    crane_program.add(source, "team/app", "1")
    run = crane_program.once()
    assert (run.code, run.only.error_kind) == (1, "unauthorized")
    assert "docker-credential-none" in run.stderr
