"""Foreign exceptions become ours, every one of them."""

import errno
import inspect
import socket
import ssl

import aiohttp
import httpx
import pytest
from aiohttp import client_exceptions

from image_sync.errors import ErrorKind, Side
from image_sync.http.addresses import AddressRefused, Zone
from image_sync.http.errors import Asked, NoAnswer, explain, is_not_tls, is_unreachable
from image_sync.http.transport import ERRORS, IncompleteBody

NEVER_RAISED = {"WSMessageTypeError"}  # WebSockets are not spoken

AIOHTTP = {
    name: value
    for name, value in vars(client_exceptions).items()
    if inspect.isclass(value)
    and issubclass(value, Exception)
    and value.__module__ == client_exceptions.__name__
    and name not in NEVER_RAISED
}
HTTPX = {
    name: value
    for name, value in vars(httpx).items()
    if inspect.isclass(value) and issubclass(value, httpx.TransportError)
}
OUTSIDE_OF_A_TRANSPORT = {
    # What `httpx.AsyncClient` and reading an `httpx.Response` raise; neither is used.
    "CookieConflict",
    "DecodingError",
    "HTTPError",
    "HTTPStatusError",
    "InvalidURL",
    "RequestError",
    "RequestNotRead",
    "ResponseNotRead",
    "StreamClosed",
    "StreamConsumed",
    "StreamError",
    "TooManyRedirects",
}

EXPECTED = {
    "ClientConnectionError": ErrorKind.NETWORK,
    "ClientConnectionResetError": ErrorKind.NETWORK,
    "ClientConnectorCertificateError": ErrorKind.NETWORK,  # TLS through its cause, below
    "ClientConnectorDNSError": ErrorKind.NETWORK,
    "ClientConnectorError": ErrorKind.NETWORK,
    "ClientConnectorSSLError": ErrorKind.NETWORK,  # TLS through its cause, below
    "ClientError": ErrorKind.NETWORK,
    "ClientHttpProxyError": ErrorKind.NETWORK,
    "ClientOSError": ErrorKind.NETWORK,
    "ClientPayloadError": ErrorKind.BAD_CONTENT,
    "ClientProxyConnectionError": ErrorKind.NETWORK,
    "ClientResponseError": ErrorKind.BAD_CONTENT,
    "ClientSSLError": ErrorKind.NETWORK,
    "ConnectionTimeoutError": ErrorKind.TIMEOUT,
    "ContentTypeError": ErrorKind.BAD_CONTENT,
    "InvalidURL": ErrorKind.UNSAFE,
    "InvalidUrlClientError": ErrorKind.UNSAFE,
    "InvalidUrlRedirectClientError": ErrorKind.UNSAFE,
    "NonHttpUrlClientError": ErrorKind.UNSAFE,
    "NonHttpUrlRedirectClientError": ErrorKind.UNSAFE,
    "RedirectClientError": ErrorKind.UNSAFE,
    "ServerConnectionError": ErrorKind.NETWORK,
    "ServerDisconnectedError": ErrorKind.NETWORK,
    "ServerFingerprintMismatch": ErrorKind.NETWORK,
    "ServerTimeoutError": ErrorKind.TIMEOUT,
    "SocketTimeoutError": ErrorKind.TIMEOUT,
    "TooManyRedirects": ErrorKind.BAD_CONTENT,
    "UnixClientConnectorError": ErrorKind.NETWORK,
    "UploadAbortedError": ErrorKind.NETWORK,
    "WSServerHandshakeError": ErrorKind.BAD_CONTENT,
}


def httpx_class(error: type[Exception]) -> type[httpx.TransportError]:
    return next(ERRORS[base] for base in error.__mro__ if base in ERRORS)


def test_every_exception_of_aiohttp_has_its_place() -> None:
    """A new class in a new version fails here before it slips through there."""
    assert {
        name: explain(httpx_class(value)("x"))[0] for name, value in AIOHTTP.items()
    } == EXPECTED


