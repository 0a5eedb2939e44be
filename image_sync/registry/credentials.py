"""What this package needs of credentials; finding them is `image_sync.credentials`' business."""

import base64
from typing import Protocol

from image_sync.credentials import Credential


class Credentials(Protocol):
    """Where credentials come from."""

    async def find(self, host: str, path: str) -> Credential | None:
        """What is configured for a repository."""

    async def refresh(self, host: str, path: str) -> Credential | None:
        """The same, read again."""


def basic(credential: Credential) -> str:
    """The `Authorization` header of a password (RFC 7617)."""
    pair = f"{credential.username}:{credential.secret}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
