"""Who may use the registry: names and bcrypt hashes, as `htpasswd -B` writes them.

HTTP's Basic scheme: RFC 7617. Hashes of other kinds are refused: Apache's MD5 and crypt can be
broken by trying.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

import bcrypt
from anyio import CapacityLimiter, to_thread

from image_sync.errors import ConfigError, Problem

_BCRYPT = re.compile(r"\$2[aby]\$(?:0[4-9]|1[0-9])\$[./A-Za-z0-9]{53}")
"""The cost is at most 19: each more doubles the time of a try, and 20 takes a minute."""
_LONGEST = 72
"""Bytes of a password that bcrypt sees; more would not count."""
_AT_ONCE = 2
"""Passwords that are hashed at once: each takes a core for a tenth of a second."""
_REMEMBERED = 1_000
"""Accounts with their passwords that are known to be right, at most."""


class Accounts:
    """Names with the hashes of their passwords.

    Args:
        hashes: By name; one at least.
    """

    def __init__(self, hashes: Mapping[str, bytes]) -> None:
        self._hashes = dict(hashes)
        # What the password of an unknown name is held against, so that it takes as long as a known
        # one: the dearest, in the notation $2y$COST$.
        self._nobody = max(self._hashes.values(), key=lambda hashed: hashed[4:6])
        self._key = secrets.token_bytes(32)
        self._known: set[bytes] = set()
        self._limiter: CapacityLimiter | None = None

    async def admit(self, authorization: str) -> bool:
        """Whether a request with that Authorization may pass."""
        account = _basic(authorization)
        if account is None:
            return False
        seal = hmac.new(self._key, b"\0".join(account), hashlib.sha256).digest()
        if seal in self._known:
            return True
        if not await self._verify(*account):
            return False
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known.add(seal)
        return True

    async def _verify(self, name: bytes, password: bytes) -> bool:
        hashed = self._hashes.get(name.decode("utf-8", "replace"))
        self._limiter = self._limiter or CapacityLimiter(_AT_ONCE)
        right = await to_thread.run_sync(
            bcrypt.checkpw, password[:_LONGEST], hashed or self._nobody, limiter=self._limiter
        )
        return right and hashed is not None


def _basic(authorization: str) -> tuple[bytes, bytes] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (name, password) if colon and b"\0" not in password else None


def read_accounts(path: Path) -> Accounts:
    """The accounts of a file, one `NAME:HASH` in each line.

    Raises:
        ConfigError: It cannot be read, or a line is none of `htpasswd -B`.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        text = f"{path} cannot be read: {error.strerror}"
        raise ConfigError([Problem(text, path="--auth-file")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            [Problem(f"{path} cannot be read: it is no text", path="--auth-file")]
        ) from error
    hashes: dict[str, bytes] = {}
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, hashed = line.strip().partition(":")
        if name and _BCRYPT.fullmatch(hashed):
            hashes[name] = hashed.encode()
        else:
            text = f"{path}:{number} is not NAME:HASH with a bcrypt hash: write it with htpasswd -B"
            problems.append(Problem(text, path="--auth-file"))
    if not problems and not hashes:
        problems.append(
            Problem(f"{path} has no account: add one with htpasswd -B", path="--auth-file")
        )
    if problems:
        raise ConfigError(problems)
    return Accounts(hashes)
