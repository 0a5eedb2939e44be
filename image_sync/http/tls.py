"""TLS contexts: the system's roots, a registry's own CA file, client certificates, no proof at all.

Files are looked at again while the process runs, because certificates rotate (fault row 61): a
changed file gives a new context, a file that broke meanwhile keeps the old one. Nothing here ever
turns verification off by itself.
"""

import os
import ssl
from typing import NamedTuple

from image_sync.http.clock import Clock
from image_sync.model import HostPolicy

_LOOK_AGAIN = 5.0
"""Seconds between two looks at the same files: far below a kubelet's sync of a minute, and a stat
per request would be felt."""
_PROTOCOLS = ("http/1.1",)  # what the transport speaks: RFC 7301


class TrustError(Exception):
    """A certificate or key file cannot be used; the text names it and says why."""


class Trust(NamedTuple):
    """Whom to believe and who to be; empty fields mean the system's roots, and nobody."""

    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None

    @classmethod
    def of(cls, policy: HostPolicy) -> "Trust":
        """What an operator says of a registry itself."""
        return cls(policy.ca_file, policy.client_cert_file, policy.client_key_file)

    @property
    def foreign(self) -> "Trust":
        """What of it holds for the hosts that the registry sends us to: no identity of ours."""
        return Trust(self.ca_file)


_Stamp = tuple[tuple[int, int, int] | None, ...]


class _Entry(NamedTuple):
    context: ssl.SSLContext
    stamp: _Stamp
    looked: float  # monotonic seconds


class Contexts:
    """The TLS context for every trust in use, current with its files."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[tuple[Trust, bool], _Entry] = {}

    def get(self, trust: Trust, *, verify: bool) -> ssl.SSLContext:
        """A context; the same object as long as the files are the same.

        Raises:
            TrustError: A file could not be used from the start.
        """
        key = (trust, verify)
        entry = self._entries.get(key)
        if entry is not None and not any(trust):
            return entry.context
        now = self._clock.monotonic()
        if entry is not None and now - entry.looked < _LOOK_AGAIN:
            return entry.context
        entry = self._refresh(entry, key, now)
        self._entries[key] = entry
        return entry.context

    def _refresh(self, entry: _Entry | None, key: tuple[Trust, bool], now: float) -> _Entry:
        trust, verify = key
        stamp = tuple(map(_stamp, trust))
        if entry is not None and entry.stamp == stamp:
            return entry._replace(looked=now)
        try:
            context = _load(trust, verify=verify)
        except TrustError:
            if entry is None:
                raise
            return entry._replace(looked=now)
        return _Entry(context, stamp, now)


def believing(ca_file: str) -> ssl.SSLContext:
    """A context that believes one CA, and not the system's roots.

    Raises:
        TrustError: The file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        raise TrustError(_reason("the CA file", ca_file, error)) from error
    context.set_alpn_protocols(list(_PROTOCOLS))
    return context


def _stamp(path: str | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        status = os.stat(path)  # noqa: PTH116 - on the way of requests
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _load(trust: Trust, *, verify: bool) -> ssl.SSLContext:
    # Reading the system's roots takes 50 ms, which whoever believes anybody can do without.
    context = ssl.create_default_context() if verify else _credulous()
    context.set_alpn_protocols(list(_PROTOCOLS))
    if verify and trust.ca_file:
        try:
            context.load_verify_locations(cafile=trust.ca_file)
        except (OSError, ValueError) as error:
            raise TrustError(_reason("ca_file", trust.ca_file, error)) from error
    if trust.client_cert_file:
        _identify(context, trust.client_cert_file, trust.client_key_file)
    return context


def _credulous() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _identify(context: ssl.SSLContext, cert_file: str, key_file: str | None) -> None:
    def no_passphrase() -> str:
        # Without this OpenSSL asks on the terminal and waits.
        raise ValueError("the key is encrypted")

    try:
        context.load_cert_chain(cert_file, key_file, password=no_passphrase)
    except (OSError, ValueError) as error:
        files = f"{cert_file} with {key_file}" if key_file else cert_file
        raise TrustError(_reason("client_cert_file", files, error)) from error


def _reason(setting: str, path: str, error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "no certificate in it").replace("_", " ").lower()
    elif isinstance(error, OSError):
        reason = (error.strerror or "unreadable").lower()
    else:
        reason = str(error)
    return f"{setting} {path} cannot be used: {reason}"
