"""Credentials for registries, from docker config files and docker credential helpers.

What belongs here is finding who we are to a registry. When that is sent, and to whom, is decided
in `registry/auth.py`. Nothing here writes a file, and no secret gets into a text.
"""

from image_sync.credentials.credential import Credential
from image_sync.credentials.files import paths_of
from image_sync.credentials.store import CredentialStore, FileProblem, Found

__all__ = ["Credential", "CredentialStore", "FileProblem", "Found", "paths_of"]
