"""A terminal, as far as a live display needs one: what a person would see on it."""

import re
from itertools import pairwise

_SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|(\r)|(\n)")
_STYLE, _HIDE, _SHOW = "m", "?25l", "?25h"


class Screen:
    """Rows of text, written to by a stream of characters and control sequences (ECMA-48).

    Attributes:
        cursor_shown: Whether the cursor can be seen.
        coloured: Whether any text had a colour.
    """

    def __init__(self, columns: int) -> None:
        self.cursor_shown = True
        self.coloured = False
        self._columns = columns
        self._rows = [""]
        self._row = 0
        self._column = 0

    def feed(self, text: str) -> None:
        """Take what a terminal was sent; sequences are never cut."""
        ends = [0, *(end for match in _SEQUENCE.finditer(text) for end in match.span()), len(text)]
        for start, end in pairwise(ends):
            piece = text[start:end]
            match = _SEQUENCE.fullmatch(piece)
            if match:
                self._control(match)
            else:
                self._print(piece)

    @property
    def lines(self) -> list[str]:
        """What stands on it, without blank rows at the end."""
        rows = [row.rstrip() for row in self._rows]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def _control(self, match: re.Match[str]) -> None:
        argument, kind = match[1], match[2]
        if match[3]:
            self._column = 0
        elif match[4]:
            self._down()
        elif kind == "A":
            self._row -= int(argument or 1)
        elif kind == "K":
            assert argument == "2"
            self._rows[self._row] = ""
        elif kind == _STYLE:
            self.coloured |= any(30 <= int(code or 0) < 50 for code in argument.split(";"))
        elif argument + kind in {_HIDE, _SHOW}:
            self.cursor_shown = argument + kind == _SHOW
        else:
            raise AssertionError(f"an unknown sequence: {match[0]!r}")

    def _print(self, text: str) -> None:
        assert text.isprintable(), repr(text)
        for character in text:
            if self._column == self._columns:
                self._column = 0
                self._down()
            row = self._rows[self._row].ljust(self._column)
            self._rows[self._row] = row[: self._column] + character + row[self._column + 1 :]
            self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append("")
