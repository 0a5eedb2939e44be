"""Every mistake an operator can make ends in one or a few clear lines, never in a traceback."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.program import PATIENCE, Run, command

VALID = "cache_registry: 127.0.0.2:9\nimages:\n  - {source: docker.io/library/nginx, tag: '1.27'}\n"


def run(directory: Path, *arguments: str, text: str | None = None, stdin: str = "") -> Run:
    """image-sync in an empty folder, with a configuration file if there is a text."""
    if text is not None:
        (directory / "c.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        command(*arguments),
        input=stdin,
        capture_output=True,
        text=True,
        cwd=directory,
        env={"PATH": "/nowhere", "HOME": str(directory)},
        timeout=PATIENCE,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)


CASES = [
    pytest.param(None, ["--once"], ["image-sync.yaml"], id="no-configuration-at-all"),
    pytest.param(None, ["--once", "-c", "none.yaml"], ["none.yaml"], id="missing-file"),
    pytest.param(None, ["--once", "-c", "."], ["*.yaml"], id="folder-without-yaml"),
    pytest.param("", ["--once", "-c", "c.yaml"], ["c.yaml", "empty"], id="empty-file"),
    pytest.param("a: [", ["--once", "-c", "c.yaml"], ["c.yaml:"], id="yaml-syntax"),
    pytest.param(
        VALID + "settings: {concurrency: many}\n",
        ["--once", "-c", "c.yaml"],
        ["c.yaml:4:", "settings.concurrency", "many"],
        id="wrong-type",
    ),
    pytest.param(
        VALID + "settings: {concurency: 3}\n",
        ["--once", "-c", "c.yaml"],
        ["c.yaml:4:", "concurency", "concurrency"],
        id="misspelled-key",
    ),
    pytest.param(
        VALID + "settings: {preferred_tool: docker}\n",
        ["--once", "-c", "c.yaml"],
        ["preferred_tool", "docker", "crane"],
        id="unknown-engine",
    ),
    pytest.param(
        VALID + "settings: {auth_files: [/none.json]}\n",
        ["--once", "-c", "c.yaml"],
        ["/none.json"],
        id="missing-auth-file",
    ),
    pytest.param(
        VALID, ["--once", "-c", "c.yaml", "--image", "x*"], ["x*", "--image"], id="no-match"
    ),
    pytest.param(
        VALID, ["--once", "-c", "c.yaml", "--shard", "3/3"], ["3/3", "--shard"], id="bad-shard"
    ),
    pytest.param(
        VALID, ["-c", "c.yaml", "-o", "json"], ["--output", "--once"], id="report-of-no-pass"
    ),
    pytest.param(
        None,
        ["--once", "--cache", "{listen: '0.0.0.0:5050'}", "nginx:1"],
        ["--cache:1:10: cache_registry.listen", "image-sync serve with --auth-file"],
        id="embedded-for-everybody",
    ),
    pytest.param(VALID, ["--onse", "-c", "c.yaml"], ["--onse", "--once"], id="misspelled-flag"),
    pytest.param(VALID, ["chek"], ["chek", "check"], id="misspelled-verb"),
    pytest.param(VALID, ["once"], ["once is no verb", "--once"], id="flag-without-dashes"),
    pytest.param(VALID, ["help"], ["--help"], id="help-without-dashes"),
    pytest.param(VALID, ["check", "c.yaml"], ["--config c.yaml"], id="file-without-flag"),
    pytest.param(
        VALID.replace("127.0.0.2:9", "{path: /dev/null/images}"),
        ["--once", "-c", "c.yaml"],
        ["cache_registry.path", "/dev/null/images", "Not a directory"],
        id="embedded-in-no-folder",
    ),
    pytest.param(
        VALID.replace("127.0.0.2:9", "{paht: images}"),
        ["config", "validate", "-c", "c.yaml"],
        ["c.yaml:1:18", "cache_registry", "did you mean path?"],
        id="embedded-with-a-misspelled-key",
    ),
    pytest.param(
        VALID, ["-c", "c.yaml", "check"], ["check", "comes first"], id="verb-after-options"
    ),
]


@pytest.mark.parametrize(("text", "arguments", "says"), CASES)
def test_a_mistake_is_exit_2_with_a_clear_line(
    text: str | None, arguments: list[str], says: list[str], tmp_path: Path
) -> None:
    """The message names what was found and where; nothing goes to standard output."""
    ended = run(tmp_path, *arguments, text=text)
    assert (ended.code, ended.stdout) == (2, ""), ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) <= 4
    for word in says:
        assert word in ended.stderr


def test_an_auth_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A file the configuration names must be usable: exit 2, before anything is asked."""
    (tmp_path / "auth.json").write_text("{", encoding="utf-8")
    text = VALID + "settings: {auth_files: [auth.json]}\n"
    ended = run(tmp_path, "--once", "-c", "c.yaml", text=text)
    assert ended.code == 2
    assert "auth.json" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_file_is_not_read_where_images_are_named_and_that_is_told(tmp_path: Path) -> None:
    """Not even their cache is taken from it."""
    (tmp_path / "image-sync.yaml").write_text(VALID, encoding="utf-8")
    unread = "image-sync.yaml is not read, because images are named"
    ended = run(tmp_path, "--dry-run", "--cache", "127.0.0.2:9", "127.0.0.3:9/a/b:1")
    (line,) = [line for line in ended.stderr.splitlines() if unread in line]
    assert '"level":"warning"' in line


def test_configuration_from_standard_input(tmp_path: Path) -> None:
    """`-c -` reads it; problems are placed in <stdin>."""
    ended = run(tmp_path, "config", "validate", "-c", "-", stdin=VALID)
    assert ended.code == 0, ended.stderr
    broken = run(tmp_path, "config", "validate", "-c", "-", stdin=VALID + "x: 1\n")
    assert broken.code == 2
    assert "stdin" in broken.stderr


@pytest.mark.parametrize(
    "redirection", [">&-", ">/dev/full", "| :"], ids=["closed", "full", "pipe-without-reader"]
)
def test_a_report_that_cannot_be_written_is_exit_1(redirection: str, tmp_path: Path) -> None:
    """The error stands on standard error, in one line and a hint."""
    if redirection == ">/dev/full" and not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    (tmp_path / "c.yaml").write_text("cache_registry: 127.0.0.2:9\nimages: []\n")
    inner = " ".join(command("--once", "-c", "c.yaml"))
    script = f"set -o pipefail; {inner} {redirection}"
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "standard output" in done.stderr
    assert "Traceback" not in done.stderr
