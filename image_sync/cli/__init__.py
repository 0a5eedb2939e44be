"""The command line: one module per verb.

The only place where errors become text and exit codes. What a verb needs of registries is imported
when it runs, so that `--help`, `version` and `config` start at once.
"""

import sys
from typing import NoReturn

__all__ = ["main"]

_INTERRUPTED = 130
"""`exit_codes.INTERRUPTED`, before anything else is imported."""


def main() -> NoReturn:
    """Run the command line and exit."""
    try:
        from image_sync.cli.main import main as run  # noqa: PLC0415 - takes a tenth of a second
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    run()
