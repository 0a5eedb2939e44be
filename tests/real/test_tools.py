"""A missing tool skips a test on a laptop and fails it in the gate."""

import subprocess
from pathlib import Path

import pytest

from tests.real.tools import bin_directory, find, require


def test_a_missing_tool_skips_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a laptop the reason says what to do."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs no-such-tool: not found"):
        require("no-such-tool")


def test_a_missing_tool_fails_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """With CI=true nothing that can be installed may be missing."""
    monkeypatch.setenv("CI", "true")
    # Both are caught: a skip that got away would skip this test and look like success.
    with pytest.raises((pytest.fail.Exception, pytest.skip.Exception)) as raised:
        require("no-such-tool")
    assert raised.type is pytest.fail.Exception
    assert "needs no-such-tool" in str(raised.value)


def test_a_missing_zot_never_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It cannot be had from package registries."""
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="needs zot: not on PATH"):
        require("zot")


@pytest.mark.parametrize(
    ("tool", "arguments", "version"),
    [
        ("containerd", ["--version"], " 1.7.24"),
        ("crane", ["version"], "v0.22.1"),
        ("ctr", ["--version"], " 1.7.24"),
        ("registry", ["--version"], "v3.1.2"),
        ("registry-2.8", ["--version"], "2.8.2"),
        ("skopeo-1.9", ["--version"], "skopeo version 1.9.3"),
        ("skopeo-1.18", ["--version"], "skopeo version 1.18.0"),
    ],
)
def test_tools_have_the_versions_the_tests_are_about(
    tool: str, arguments: list[str], version: str
) -> None:
    """What .tools/bin holds answers with its version."""
    ran = subprocess.run(
        [require(tool), *arguments], capture_output=True, check=True, text=True, timeout=30
    )
    assert version in ran.stdout


def test_a_bin_directory_has_exactly_the_named_programs(tmp_path: Path) -> None:
    """Debian's two skopeos can each be *the* skopeo of a test."""
    directory = bin_directory(tmp_path / "bin", {"skopeo": "skopeo-1.18"})
    assert [each.name for each in directory.iterdir()] == ["skopeo"]
    ran = subprocess.run(
        [directory / "skopeo", "--version"],
        capture_output=True,
        check=True,
        text=True,
        timeout=30,
        env={"PATH": str(directory)},
    )
    assert "1.18.0" in ran.stdout


def test_what_is_nowhere_is_not_found() -> None:
    """`find` answers None and never skips."""
    assert find("no-such-tool") is None
