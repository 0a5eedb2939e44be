"""`image-sync doctor` as an operator runs it, against real registries."""

import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from image_sync.cli import exit_codes
from image_sync.cli.main import cli
from image_sync.examination import Examination
from tests.e2e.program import Program, Run, finish
from tests.hostile.listener import closed_port
from tests.real import images
from tests.real.accounts import OPERATOR, SECOND
from tests.real.registries import distribution
from tests.real.running import RunningRegistry, Serving
from tests.real.tls import Authority
from tests.real.tools import bin_directory


@pytest.fixture
def upstream(tmp_path: Path, authority: Authority) -> Iterator[RunningRegistry]:
    """Distribution 3 on 127.0.0.3 with TLS and an account."""
    serving = Serving(address="127.0.0.3", authority=authority, accounts=(OPERATOR,))
    with distribution(tmp_path / "source", serving) as registry:
        yield registry


@pytest.fixture
def program(tmp_path: Path, upstream: RunningRegistry, cache: RunningRegistry) -> Program:
    """image-sync that knows the source's CA and account, and has no tools."""
    program = Program(tmp_path / "image-sync", cache.host, tmp_path / "nothing")
    program.settings["server"] = {"listen": "none"}
    program.trust(upstream)
    program.log_in({upstream.host: OPERATOR})
    return program


def examine(program: Program, *arguments: str) -> Run:
    """A run of the verb."""
    return program.run("doctor", "--config", str(program.config), *arguments)


def report_of(run: Run) -> Examination:
    """The JSON document, which is all there is on standard output."""
    return msgspec.json.decode(run.stdout, type=Examination)


