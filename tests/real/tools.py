"""Where the installed programs are, and what a test does without them."""

import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"

# Cannot be had from package registries: its absence is no failure of the gate.
OPTIONAL = frozenset({"zot"})

# Names in .tools/bin, as tests/tools/install.sh makes them.
SKOPEOS = ("skopeo-1.9", "skopeo-1.18")
REGISTRIES = ("registry", "registry-2.8")


def find(tool: str) -> Path | None:
    """The program of that name in .tools/bin, else on PATH, else None."""
    installed = TOOLS / "bin" / tool
    if os.access(installed, os.X_OK):
        return installed
    found = shutil.which(tool)
    return Path(found) if found else None


def require(tool: str) -> Path:
    """The program of that name; without it the test is skipped, and fails in the gate."""
    found = find(tool)
    if found is None:
        give_up(tool)
    return found


def require_address(address: str) -> None:
    """Skip where the machine has no such loopback address; macOS has 127.0.0.1 only."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            refuse_under_ci(f"needs {address}: {error}")


def require_root(program: str) -> None:
    """Skip where a program that runs as root only cannot."""
    if os.geteuid() != 0:
        refuse_under_ci(f"{program} needs root")


def give_up(tool: str) -> NoReturn:
    """Skip the running test, or fail it where CI=true promises that the tool is there."""
    reason = f"needs {tool}: {why_missing(tool)}"
    if tool in OPTIONAL:
        pytest.skip(reason)
    refuse_under_ci(reason)


def refuse_under_ci(reason: str) -> NoReturn:
    """Skip the running test, or fail it where CI=true promises that it can run."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def why_missing(tool: str) -> str:
    """What tests/tools/install.sh said about a tool that it could not get."""
    note = TOOLS / "missing" / tool
    if note.exists():
        return note.read_text(encoding="utf-8").strip()
    return "not on PATH" if tool in OPTIONAL else "not found; run `make setup`"


def bin_directory(directory: Path, programs: Mapping[str, str]) -> Path:
    """A folder to put on PATH, where each key starts the tool of its value.

    `bin_directory(tmp_path / "bin", {"skopeo": "skopeo-1.9", "crane": "crane"})` has a
    `skopeo` that is Debian 12's, and nothing else.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name, tool in programs.items():
        (directory / name).symlink_to(require(tool))
    return directory
