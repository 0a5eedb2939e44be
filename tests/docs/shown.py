"""Whether a program printed what a page shows."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_HOME: Final = "/home/me"
"""The reader's, in pages."""
_LEFT_OUT: Final = "..."
_DIFFERS: Final = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)"), "<time>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<digest>"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "<digest>"),
    (re.compile(r"\b\d+(\.\d+)? (ms|s|min)\b"), "<duration>"),
    (re.compile(r"\b\d+(\.\d+)? (B|kB|MB|GB)(?!\w)"), "<size>"),
    (re.compile(r"\b(duration_ms|bytes)=\d+"), r"\1=<number>"),
    (re.compile(r"\s+"), " "),
)
"""What is not the same in each run, and what stands for it."""


def agrees(shown: Sequence[str], said: Sequence[str], home: Path) -> bool:
    """True if the lines that were printed are those of a page.

    Args:
        shown: The page's; `...` stands for any lines.
        said: What was printed.
        home: The home folder there.
    """
    wanted = "".join(
        r"(?:.*\n)*?" if line.strip() == _LEFT_OUT else re.escape(f"{_same(line)}\n")
        for line in _without_edges(shown)
    )
    printed = "".join(f"{_same(line.replace(str(home), _HOME))}\n" for line in _without_edges(said))
    return re.fullmatch(wanted, printed) is not None


def _same(line: str) -> str:
    for pattern, replacement in _DIFFERS:
        line = pattern.sub(replacement, line)
    return line.strip()


def _without_edges(lines: Sequence[str]) -> list[str]:
    return "\n".join(lines).strip("\n").splitlines()
