"""The boundary where the libraries' exceptions become `RegistryError`s.

What a status means, and what a registry says in a body, is not judged here (`registry/`). Texts
never carry a query or user information, because signatures and passwords live there.
"""

import os
import socket
import ssl
from collections.abc import Iterator
from typing import NamedTuple

import aiohttp
import httpx

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.http.addresses import is_refusal
from image_sync.http.transport import IncompleteBody
from image_sync.http.urls import redacted_url
from image_sync.oci.quoting import printable

KINDS: dict[type[BaseException], ErrorKind] = {
    httpx.TransportError: ErrorKind.NETWORK,
    httpx.TimeoutException: ErrorKind.TIMEOUT,
    httpx.ProtocolError: ErrorKind.BAD_CONTENT,
    IncompleteBody: ErrorKind.TRUNCATED,
    httpx.UnsupportedProtocol: ErrorKind.UNSAFE,
}
"""What a transport raises; the nearest class of an error's MRO counts."""

_NOT_TLS = frozenset(
    {
        "HTTP_REQUEST",
        "PACKET_LENGTH_TOO_LONG",
        "RECORD_LAYER_FAILURE",
        "WRONG_VERSION_NUMBER",
    }
)
"""OpenSSL's reasons for bytes that are no TLS record; which one depends on its version."""

_LONGEST_CHAIN = 10  # causes of one error that are looked at


class NoAnswer(httpx.ReadTimeout):
    """The headers of an answer were not complete within their deadline."""


class Asked(NamedTuple):
    """What a failure is about."""

    side: Side
    method: str
    url: str  # as sent

    def error(
        self,
        kind: ErrorKind,
        message: str,
        *,
        status: int | None = None,
        codes: tuple[str, ...] = (),
        retry_after: float | None = None,
    ) -> RegistryError:
        """The error that says so, its URL redacted."""
        return RegistryError(
            message,
            kind,
            side=self.side,
            method=self.method,
            url=redacted_url(self.url),
            status=status,
            codes=codes,
            retry_after=retry_after,
        )

    def failure(self, error: httpx.TransportError) -> RegistryError:
        """The error for one of the transport."""
        return self.error(*explain(error))

    def __repr__(self) -> str:
        return f"Asked({self.side}, {self.method} {redacted_url(self.url)})"


def explain(error: httpx.TransportError) -> tuple[ErrorKind, str]:
    """What went wrong, and in words for people."""
    kind = next(KINDS[base] for base in type(error).__mro__ if base in KINDS)
    message = _MESSAGES.get(type(error), "the connection failed")
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = getattr(cause, "verify_message", "") or _ssl_reason(cause)
            return ErrorKind.TLS, f"its certificate does not verify: {printable(reason)}"
        if isinstance(cause, ssl.SSLError) and _is_tls_fault(error, cause):
            return ErrorKind.TLS, f"TLS failed: {_ssl_reason(cause)}"
        if is_refusal(cause):
            return ErrorKind.UNSAFE, f"it may not send us there: {_system_reason(cause)}"
        if isinstance(cause, socket.gaierror):
            return kind, f"its name does not resolve: {_system_reason(cause)}"
        if isinstance(cause, OSError) and cause.strerror:
            return kind, f"{message}: {_system_reason(cause)}"
    return kind, message


def is_not_tls(error: BaseException) -> bool:
    """True if the peer answered a TLS handshake with something that is not TLS."""
    return any(
        isinstance(cause, ssl.SSLError) and getattr(cause, "reason", None) in _NOT_TLS
        for cause in _chain(error)
    )


def is_unproven(error: BaseException) -> bool:
    """True if the peer speaks TLS, and only its certificate does not verify."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _chain(error))


def is_unreachable(error: httpx.TransportError) -> bool:
    """True if no connection came about: refused, no route, no such name, no answer to either."""
    unreached = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError)
    return unreached and explain(error)[0] in {ErrorKind.NETWORK, ErrorKind.TIMEOUT}


_MESSAGES: dict[type[BaseException], str] = {
    httpx.ConnectError: "cannot connect",
    httpx.ConnectTimeout: "no connection in time",
    httpx.ReadTimeout: "it fell silent",
    NoAnswer: "no complete answer in time",
    httpx.ReadError: "it closed the connection",
    httpx.WriteError: "it closed the connection while we sent",
    httpx.ProxyError: "the proxy refused or could not be reached",
    httpx.RemoteProtocolError: "its answer is not valid HTTP",
    httpx.UnsupportedProtocol: "its URL cannot be used",
    httpx.LocalProtocolError: "what it told us to send is not valid HTTP",
    IncompleteBody: "the body ended too early",
}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The causes of an error that are the system's own.

    aiohttp's classes derive from `OSError` and `ssl.SSLError` without having their attributes.
    """
    current: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if current is None:
            return
        if not isinstance(current, httpx.TransportError | aiohttp.ClientError):
            yield current
        current = current.__cause__


def _is_tls_fault(error: httpx.TransportError, cause: ssl.SSLError) -> bool:
    # A connection that breaks under TLS shows as these; trying again helps.
    broke = isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    return not broke and not isinstance(error, IncompleteBody)


def _ssl_reason(error: ssl.SSLError) -> str:
    # Only errors that OpenSSL itself raised have a reason.
    reason = getattr(error, "reason", None) or "the handshake broke off"
    return printable(reason.replace("_", " ").lower())


def _system_reason(error: BaseException) -> str:
    reason = str(error)
    if isinstance(error, ConnectionError | TimeoutError) and error.errno:
        reason = os.strerror(error.errno)  # asyncio's own text has the address only
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    return printable(reason[:1].lower() + reason[1:])
