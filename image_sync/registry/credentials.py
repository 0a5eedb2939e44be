"""What this package needs of credentials; finding them is `image_sync.credentials`' business."""

import base64
from typing import Protocol


class Credential(Protocol):
    """What a docker config file knows of one registry."""

    @property
    def username(self) -> str:
        """Who; empty with an identity token alone."""

    @property
    def secret(self) -> str:
        """The password, or a token used as one."""

    @property
    def identity_token(self) -> str:
        """An OAuth 2 refresh token; empty if there is none."""


class Credentials(Protocol):
    """Where credentials come from."""

    async def find(self, host: str, path: str) -> Credential | None:
        """What is configured for a repository."""

    async def refresh(self, host: str, path: str) -> Credential | None:
        """The same, read again."""


def identity(credential: Credential | None) -> tuple[str, str, str]:
    """What makes two credentials the same."""
    if credential is None:
        return ("", "", "")
    return (credential.username, credential.secret, credential.identity_token)


def basic(credential: Credential) -> str:
    """The `Authorization` header of a password (RFC 7617)."""
    pair = f"{credential.username}:{credential.secret}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
