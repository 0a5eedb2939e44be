"""What a registry asks of its clients: Basic (RFC 7617) or Bearer (RFC 6750, Docker's token flow).

The token endpoint is a server of its own: `tokens.py`.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Protocol

import msgspec

from tests.hostile.message import Headers, Request
from tests.hostile.response import Response, error

Access = frozenset[tuple[str, str]]  # (repository, action)


class Authorization(Protocol):
    """A rule who may do what."""

    def refuse(self, request: Request, needed: Access) -> Response | None:
        """The refusal with its challenge, or None if the request may go on."""


def basic_credentials(headers: Headers) -> tuple[str, str] | None:
    """User and password of an Authorization field, or None."""
    scheme, _, value = (headers.get("Authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


class Basic(msgspec.Struct, frozen=True):
    """Accounts that may do everything."""

    accounts: Mapping[str, str]  # user -> password
    realm: str = "hostile"

    def refuse(self, request: Request, needed: Access) -> Response | None:
        """401 with a Basic challenge for anybody else."""
        credentials = basic_credentials(request.headers)
        if credentials is not None and self.accounts.get(credentials[0]) == credentials[1]:
            return None
        challenge = ("WWW-Authenticate", f'Basic realm="{self.realm}"')
        return error(401, "UNAUTHORIZED", "authentication required", challenge)
