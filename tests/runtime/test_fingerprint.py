"""What is in files tells whether they changed, and nothing about them is an error."""

import os
from pathlib import Path

import pytest

from image_sync.runtime.fingerprint import fingerprint


def test_another_content_name_or_number_is_another_fingerprint(tmp_path: Path) -> None:
    """And the same files have the same one."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("a")
    two.write_text("a")
    same = fingerprint([one, two])
    assert fingerprint([one, two]) == same
    others = [fingerprint([]), fingerprint([one]), fingerprint([two]), fingerprint([two, one])]
    two.write_text("b")
    others.append(fingerprint([one, two]))
    two.unlink()
    others.append(fingerprint([one, two]))
    two.write_text("")
    others.append(fingerprint([one, two]))
    assert len({same, *others}) == 8


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(os.fsdecode(b"\xff.yaml"), id="no text"),
        pytest.param("a\0b", id="a zero byte"),
        pytest.param("x" * 5000, id="too long"),
        pytest.param(".", id="a folder"),
    ],
)
def test_any_name_has_a_fingerprint(name: str, tmp_path: Path) -> None:
    """What cannot be read is for the reader to complain about."""
    assert fingerprint([tmp_path / name]) == fingerprint([tmp_path / name])
    assert fingerprint([tmp_path / name]) != fingerprint([])


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody writes to it, so reading would never end."""
    pipe = tmp_path / "config.json"
    os.mkfifo(pipe)
    assert fingerprint([pipe]) == fingerprint([pipe])
