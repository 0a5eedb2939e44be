"""The certificate and key that a server shows, read and proved before it listens.

Not here: what clients trust (`http/tls.py`).
"""

import os
import ssl
from pathlib import Path
from typing import NoReturn

import msgspec

from image_sync.errors import ListenError

_HINT = "name a certificate, with its chain, and its key, both PEM, readable, not encrypted"


class Certificate(msgspec.Struct, frozen=True):
    """Where the two files of a server's identity are, both PEM.

    Attributes:
        chain: The certificate, and after it those that lead to an authority.
        key: Its private key, without a password.
    """

    chain: Path
    key: Path


class _EncryptedError(Exception):
    """The key asks for a password."""


def context_of(certificate: Certificate) -> ssl.SSLContext:
    """What a server needs for TLS 1.2 and 1.3; older versions are refused (RFC 8996).

    Raises:
        ListenError: A file is missing, unreadable or something else than it should be, the key is
            encrypted, or it is the key of another certificate.
    """
    for path in (certificate.chain, certificate.key):
        _prove_readable(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate.chain, certificate.key, _no_password)
    except _EncryptedError as error:
        raise _refusal(certificate.key, "the key is encrypted") from error
    except OSError as error:  # of which ssl.SSLError is one
        raise _explained(certificate, error) from error
    return context


def _prove_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise _refusal(path, _reason(error)) from error


def _no_password() -> NoReturn:
    raise _EncryptedError  # or OpenSSL asks for one on the terminal


def _explained(certificate: Certificate, error: OSError) -> ListenError:
    """The error of the file that is to blame; OpenSSL names none."""
    if not isinstance(error, ssl.SSLError):
        return _refusal(certificate.chain, _reason(error))
    if error.reason == "KEY_VALUES_MISMATCH":
        return _refusal(certificate.key, f"not the key of {certificate.chain}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate.chain)
    except OSError:
        return _refusal(certificate.chain, "not a certificate in PEM")
    reason = (error.reason or "").lower().replace("_", " ")
    if reason in {"", "pem lib", "no start line"}:
        return _refusal(certificate.key, "not a private key in PEM")
    return _refusal(certificate.chain, reason)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


def _refusal(path: Path, reason: str) -> ListenError:
    return ListenError(f"cannot serve TLS with {path}: {reason}", hint=_HINT)
