"""Programs are found on PATH, and nowhere that a stranger may choose."""

from pathlib import Path

import pytest

from image_sync.runtime.process import find_program


def test_programs_are_found_in_absolute_folders_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program in the folder we are started in gets no accounts because of a dot on PATH."""
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").write_text("#!/bin/sh\n")
        (tmp_path / folder / "tool").chmod(0o755)
    (tmp_path / "there" / "plain").touch()
    monkeypatch.chdir(tmp_path / "here")
    there = tmp_path / "there"
    for relative in ("", ".", "../here", "./"):
        assert find_program("tool", {"PATH": relative}) is None
        assert find_program("tool", {"PATH": f"{relative}:{there}"}) == there / "tool"
    assert find_program("plain", {"PATH": str(there)}) is None
    assert find_program("sh", {}) is not None
