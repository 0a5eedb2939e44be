"""The fenced blocks of the README and the guides, and what a comment before one says of it.

A comment stands in a line of its own, directly before its block:

    <!-- file: NAME -->          the block is written to that file before what follows runs
    <!-- until: TEXT -->         the command goes on in the background; TEXT in its output says
                                 that it is up
    <!-- exit: N -->             each command of the block ends with that code, not with 0
    <!-- not run: REASON -->     the commands cannot run here
    <!-- wrong: on purpose -->   the configuration is refused
"""

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name != "design.md"),
)
"""What users read; the design page is for developers, and its blocks are drawings."""

_BLOCK: Final = re.compile(
    r"(?P<comments>(?:^ *<!-- [^\n]* -->\n)*)"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_COMMENT: Final = re.compile(r"<!-- (file|until|exit|not run|wrong): (.*?) -->")
_PROMPT: Final = "$ "


class Command(NamedTuple):
    """What a reader types, and the lines that the page shows below; none: it shows none."""

    text: str
    output: tuple[str, ...]


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        page: The file that it is in.
        line: That of its first fence, from 1.
        language: What stands behind the first fence.
        text: What is between the fences, not indented.
        marks: What comments before it say, by their words.
    """

    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str]

    @property
    def place(self) -> str:
        """Where it is, for people: `README.md:12`."""
        return f"{self.page.name}:{self.line}"

    @property
    def commands(self) -> list[Command]:
        """Its commands, if it is of a terminal."""
        lines = self.text.splitlines()
        begins = [number for number, line in enumerate(lines) if line.startswith(_PROMPT)]
        assert begins[:1] == [0], f"{self.place} does not begin with a command"
        ends = [*begins[1:], len(lines)]
        return [_command(lines[begin:end]) for begin, end in zip(begins, ends, strict=True)]


def blocks(page: Path) -> Iterator[Block]:
    """All blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("indent")) + 1
        inner = textwrap.dedent(found["text"])
        marks = dict(_COMMENT.findall(found["comments"]))
        yield Block(page, line, found["language"], inner, marks)


def words(command: str) -> list[str]:
    """The words of a command, without the comment behind it."""
    return shlex.split(command, comments=True)


def _command(lines: list[str]) -> Command:
    """A command of one line, or of several that end in a backslash, and its output."""
    length = 1
    while lines[length - 1].endswith("\\"):
        length += 1
    text = "\n".join(lines[:length]).removeprefix(_PROMPT)
    return Command(text, tuple(lines[length:]))
