"""The OCI distribution API from a client's side.

What belongs here: requests, tokens, and judging whether an answer is what was asked for. What does
not: sockets, limits and deadlines (`http/`), where credentials come from (`credentials/`), and what
to do with an answer (`sync/`).
"""

from image_sync.registry.auth import Authenticator
from image_sync.registry.blobs import Download, open_blob
from image_sync.registry.client import ManifestHead, RegistryClient
from image_sync.registry.credentials import Credentials
from image_sync.registry.errors import upload_broken, upload_lost
from image_sync.registry.greeting import Greeting, greet
from image_sync.registry.sessions import UploadSession
from image_sync.registry.tags import list_tags
from image_sync.registry.tree import Tree, read_tree
from image_sync.registry.upload import Mounted, open_upload, push_blob

__all__ = [
    "Authenticator",
    "Credentials",
    "Download",
    "Greeting",
    "ManifestHead",
    "Mounted",
    "RegistryClient",
    "Tree",
    "UploadSession",
    "greet",
    "list_tags",
    "open_blob",
    "open_upload",
    "push_blob",
    "read_tree",
    "upload_broken",
    "upload_lost",
]