def test_every_exception_of_httpx_has_its_place() -> None:
    """Those of a transport are explained, those of its client are not raised."""
    classes = {
        name
        for name, value in vars(httpx).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert classes == {*HTTPX, *OUTSIDE_OF_A_TRANSPORT}
    for value in HTTPX.values():
        kind, message = explain(value("secret"))
        assert kind in ErrorKind
        assert "secret" not in message


def chained(error: httpx.TransportError, cause: BaseException) -> httpx.TransportError:
    error.__cause__ = aiohttp.ClientError("x")
    error.__cause__.__cause__ = cause
    return error


def certificate_error() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    error.verify_message = "certificate has expired"
    return error


def ssl_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
PRIVATE = AddressRefused("10.0.0.1", Zone.PRIVATE)
UNKNOWN = socket.gaierror(-2, "Name or service not known")
BROKEN = ssl.SSLEOFError(8, "EOF")

CAUSES: list[tuple[str, httpx.TransportError, BaseException, ErrorKind, str]] = [
    ("certificate", httpx.ConnectError(""), certificate_error(), ErrorKind.TLS, "has expired"),
    ("cipher", httpx.ConnectError(""), ssl_error("NO_CIPHER"), ErrorKind.TLS, "no cipher"),
    ("broken-handshake", httpx.ConnectError(""), BROKEN, ErrorKind.NETWORK, "eof"),
    ("dns", httpx.ConnectError(""), UNKNOWN, ErrorKind.NETWORK, "does not resolve"),
    ("refused", httpx.ConnectError(""), REFUSED, ErrorKind.NETWORK, "connection refused"),
    ("address", httpx.ConnectError(""), PRIVATE, ErrorKind.UNSAFE, "private address 10.0.0.1"),
    ("tls-in-body", IncompleteBody(""), ssl_error("BAD_RECORD"), ErrorKind.TRUNCATED, "early"),
    ("no-answer", NoAnswer(""), OSError("x"), ErrorKind.TIMEOUT, "in time"),
]


@pytest.mark.parametrize(
    ("error", "cause", "kind", "words"), [pytest.param(*row[1:], id=row[0]) for row in CAUSES]
)
def test_the_cause_decides_the_kind(
    error: httpx.TransportError, cause: BaseException, kind: ErrorKind, words: str
) -> None:
    """What the system said is what people get to read."""
    found, message = explain(chained(error, cause))
    assert found is kind
    assert words in message.lower()


def test_only_missing_tls_is_missing_tls() -> None:
    """Clear text is never tried because a certificate is bad or a connection broke."""
    assert is_not_tls(chained(httpx.ConnectError("x"), ssl_error("WRONG_VERSION_NUMBER")))
    for cause in (
        certificate_error(),
        ssl_error("NO_SHARED_CIPHER"),
        ssl.SSLEOFError(8, "EOF"),
        OSError(),
    ):
        assert not is_not_tls(chained(httpx.ConnectError("x"), cause))


def test_only_what_never_connected_counts_for_the_circuit() -> None:
    """TLS and refused addresses are settings, not outages."""
    assert is_unreachable(chained(httpx.ConnectError("x"), REFUSED))
    assert is_unreachable(httpx.ConnectTimeout("x"))
    assert not is_unreachable(chained(httpx.ConnectError("x"), certificate_error()))
    assert not is_unreachable(
        chained(httpx.ConnectError("x"), AddressRefused("::1", Zone.LOOPBACK))
    )
    assert not is_unreachable(httpx.ReadError("x"))


def test_no_error_shows_a_query_or_a_password() -> None:
    """Not in its text, its attributes or its repr."""
    asked = Asked(Side.SOURCE, "GET", "https://user:canary@cdn.example/x?sig=canary")
    error = asked.failure(httpx.ReadError("canary"))
    assert "canary" not in f"{error} {error!r} {vars(error)} {asked!r}"
    assert error.url == "https://cdn.example/x"
