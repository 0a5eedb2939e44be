"""Programs that stand in for crane and behave as a broken or lying one would."""

import stat
import sys
from pathlib import Path
from typing import Final

# Every stand-in tells crane's version when asked, and says where it was started.
_HEAD: Final = """#!{python}
import os, pathlib, signal, subprocess, sys, time
if sys.argv[1:] == ["version"]:
    print({version!r})
    sys.exit(0)
folder = pathlib.Path({folder!r})
(folder / f"started-{{os.getpid()}}").write_text("\\0".join(sys.argv))
"""

LIES: Final = "sys.exit(0)"
"""Says that it copied, and copied nothing (fault row 66)."""

HANGS: Final = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
time.sleep(3600)
"""
"""Ignores TERM, and has a child that keeps its pipes (fault rows 63, 64)."""

CRASHES: Final = "os.kill(os.getpid(), signal.SIGSEGV)"
"""Dies as a broken program does (fault row 65)."""

SHOUTS: Final = """
block = b"\\x1b[31m" + b"x" * 65_000
for _ in range(200):
    os.write(2, block)
sys.exit(1)
"""
"""13 MB of terminal colours on stderr without one newline (fault row 67)."""

ORPHANS: Final = 3
"""Processes that a crane which leaves orphans does not wait for."""


def leaves_orphans(crane: Path) -> str:
    """Copies as the real one does, and leaves processes that live until there is a file `end`."""
    waits = "import os, time\nwhile not os.path.exists('end'): time.sleep(0.02)"
    return f"""
for _ in range({ORPHANS}):
    silent = {{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}}
    wait = [sys.executable, "-c", {waits!r}]
    subprocess.Popen(wait, cwd=folder, start_new_session=True, **silent)
os.execv({str(crane)!r}, ["crane", *sys.argv[1:]])
"""


def write_crane(directory: Path, behaviour: str, version: str = "v0.22.1") -> Path:
    """A folder for PATH with a `crane` that behaves so; it leaves a file for each start."""
    directory.mkdir(parents=True, exist_ok=True)
    crane = directory / "crane"
    text = (
        _HEAD.format(python=sys.executable, folder=str(directory), version=version)
        + behaviour
        + "\n"
    )
    crane.write_text(text, encoding="utf-8")
    crane.chmod(crane.stat().st_mode | stat.S_IXUSR)
    return directory


def starts(directory: Path) -> list[int]:
    """The process ids of all that were started, without those that only told the version."""
    return [int(file.name.partition("-")[2]) for file in directory.glob("started-*")]


def is_alive(pid: int) -> bool:
    """True if a process runs (a zombie does not)."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
