"""Who may use the test registries."""

import base64
import binascii
from pathlib import Path
from typing import Final

import msgspec


class Account(msgspec.Struct, frozen=True):
    """A user name and password, with the password's bcrypt hash for htpasswd files."""

    username: str
    password: str
    bcrypt: str = msgspec.field(default="")

    def __eq__(self, other: object) -> bool:
        """Equal to whoever presents the same name and password."""
        return isinstance(other, Account) and self._presented == other._presented

    def __hash__(self) -> int:
        return hash(self._presented)

    @property
    def _presented(self) -> tuple[str, str]:
        return self.username, self.password

    def basic(self) -> str:
        """The Authorization header that presents this account."""
        return "Basic " + self.docker_auth()

    def docker_auth(self) -> str:
        """The `auth` of an entry in a docker config file."""
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


# The hashes are of cost 4, bcrypt's least: the registry checks one on every request.
# The first password has what breaks naive parsing: spaces, a colon, a slash.
OPERATOR: Final = Account(
    "operator",
    "correct horse/battery:staple",
    "$2b$04$b2p8sTQVodpgeHWkRiPTZOtdse/WhcvMM7U.hmmFSqoSZ276PidJK",
)
SECOND: Final = Account(
    "second",
    "other-passphrase",
    "$2b$04$KBrPvrm0m9QO6PUhVVMED.mKakCavDNfXvE4ZQrUx6IQAGOCxYfhe",
)


def write_htpasswd(path: Path, *accounts: Account) -> Path:
    """An htpasswd file with these accounts."""
    lines = [f"{account.username}:{account.bcrypt}\n" for account in accounts]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def read_basic(authorization: str | None) -> Account | None:
    """The account that an Authorization header presents, or None."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        username, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return Account(username, password)
