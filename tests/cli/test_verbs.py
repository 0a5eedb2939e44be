"""Verbs that need no registry."""

import json
from importlib import metadata
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from image_sync import config
from image_sync.cli.main import cli
from tests.e2e.test_bad_input import run


def invoke(*arguments: str) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(cli, arguments, prog_name="image-sync")


def test_help_shows_the_options_of_a_pass_and_every_verb_with_examples() -> None:
    """One screen tells how to use it."""
    text = invoke("--help").output
    for word in ("--once", "--dry-run", "--config", "check", "config", "Examples:", "--cache"):
        assert word in text


def test_version_is_that_of_the_package() -> None:
    """There is one place for it, pyproject.toml."""
    assert metadata.version("image-sync") in invoke("version").output
    assert metadata.version("image-sync") in invoke("--version").output


@pytest.mark.parametrize("arguments", [["run"], ["run", "--once"], ["--once", "run"]], ids=str)
def test_passes_have_no_verb(arguments: list[str], tmp_path: Path) -> None:
    """There is one way to ask for them; whoever tries another is told."""
    ended = run(tmp_path, *arguments)
    assert ended.code == 2
    text = "run is no verb: image-sync makes passes without one, so leave it out"
    assert ended.stderr == f"error: {text}\ntry 'image-sync --help'\n"


def test_the_help_of_a_pass_shows_how_it_is_called() -> None:
    """Without a name that nobody may use."""
    assert invoke("--once", "--help").output.startswith("Usage: image-sync [OPTIONS] [IMAGE]...\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_gives_a_script(shell: str) -> None:
    """For each shell that click knows."""
    ended = invoke("completion", shell)
    assert ended.exit_code == 0
    assert "_IMAGE_SYNC_COMPLETE" in ended.output


@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        pytest.param([], "", {"check", "config", "version", "completion"}, id="verbs"),
        pytest.param([], "ch", {"check"}, id="a-verb"),
        pytest.param([], "--on", {"--once"}, id="an-option-of-a-pass"),
        pytest.param(["--once"], "--dry", {"--dry-run"}, id="a-second-option"),
        pytest.param(["config"], "va", {"validate"}, id="a-verb-below"),
        pytest.param(["-o"], "ta", {"table"}, id="a-choice"),
    ],
)
def test_completion_offers_what_can_follow(
    words: list[str], incomplete: str, expected: set[str]
) -> None:
    """Verbs, and the options of a pass without its hidden name."""
    completer = ShellComplete(cli, {}, "image-sync", "_IMAGE_SYNC_COMPLETE")
    offered = {item.value for item in completer.get_completions(words, incomplete)}
    assert expected <= offered
    assert all(word.startswith(incomplete) for word in offered)
    assert "run" not in offered


def test_the_schema_is_printed() -> None:
    """As it is shipped."""
    assert json.loads(invoke("config", "schema").output) == json.loads(config.schema_text())


def test_show_says_where_each_value_comes_from(tmp_path: Path) -> None:
    """A value of the file has its line, another is a default."""
    file = tmp_path / "c.yaml"
    file.write_text("cache_registry: c.example\nsettings: {concurrency: 7}\nimages: []\n")
    text = invoke("config", "show", "-c", str(file)).output
    assert f"{file}:2:" in text
    assert "default" in text
