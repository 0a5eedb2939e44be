"""Standard output and error: the result goes to one, everything else to the other.

A stream that is closed or full is an operator's problem to hear about, not a traceback.
"""

import contextlib
import io
import os
import sys
from collections.abc import Callable
from typing import TextIO

_STANDARD = range(3)  # input, output, error


def prepare() -> None:
    """Make the standard streams safe to write to.

    A character that their encoding lacks is escaped, not refused. One that is closed becomes
    `/dev/null`: otherwise the next socket would get its number, and a report go to a registry.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one


class Unwritable(Exception):  # noqa: N818 - what standard output is
    """The result of a verb could not be written; the text says why."""


def write_result(write: Callable[[TextIO], None]) -> None:
    """Have the result of a verb written to standard output, all of it.

    Raises:
        Unwritable: It could not be written.
    """
    try:
        if sys.stdout is None:
            raise OSError("standard output is closed")  # noqa: TRY301 - handled like a real one
        write(sys.stdout)
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer would fail again, with a traceback, when Python ends.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        reason = error.strerror or str(error)
        raise Unwritable(f"the result could not be written to standard output: {reason}") from error


def complain(text: str) -> None:
    """Write to standard error, if there is one."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def is_terminal(stream: TextIO | None) -> bool:
    """True if a person is likely to look at it."""
    return stream is not None and stream.isatty()
