"""`image-sync verify` as far as it needs no registry: what it takes, and what it refuses."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from image_sync.cli.main import cli
from image_sync.errors import ConfigError


def invoke(*arguments: str) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(cli, ["verify", *arguments], prog_name="image-sync")


def test_help_tells_what_is_asked_of_whom() -> None:
    """The options of its own, and those of a pass."""
    text = invoke("--help").output
    for word in ("--deep", "--heal", "--image", "--shard", "--output", "The cache alone is asked"):
        assert word in text


def test_the_verb_is_offered() -> None:
    """Among the others, with its one line."""
    text = CliRunner().invoke(cli, ["--help"], prog_name="image-sync").output
    assert "verify " in text
    assert "Say whether everything under the cached tags is there." in text


def test_a_file_is_not_taken_for_an_image(tmp_path: Path) -> None:
    """As everywhere, it says what was meant."""
    ended = invoke(str(tmp_path / "images.yaml"))
    assert ended.exit_code == 2
    assert "did you mean --config" in ended.output


def test_a_glob_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    """Nothing verified is not "nothing damaged"."""
    config = tmp_path / "image-sync.yaml"
    config.write_text("cache_registry: c.example\nimages: [a.example/a:1]\n")
    ended = invoke("--config", str(config), "--image", "*other*")
    assert isinstance(ended.exception, ConfigError)
    with pytest.raises(ConfigError, match=r"\*other\*"):
        raise ended.exception
