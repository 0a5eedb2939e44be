"""Collecting what is wrong with the values of a configuration, each with its place."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from image_sync.config.loaded import Loaded
from image_sync.config.wording import has_user_info, printable, quoted
from image_sync.errors import Problem

_PLACE = re.compile(r"(.*):([0-9]+):([0-9]+)", re.DOTALL)
"""A place as `tree.Where` prints it."""

_T = TypeVar("_T")


class Findings:
    """The problems of one loaded configuration."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self.problems: list[Problem] = []

    def add(self, path: str, message: str) -> None:
        """Notes a problem with the value of a path."""
        self.problems.append(Problem(message, str(self._loaded.where(path)), path))

    def place(self, path: str) -> str:
        """Where the value of a path stands, for a message that names a second place."""
        return f"{path} ({self._loaded.where(path)})"

    def parsed(self, path: str, text: str, parse: Callable[[str], _T]) -> _T | None:
        """What a parser of `oci/` makes of a text; None if it refuses, which is noted."""
        if has_user_info(text):
            what = "carries a user name or password: credentials belong in a docker config file"
            self.add(path, f"{quoted(text)} {what}")
            return None
        if not text.isascii():
            self.add(path, f"{quoted(text)} holds characters other than ASCII, shown as \\escapes")
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.add(path, str(error))
            return None

    def absolute(self, path: str, name: str) -> str:
        """A file name, relative to the file it stands in, `~` being the home folder."""
        where = self._loaded.where(path)
        base = Path(where.source).parent if where.line and where.source != "<stdin>" else Path()
        try:
            return str((base / Path(name).expanduser()).absolute())
        except (RuntimeError, ValueError) as error:  # no home folder
            self.add(path, f"{printable(name)}: {error}")
            return name

    def readable(self, path: str, name: str) -> str:
        """The absolute name of a file, noting a problem if it cannot be read."""
        file = self.absolute(path, name)
        try:
            with Path(file).open("rb"):
                pass
        except FileNotFoundError:
            self.add(path, f"{printable(file)}: no such file")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self.add(path, f"{printable(file)}: cannot be read: {reason}")
        return file


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems in the order of the text they are in."""
    return sorted(problems, key=_position)


def _position(problem: Problem) -> tuple[str, int, int]:
    found = _PLACE.fullmatch(problem.where)
    return (found[1], int(found[2]), int(found[3])) if found else (problem.where, 0, 0)
