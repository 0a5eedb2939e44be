"""The command line: one module per verb.

The only place where errors become text and exit codes. What a verb needs of registries is imported
when it runs, so that `--help`, `version` and `config` start at once.
"""

from image_sync.cli.main import main

__all__ = ["main"]
