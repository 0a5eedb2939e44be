"""Who we are to one registry."""

import msgspec


class Credential(msgspec.Struct, frozen=True):
    """A user name with its secret, or an identity token in their place.

    Attributes:
        username: Empty if there is an identity token only.
        secret: Password or access token.
        identity_token: An OAuth2 refresh token, empty if there is none.
    """

    username: str
    secret: str
    identity_token: str = ""

    def __repr__(self) -> str:
        return "Credential(***)"  # user names can be account ids, so they stay out as well


def is_sendable(text: str) -> bool:
    """True if a text has no half of a surrogate pair, as JSON can (RFC 8259, section 8.2)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
