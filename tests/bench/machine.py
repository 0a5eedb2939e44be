"""Where a benchmark runs and what it compares: programs, versions, machine, room."""

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

_GIB = 1024**3
_MEMORY = Path("/dev/shm")  # Linux: distribution syncs every file, which is not what we measure


class RoomError(Exception):
    """There is no place for what a benchmark stores."""


class Programs(msgspec.Struct, frozen=True):
    """Where the programs lie."""

    image_sync: Path
    crane: Path
    regsync: Path
    skopeo: Path
    registry: Path

    def missing(self, names: Sequence[str]) -> list[Path]:
        """Those of them that are not there."""
        paths: list[Path] = [getattr(self, name) for name in names]
        return [path for path in paths if not path.exists()]

    def environment(self, home: Path) -> dict[str, str]:
        """What a contender sees: nobody's credentials, proxies or settings."""
        path = os.pathsep.join((str(self.crane.parent), os.defpath))
        return {"PATH": path, "HOME": str(home)}


class Setting(msgspec.Struct, frozen=True):
    """What a figure depends on beside the code."""

    machine: str
    versions: dict[str, str]

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"{self.machine}; {versions}"


def setting(programs: Programs, names: Sequence[str]) -> Setting:
    """This machine, and the versions of those programs."""
    commands: dict[str, tuple[str | Path, ...]] = {
        "image_sync": (programs.image_sync, "version"),
        "crane": (programs.crane, "version"),
        "regsync": (programs.regsync, "version", "--format", "{{.VCSTag}}"),
        "skopeo": (programs.skopeo, "--version"),
        "registry": (programs.registry, "--version"),
    }
    titles = {"image_sync": "image-sync", "registry": "distribution"}
    versions = {titles.get(name, name): _version(commands[name]) for name in names}
    return Setting(_machine(), versions)


@contextmanager
def scratch(needed_bytes: int, wanted: Path | None = None) -> Iterator[Path]:
    """A folder with that much room, in memory if there is enough of it, or in a folder.

    Raises:
        RoomError: Neither memory nor the folder of temporary files has it.
    """
    for parent in [wanted] if wanted else [_MEMORY, Path(tempfile.gettempdir())]:
        if os.access(parent, os.W_OK) and shutil.disk_usage(parent).free >= needed_bytes:
            break
    else:
        raise RoomError(
            f"{needed_bytes / _GIB:.1f} GiB are not free in "
            f"{wanted or f'{_MEMORY} and not in $TMPDIR'}"
        )
    with tempfile.TemporaryDirectory(prefix="image-sync-bench-", dir=parent) as folder:
        yield Path(folder)


def _machine() -> str:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GIB
    return (
        f"{os.cpu_count()} CPUs ({_processor()}), {memory:.0f} GiB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def _processor() -> str:
    described = Path("/proc/cpuinfo")  # proc(5); elsewhere the machine's type must do
    if described.exists():
        for line in described.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.machine()


def _version(command: Sequence[str | Path]) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    found = re.search(r"(?:^|\s)v?(\d+\.\d+\.\d+)", ran.stdout)
    return found.group(1) if found else "unknown"