def test_where_all_is_well_it_ends_with_what_a_pass_would_do(
    program: Program,
    upstream: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """Exit code 0; the same again after the pass, which then has nothing to do."""
    digest = upstream.push("team/app", "1", images.single(programs))
    program.add(upstream, "team/app", "1")
    run = examine(program)
    report = report_of(run)
    assert (run.code, run.stderr) == (0, "")
    assert report.changes.would_pull == 1
    (change,) = report.changes.images
    assert (change.reason, change.expected_digest) == ("missing", digest)
    assert program.once("--log-level", "error").code == 0
    after = report_of(examine(program))
    assert (after.changes.already_cached, after.changes.images) == (1, [])
    assert after.summary.fail == 0


def test_a_real_cache_holds_nothing_afterwards(
    program: Program,
    upstream: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """The upload that was begun is unknown to it, and it has no repository more to show."""
    upstream.push("team/app", "1", images.single(programs))
    program.add(upstream, "team/app", "1")
    assert examine(program).code == 0
    requests = cache.recorder.matching("POST", "/blobs/uploads/")
    (taken_back,) = cache.recorder.matching("DELETE", "/blobs/uploads/")
    assert len(requests) == 1
    assert taken_back.status == 204
    assert not [
        file for file in cache.root.rglob("*") if file.name in {"data", "startedat", "link"}
    ]


def test_people_get_a_line_for_each_finding_with_what_to_do_below(
    program: Program, upstream: RunningRegistry
) -> None:
    """Without colours where no terminal is; exit code 1, because something failed."""
    program.add(upstream, "team/app", "1")
    program.log_in({upstream.host: SECOND})
    run = examine(program, "--output", "table")
    assert run.code == exit_codes.FAILED
    (line,) = [line for line in run.stdout.splitlines() if line.startswith("FAIL")]
    assert line.startswith(f"FAIL  source {upstream.host} ")
    assert "reading as second of" in line
    assert "-> " in run.stdout.splitlines()[run.stdout.splitlines().index(line) + 1]
    assert "A pass: 0 to copy, 0 already cached, 0 failed, 1 not compared" in run.stdout
    assert "\x1b" not in run.stdout
    assert SECOND.password not in run.stdout + run.stderr


def test_the_sample_in_the_readme_is_what_it_prints(
    tmp_path: Path,
    authority: Authority,
    upstream: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """Line by line, but for names, times and digests: two sources, one with a wrong password."""
    serving = Serving(address="127.0.0.3", authority=authority, accounts=(SECOND,))
    path = bin_directory(tmp_path / "bin", {"crane": "crane"})
    with distribution(tmp_path / "locked", serving) as locked:
        program = Program(tmp_path / "image-sync", cache.host, path)
        listen = closed_port()
        program.settings["server"] = {"listen": listen}
        for registry in (upstream, locked):
            program.trust(registry)
        program.log_in(dict.fromkeys((upstream.host, locked.host), OPERATOR))
        for repository, tag in (("library/redis", "8"), ("library/nginx", "1.27")):
            upstream.push(repository, tag, images.single(programs))
        program.add(upstream, "library/redis", "8")
        assert program.once("--log-level", "error").code == 0
        program.add(upstream, "library/nginx", "1.27")
        program.images.reverse()
        program.add(locked, "team/app", "1")
        printed = examine(program, "--output", "table").stdout
    names = {
        str(program.config): "image-sync.yaml",
        str(path / "crane"): "/usr/local/bin/crane",
        str(program.directory / "home"): "/root",
        OPERATOR.username: "alice",
        upstream.host: "registry.example",
        locked.host: "ghcr.io",
        cache.host: "zot.lan:5000",
        listen: "127.0.0.1:8080",
    }
    for real, name in names.items():
        printed = printed.replace(real, name)
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
    _, _, rest = page.partition("$ image-sync doctor\n")
    assert _alike(printed) == _alike(rest.partition("```")[0])


def _alike(text: str) -> list[str]:
    """Lines without what differs from run to run, and without the width of columns.

    Without what only some machines have, too.
    """
    text = re.sub(r"[0-9.]+ (?=m?s )", "N ", text)
    text = re.sub(r"\b[0-9a-f]{12}\b", "DIGEST", text)
    lines = [" ".join(line.split()) for line in text.strip().splitlines()]
    return [line for line in lines if not line.startswith("ok setpriv ")]


def test_an_image_that_is_gone_is_a_failure_at_the_end(
    program: Program, upstream: RunningRegistry
) -> None:
    """Its registry is well, and a pass fails for it."""
    program.add(upstream, "team/gone", "1")
    run = examine(program)
    report = report_of(run)
    assert run.code == exit_codes.FAILED
    assert [finding.subject for finding in report.findings if finding.level == "fail"] == ["images"]
    assert [(change.action, change.reason) for change in report.changes.images] == [
        ("failed", "source_gone")
    ]


def test_images_can_be_named_without_a_file(
    program: Program, upstream: RunningRegistry, cache: RunningRegistry
) -> None:
    """As with check; here with a CA that nobody knows, which is found out."""
    run = program.run("doctor", "--cache", cache.host, f"{upstream.host}/team/app:1")
    report = report_of(run)
    assert run.code == exit_codes.FAILED
    failed = [finding for finding in report.findings if finding.level == "fail"]
    assert [finding.subject for finding in failed] == [f"source {upstream.host}"]
    assert "does not verify" in failed[0].text
    assert report.findings[0].text.startswith("the command line")


def test_a_wrong_configuration_is_told_before_anything_is_asked(
    program: Program, cache: RunningRegistry
) -> None:
    """Exit code 2, every problem with its place."""
    program.settings["concurrency"] = "many"
    program.images.append("UPPER/case:1")
    run = examine(program)
    assert run.code == exit_codes.USAGE
    assert run.stdout == ""
    assert "settings.concurrency" in run.stderr
    assert "images[0]" in run.stderr
    assert cache.recorder.requests == []


def test_a_signal_ends_it_with_what_was_found_so_far(program: Program) -> None:
    """A registry that says nothing keeps nobody from leaving."""
    with socket.create_server(("127.0.0.9", 0)) as silent:
        host = f"127.0.0.9:{silent.getsockname()[1]}"
        program.images.append({"source": f"{host}/x/y", "tag": "1", "cache_as": "x/y"})
        process = program.start("doctor", "--config", str(program.config))
        silent.settimeout(60.0)
        connection, _ = silent.accept()  # it is at work
        with connection:
            run = finish(process, signal.SIGTERM)
    assert run.code == 128 + signal.SIGTERM
    assert report_of(run).findings[0].subject == "configuration"
    assert '"msg":"SIGTERM: stopped"' in run.stderr.splitlines()[-1]
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("failures", "signum", "code"),
    [
        pytest.param(0, None, 0, id="all-well"),
        pytest.param(2, None, 1, id="something-failed"),
        pytest.param(2, 15, 143, id="terminated"),
    ],
)
def test_exit_code(failures: int, signum: int | None, code: int) -> None:
    """Warnings fail nothing."""
    assert exit_codes.of_examination(failures, signal=signum) == code


def test_the_verb_is_offered_with_its_options() -> None:
    """Among the others."""
    assert "doctor " in CliRunner().invoke(cli, ["--help"]).output
    text = " ".join(CliRunner().invoke(cli, ["doctor", "--help"]).output.split())
    for word in ("--config", "--cache", "--image", "--shard", "--output", "nothing written"):
        assert word in text
