"""What the README says is what the program does."""

import re
import signal
from pathlib import Path

import pytest
import yaml

from image_sync import config
from image_sync.cli import exit_codes
from image_sync.errors import ConfigError

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_REFERENCE = re.compile(r"<!-- reference:.*? -->\n(.*?)\n<!-- end of reference -->", re.DOTALL)


def test_the_configuration_reference_is_that_of_the_schema() -> None:
    """Every key with its type, default and meaning; none that is not there."""
    found = _REFERENCE.search(README)
    assert found is not None
    assert found[1] == config.reference_markdown().strip()


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", README, re.DOTALL))
def test_every_configuration_in_it_is_valid(block: str, tmp_path: Path) -> None:
    """A reader can copy it."""
    file = tmp_path / "image-sync.yaml"
    file.write_text(block, encoding="utf-8")
    assert isinstance(yaml.safe_load(block), dict)
    try:
        resolved = config.resolve(config.load(str(file), environ={}))
    except ConfigError as error:
        pytest.fail(str(error))
    assert resolved.specs


def test_every_exit_code_is_documented() -> None:
    """The table names all of them."""
    table = re.findall(r"^\| ([0-9, ]+) \|", README, re.MULTILINE)
    documented = {int(code) for row in table for code in row.split(",")}
    named = {name: code for name, code in vars(exit_codes).items() if re.match("[A-Z]", name)}
    codes = {code for code in named.values() if isinstance(code, int)}
    assert codes | {128 + signum for signum in _ENDING} == documented
