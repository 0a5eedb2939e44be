"""What a process holds of the machine, from /proc: proc(5)."""

import re
import time
from pathlib import Path
from typing import Final, NamedTuple

from tests.e2e.background import children

_KIB: Final = 1024
# Seconds for which one is looked at: connections that nobody needs are kept for 15 s
# (`image_sync/http/pools.py`), and aiohttp looks for them as often as that.
_LOOK: Final = 32.0
_BETWEEN: Final = 0.2


class Holding(NamedTuple):
    """What a process held at one moment, or in the best of several.

    Attributes:
        memory: Bytes of RAM (VmRSS).
        descriptors: Open file descriptors.
        threads: Its threads.
        children: Processes that it has to wait for.
        files: Files and folders in its folder for temporary files.
    """

    memory: int
    descriptors: int
    threads: int
    children: int
    files: int

    def __str__(self) -> str:
        return (
            f"{self.memory / 1e6:.1f} MB, {self.descriptors} descriptors, {self.threads} threads, "
            f"{self.children} children, {self.files} temporary files"
        )


class Slack(NamedTuple):
    """By how much a process may hold more later.

    Attributes:
        memory: As a factor: what the allocator keeps in half-used pages varies by some percent.
        descriptors: In number: one may be open to look at a file.
        threads: In number, of the pool in which files are read.
    """

    memory: float = 1.15
    descriptors: int = 2
    threads: int = 2


def look(pid: int, temporary: Path) -> Holding:
    """What a process holds that has nothing to do: the least of each in some seconds."""
    deadline = time.monotonic() + _LOOK
    seen = [hold_now(pid, temporary)]
    while time.monotonic() < deadline:
        time.sleep(_BETWEEN)
        seen.append(hold_now(pid, temporary))
    return Holding(*map(min, zip(*seen, strict=True)))


def grown(before: Holding, after: Holding, slack: Slack = Slack()) -> list[str]:  # noqa: B008 - an immutable value
    """What a process holds too much of, in words."""
    most = Holding(
        int(before.memory * slack.memory),
        before.descriptors + slack.descriptors,
        before.threads + slack.threads,
        before.children,
        before.files,
    )
    return [
        f"{name}: {getattr(after, name)}, where it was {getattr(before, name)}"
        for name in Holding._fields
        if getattr(after, name) > getattr(most, name)
    ]


def hold_now(pid: int, temporary: Path) -> Holding:
    """What a process holds at this moment."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return Holding(
        memory=_number(status, "VmRSS") * _KIB,
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        threads=_number(status, "Threads"),
        children=len(children(pid)),
        files=len(list(temporary.rglob("*"))),
    )


def _number(status: str, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+)", status, re.MULTILINE)
    assert found, f"no {field} in {status}"
    return int(found[1])
