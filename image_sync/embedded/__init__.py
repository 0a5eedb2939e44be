"""A registry of our own: the OCI distribution spec 1.1 over a folder of OCI image layouts.

The folder is laid out as Zot's is, one layout for each repository. Nothing here knows of passes,
configurations or caches: the registry is a server like others, and is talked to over HTTP.

Not here: sockets and TLS (`runtime/serve.py`).
"""

from image_sync.embedded.accounts import Accounts, read_accounts
from image_sync.embedded.app import Access
from image_sync.embedded.repository import Collected
from image_sync.embedded.serving import GRACE, UNREADABLE, default_root, serving_registry
from image_sync.embedded.store import Store, opened, served_by

__all__ = [
    "GRACE",
    "UNREADABLE",
    "Access",
    "Accounts",
    "Collected",
    "Store",
    "default_root",
    "opened",
    "read_accounts",
    "served_by",
    "serving_registry",
]
