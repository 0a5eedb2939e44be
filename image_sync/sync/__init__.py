"""From specs to results: what is asked, decided, copied, committed and remembered in a pass.

`plan.py` decides and is pure; `check.py`, `copy.py` and `commit.py` are the thin I/O around it;
`runner.py` has images worked on, and `passing.py` makes a pass of them. Nothing here sends a
request by itself, or knows a tool's arguments or the configuration.
"""

from image_sync.sync.bring import Bringer
from image_sync.sync.check import Checker
from image_sync.sync.conversion import Conversion
from image_sync.sync.copy import Copier
from image_sync.sync.examining import KnownDamage, Scheduled
from image_sync.sync.hosts import Reserves
from image_sync.sync.inspection import DamagedParts, Inspection
from image_sync.sync.ledger import LAST_SECONDS, Ledger
from image_sync.sync.ledger_stores import FileStore, RegistryStore
from image_sync.sync.making import Maker
from image_sync.sync.passing import Pass
from image_sync.sync.referrers import Referrers
from image_sync.sync.results import interrupted, out_of_time
from image_sync.sync.roles import Limits
from image_sync.sync.rounds import Rounds
from image_sync.sync.runner import Runner
from image_sync.sync.unchanged import Examines, Unchanged

__all__ = [
    "LAST_SECONDS",
    "Bringer",
    "Checker",
    "Conversion",
    "Copier",
    "DamagedParts",
    "Examines",
    "FileStore",
    "Inspection",
    "KnownDamage",
    "Ledger",
    "Limits",
    "Maker",
    "Pass",
    "Referrers",
    "RegistryStore",
    "Reserves",
    "Rounds",
    "Runner",
    "Scheduled",
    "Unchanged",
    "interrupted",
    "out_of_time",
]
