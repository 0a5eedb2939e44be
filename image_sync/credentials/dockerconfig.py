"""Docker config files: `auths`, `credHelpers`, `credsStore` (docker/cli, `cli/config/configfile`).

Pure: bytes in, entries out. Which file and which entry wins is decided in `store.py`.
"""

import base64
import binascii
import json
import re

import msgspec

from image_sync.credentials.credential import Credential, is_sendable
from image_sync.credentials.keys import Key, parse_key
from image_sync.oci.quoting import printable

MAX_FILE = 1024 * 1024
"""Bytes of a file: as much as a Kubernetes Secret can hold."""
_HELPER = re.compile(r"[a-z0-9-]+")
"""Names that may become part of a program's name."""


class BrokenFile(ValueError):  # noqa: N818 - a verdict on a file
    """A file cannot be used as it is; the text says what is wrong, without any value of it."""


class DockerConfig(msgspec.Struct, frozen=True):
    """What one file says."""

    auths: dict[Key, Credential] = {}
    helpers: dict[Key, str] = {}
    store: str = ""  # the helper for everything else; empty if there is none

    @property
    def helper_names(self) -> frozenset[str]:
        """Every helper that may be asked."""
        return frozenset({*self.helpers.values(), *filter(None, (self.store,))})

    def __repr__(self) -> str:
        return f"DockerConfig({len(self.auths)} auths, {len(self.helpers)} helpers)"


def parse_config(content: bytes) -> DockerConfig:
    """What a file says.

    Raises:
        BrokenFile: It is no JSON object, or one of its entries is broken.
    """
    if len(content) > MAX_FILE:
        raise BrokenFile(f"it has more than {MAX_FILE} bytes")
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        # `from None`: the error's `doc` is the file, secrets and all.
        raise BrokenFile(f"it is not JSON: {error.msg} in line {error.lineno}") from None
    except (ValueError, RecursionError):
        raise BrokenFile("it is not JSON") from None
    if not isinstance(document, dict):
        raise BrokenFile("it is not a JSON object")
    return DockerConfig(
        auths=_auths(_object(document, "auths")),
        helpers=_helpers(_object(document, "credHelpers")),
        store=_helper_name("credsStore", document.get("credsStore") or ""),
    )


def _object(document: dict[str, object], name: str) -> dict[str, object]:
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BrokenFile(f"{name} is not a JSON object")
    return value


def _auths(entries: dict[str, object]) -> dict[Key, Credential]:
    found: dict[Key, Credential] = {}
    for text, entry in entries.items():
        where = f"auths[{printable(text, 100)!r}]"
        if not isinstance(entry, dict):
            raise BrokenFile(f"{where} is not a JSON object")
        credential = _credential(where, entry)
        key = parse_key(text)
        if key and credential:
            found.setdefault(key, credential)
    return found


def _credential(where: str, entry: dict[str, object]) -> Credential | None:
    """An entry's credential; None for an empty one, which points to the helper of `credsStore`."""
    token = _text(where, entry, "identitytoken")
    auth = _text(where, entry, "auth")
    if auth:
        username, secret = _decode(where, auth)
    else:
        username, secret = _text(where, entry, "username"), _text(where, entry, "password")
    if not (username or token):
        return None
    return Credential(username, secret, token)


def _decode(where: str, auth: str) -> tuple[str, str]:
    try:
        decoded = base64.b64decode(auth, validate=True).decode()
    except (binascii.Error, ValueError):
        raise BrokenFile(f"the auth of {where} is not base64 of user:password") from None
    username, colon, secret = decoded.partition(":")
    if not (username and colon):
        raise BrokenFile(f"the auth of {where} is not base64 of user:password")
    return username, secret.rstrip("\0")  # as docker/cli trims it


def _text(where: str, entry: dict[str, object], name: str) -> str:
    value = entry.get(name) or ""
    if not isinstance(value, str):
        raise BrokenFile(f"{name} of {where} is not a string")
    if not is_sendable(value):
        raise BrokenFile(f"{name} of {where} is not Unicode text: it has half of a surrogate pair")
    return value


def _helpers(entries: dict[str, object]) -> dict[Key, str]:
    found: dict[Key, str] = {}
    for text, name in entries.items():
        key = parse_key(text)
        if name and key:
            found.setdefault(key, _helper_name(f"credHelpers[{printable(text, 100)!r}]", name))
    return found


def _helper_name(where: str, name: object) -> str:
    if name == "":
        return ""
    if not isinstance(name, str) or not _HELPER.fullmatch(name):
        raise BrokenFile(f"{where} does not name a helper: expected letters a-z, digits and '-'")
    return name
