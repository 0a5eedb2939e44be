"""What must not be loaded, is not: quick commands stay quick, and need no network library.

Which package may import which is held by the contracts in pyproject.toml.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess

import pytest

SERVING = ("starlette", "uvicorn", "bcrypt", "prometheus_client")
"""What only a process needs that serves something."""
HEAVY = ("httpx", "aiohttp", "rich", *SERVING)
"""What only running passes, serving pages and drawing tables need."""

_PROBE = """
import contextlib, io, runpy, sys

sys.argv[:] = ["image-sync", *sys.argv[1:]]
out, err = io.StringIO(), io.StringIO()
code = 0
with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    try:
        runpy.run_module("image_sync", run_name="__main__", alter_sys=False)
    except SystemExit as end:
        code = end.code or 0
loaded = sorted(name for name in sys.modules if name.partition(".")[0] in {heavy!r})
print(code, *loaded)
if code:
    print(out.getvalue(), err.getvalue(), file=sys.stderr)
"""
"""Runs the console entry as `python -m image_sync` does; prints its exit code and what it loaded
of the heavy modules."""

CONFIGURATION = """\
cache_registry: localhost:5000
images:
  - source: docker.io/library/nginx
    tag: "1.27"
"""


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--help"], id="help"),
        pytest.param(["version"], id="version"),
        pytest.param(["config", "validate", "--config", "image-sync.yaml"], id="config-validate"),
        pytest.param(["config", "validate", "--config", "embedded.yaml"], id="config-embedded"),
        pytest.param(["serve", "--help"], id="serve-help"),
    ],
)
def test_quick_commands_load_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    """Help, version and the check of a configuration work, and import none of HEAVY."""
    (tmp_path / "image-sync.yaml").write_text(CONFIGURATION, encoding="utf-8")
    embedded = CONFIGURATION.replace("localhost:5000", "embedded")
    (tmp_path / "embedded.yaml").write_text(embedded, encoding="utf-8")
    ended = probe(HEAVY, arguments, tmp_path)
    assert ended.stdout.split() == ["0"], ended.stderr


def test_one_pass_loads_no_server(tmp_path: Path) -> None:
    """A CronJob has nobody to answer, if its cache is elsewhere."""
    text = "cache_registry: localhost:5000\nsettings: {ledger: none}\nimages: []\n"
    (tmp_path / "image-sync.yaml").write_text(text, encoding="utf-8")
    ended = probe(SERVING, ["--once", "--config", "image-sync.yaml"], tmp_path)
    assert ended.stdout.split() == ["0"], ended.stderr


def probe(heavy: Sequence[str], arguments: Sequence[str], cwd: Path) -> CompletedProcess[str]:
    """What the console entry loads of some packages, in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", _PROBE.format(heavy=heavy), *arguments],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,  # seconds; takes a fraction of one
        check=False,
    )


def test_the_probe_sees_what_is_loaded(tmp_path: Path) -> None:
    """The test above can fail: an entry that imports a heavy module is found out."""
    package = tmp_path / "image_sync"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "__main__.py").write_text("import httpx\n", encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-c", _PROBE.format(heavy=HEAVY)],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "httpx" in ended.stdout.split(), ended.stderr


_PACKAGE = Path(__file__).parents[1] / "image_sync"
_STARTS_PROGRAMS = re.compile(
    r"\b(open_process|run_process|posix_spawn\w*|create_subprocess_\w+|os\.(system|popen|exec\w+))\("
)


def test_programs_are_started_in_one_module() -> None:
    """Deadlines, groups and built environments are there, and nothing goes around them."""
    found = {
        str(file.relative_to(_PACKAGE))
        for file in _PACKAGE.rglob("*.py")
        if _STARTS_PROGRAMS.search(file.read_text(encoding="utf-8"))
    }
    assert found == {"runtime/process.py"}
