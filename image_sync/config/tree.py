"""A configuration as text with places: what YAML said, before anybody decides on types.

Scalars keep the text that stands in the file. What a plain scalar means as a number or a boolean
follows the core schema of YAML 1.2 (section 10.3.2), so `on`, `no`, `22:22` and `2024-01-01` are
text, and `1_000` is, too. Infinity and not-a-number are left as text, which no number accepts.
"""

import re
from collections.abc import Mapping as ReadOnlyMapping
from typing import NamedTuple

from image_sync.config.wording import printable

Plain = str | int | float | bool | None

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = {"0o": (re.compile(r"0o[0-7]+"), 8), "0x": (re.compile(r"0x[0-9a-fA-F]+"), 16)}
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_MAX_NUMBER = 40
"""Characters of a number; anything longer is out of every range that a key has."""


class Where(NamedTuple):
    """The place a value comes from: a file with line and column, both from 1, or a name alone."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        name = printable(self.source)
        return f"{name}:{self.line}:{self.column}" if self.line else name


class Scalar(NamedTuple):
    """Text; `plain` if it stands without quotes and may mean a number, a boolean or nothing."""

    where: Where
    text: str
    plain: bool

    @property
    def is_null(self) -> bool:
        """True if it says nothing."""
        return self.plain and self.text in _NULLS

    def value(self) -> Plain:
        """What the text means under the core schema."""
        text = self.text
        if not self.plain or len(text) > _MAX_NUMBER:
            return text
        if text in _NULLS:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        pattern, base = _BASED.get(text[:2], (_INTEGER, 10))
        if base != 10 and pattern.fullmatch(text):  # noqa: PLR2004 - base ten was above
            return int(text[2:], base)
        return float(text) if _FLOAT.fullmatch(text) else text


class Sequence(NamedTuple):
    """A list."""

    where: Where
    items: tuple["Node", ...]


class Mapping(NamedTuple):
    """Keys as they are written, each with its own place, and their values."""

    where: Where
    entries: ReadOnlyMapping[str, "Entry"]


class Entry(NamedTuple):
    """The value of a key, and where the key stands."""

    key: Where
    node: "Node"


Node = Scalar | Sequence | Mapping
