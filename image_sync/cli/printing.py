"""The report of a verb on standard output, as a document or for people."""

import sys
from collections.abc import Callable
from typing import TextIO

import msgspec

from image_sync.cli import exit_codes
from image_sync.cli.streams import Unwritable, complain, is_terminal, write_result
from image_sync.report import as_json


def print_report(
    report: msgspec.Struct, write_table: Callable[[TextIO], None], form: str | None, code: int
) -> int:
    """The exit code of a verb whose report was printed, or could not be.

    Args:
        report: What is printed as JSON.
        write_table: Writes it for people.
        form: `json` or `table`; None for what suits standard output.
        code: The exit code that the verb deserves otherwise.
    """
    form = form or ("table" if is_terminal(sys.stdout) else "json")
    try:
        if form == "table":
            write_result(write_table)
        else:
            write_result(lambda stream: print(as_json(report), file=stream))
    except Unwritable as error:
        complain(f"error: {error}")
        return exit_codes.unwritten(code)
    return code
