"""What a registry's refusal means: HTTP status and error codes to `ErrorKind`, with advice.

OCI distribution spec 1.1, section Error Codes; where registries differ from it, the row says
which one does what (measured on distribution 2.8 and 3.1, and on Zot 2.1).
"""

from typing import NamedTuple

from image_sync.errors import TRAITS, ErrorKind, RegistryError, Side
from image_sync.model import Endpoint
from image_sync.oci.wire import WireErrors, parse_errors

MAX_ERROR_BODY = 64 * 1024
"""Bytes of an error body that are read."""

_SERVER_FAULTS = range(500, 600)
RETRYABLE_STATUS = frozenset({408, 499, *_SERVER_FAULTS}) - {501, 505, 507}
"""Answers after which the same request may succeed: RFC 9110 15.5.9 and 15.6, nginx's 499. Not
implemented (501), HTTP version (505) and disk full (507) do not pass while one waits."""

_WRITES = frozenset({"PUT", "POST", "PATCH"})
_REFUSED_CONTENT = frozenset({400, 413, 415, 422})
_MISSING_PARTS = frozenset({"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"})
_LOST_UPLOAD = frozenset({"BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"})
"""A session that the registry forgot; distribution says INVALID after a restart (fault row 44)."""
_UNKNOWN_REPOSITORY = "NAME_UNKNOWN"
_NO_ROOM = 507
_NO_SPACE = "no space left on device"  # distribution answers 500 with it

_DOCKER_TYPES = (
    'Zot takes Docker manifests only with `http.compat: ["docker2s2"]` in its configuration'
)
_CREATE_AND_UPDATE = (
    "moving a tag needs the permissions create and update on the repository (pull and push)"
)
_PRIVATE = "the repository is unknown there, or private: check its name, and the credentials"
_MAKE_REPOSITORY = "this registry does not make repositories by itself: create this one there"


class Refusal(NamedTuple):
    """An answer that is not the one that was hoped for.

    Attributes:
        method: What was asked.
        url: Of whom, redacted.
        body: At most `MAX_ERROR_BODY` bytes.
        advice: What to do, where the caller knows better than the table below.
    """

    method: str
    url: str
    status: int
    body: bytes
    advice: str | None = None


def error_from(endpoint: Endpoint, refusal: Refusal) -> RegistryError:
    """The error that an answer means."""
    wire = parse_errors(refusal.body)
    kind = _kind(endpoint.side, refusal.method, refusal.status, wire)
    return RegistryError(
        f"{endpoint.repository}: {wire.message or _words(kind)}",
        kind,
        side=endpoint.side,
        method=refusal.method,
        url=refusal.url,
        status=refusal.status,
        codes=wire.codes,
        hint=refusal.advice or _advice(kind, endpoint.side, refusal.method, wire),
    )


def may_pass(error: BaseException) -> bool:
    """True if the same request may succeed on its own: not while its host is to be left alone."""
    return (
        isinstance(error, RegistryError)
        and error.retry_after is None
        and error.kind is not ErrorKind.BLOB_MISSING  # pushing the blob comes first
        and TRAITS[error.kind].retryable
    )


def _kind(side: Side, method: str, status: int, wire: WireErrors) -> ErrorKind:
    written = _kind_of_write(side, status, wire) if method in _WRITES else None
    if written:
        return written
    match status:
        case 401:
            return ErrorKind.UNAUTHORIZED
        case 403:
            return ErrorKind.DENIED
        case 404:
            return ErrorKind.BLOB_MISSING if "BLOB_UNKNOWN" in wire.codes else ErrorKind.NOT_FOUND
        case 400:
            return ErrorKind.CONFIG
        case _ if status in RETRYABLE_STATUS or status in _SERVER_FAULTS:
            return ErrorKind.UNAVAILABLE
        case _ if status < 400:  # noqa: PLR2004 - no refusal, and nothing that was asked for
            return ErrorKind.BAD_CONTENT
        case _:
            return ErrorKind.UNSUPPORTED


def _kind_of_write(side: Side, status: int, wire: WireErrors) -> ErrorKind | None:
    codes = set(wire.codes)
    match status:
        case 401 | 403:
            return None
        case _ if codes & _MISSING_PARTS:
            return ErrorKind.BLOB_MISSING
        case 404 if codes & _LOST_UPLOAD:
            return ErrorKind.UNAVAILABLE
        case 405:  # read-only: fault row 51
            return ErrorKind.DENIED
        case _ if side is Side.TARGET and _is_full(status, wire):
            return ErrorKind.TARGET_FULL
        case _ if side is Side.TARGET and status in _REFUSED_CONTENT:
            return ErrorKind.REFUSED_BY_TARGET
        case _:
            return None


def _is_full(status: int, wire: WireErrors) -> bool:
    return status == _NO_ROOM or (status in _SERVER_FAULTS and _NO_SPACE in wire.message)


def _words(kind: ErrorKind) -> str:
    if kind is ErrorKind.BAD_CONTENT:
        return "answered with something else than what was asked for"
    return str(kind).replace("_", " ")


def _advice(kind: ErrorKind, side: Side, method: str, wire: WireErrors) -> str | None:
    writing = method in _WRITES
    match kind:
        case ErrorKind.REFUSED_BY_TARGET if "vnd.docker" in wire.message:
            return _DOCKER_TYPES
        case ErrorKind.DENIED if writing and side is Side.TARGET:
            return _CREATE_AND_UPDATE
        case ErrorKind.NOT_FOUND if writing:
            return _MAKE_REPOSITORY
        case ErrorKind.NOT_FOUND if _UNKNOWN_REPOSITORY in wire.codes:
            return _PRIVATE
        case _:
            return None
