"""From specs to results: what is asked, decided, copied, committed and remembered in a pass.

`plan.py` decides and is pure; `check.py`, `copy.py` and `commit.py` are the thin I/O around it;
`runner.py` owns the pass. Nothing here sends a request by itself, or knows a tool's arguments or
the configuration.
"""

from image_sync.sync.check import Checker
from image_sync.sync.copy import Copier
from image_sync.sync.hosts import Reserves
from image_sync.sync.ledger import Ledger
from image_sync.sync.ledger_stores import FileStore, RegistryStore
from image_sync.sync.runner import Limits, Pass

__all__ = [
    "Checker",
    "Copier",
    "FileStore",
    "Ledger",
    "Limits",
    "Pass",
    "RegistryStore",
    "Reserves",
]
