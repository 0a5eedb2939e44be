"""What a registry's refusal means: HTTP status and error codes to `ErrorKind`, with advice.

OCI distribution spec 1.1, section Error Codes; where registries differ from it, the row says
which one does what (measured on distribution 2.8 and 3.1, and on Zot 2.1).
"""

import re
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from image_sync.errors import TRAITS, ErrorKind, RegistryError, Side
from image_sync.model import Endpoint
from image_sync.oci.wire import WireErrors, parse_errors
from image_sync.runtime.retry import LONGEST_PAUSE

_SERVER_FAULTS = range(500, 600)
_CLIENT_CLOSED = 499  # nginx's own
RETRYABLE_STATUS = frozenset({HTTPStatus.REQUEST_TIMEOUT, _CLIENT_CLOSED, *_SERVER_FAULTS}) - {
    HTTPStatus.NOT_IMPLEMENTED,
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
    HTTPStatus.INSUFFICIENT_STORAGE,
}
"""Answers after which the same request may succeed: RFC 9110 15.5.9 and 15.6. What is taken out
does not pass while one waits."""

_WRITES = frozenset({"PUT", "POST", "PATCH"})
_REFUSED_CONTENT = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
_OF_A_MANIFEST = re.compile(r"/v2/.+/manifests/[^/]+")
"""The path of a manifest; what else is written belongs to a blob."""
_MISSING_PARTS = frozenset({"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"})
ABANDONED = "BLOB_UPLOAD_UNKNOWN"
"""The code of a session that does not exist; ours, too, for one that cannot go on."""
_LOST_UPLOAD = frozenset({ABANDONED, "BLOB_UPLOAD_INVALID"})
"""A session that the registry forgot; distribution says INVALID after a restart (fault row 44)."""
_LOST = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_ABOUT_SESSIONS = frozenset({"GET", "PUT"})
_DOUBTFUL = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE})
"""Answers to a part of an upload after which its registry says how much arrived: a token that ran
out (fault row 2), a part that is out of order (row 45)."""
_UNKNOWN_REPOSITORY = "NAME_UNKNOWN"
_NO_SPACE = "no space left on device"  # distribution answers 500 with it

_DOCKER_TYPES = (
    'Zot refuses Docker manifests: set `http.compat: ["docker2s2"]` there, or '
    "settings.on_docker_manifest: convert"
)
_CREATE_AND_UPDATE = (
    "moving a tag needs the permissions create and update on the repository (pull and push)"
)
_PRIVATE = "the repository is unknown there, or private: check its name, and the credentials"
_MAKE_REPOSITORY = "this registry does not make repositories by itself: create this one there"


class RefusedRequest(NamedTuple):
    """A request whose answer is not the one that was hoped for.

    Attributes:
        method: What was asked.
        url: Of whom, redacted.
        body: Its start.
        advice: What to do, where the caller knows better than the table below.
        retry_after: Seconds that the registry asks for.
    """

    method: str
    url: str
    status: int
    body: bytes
    advice: str | None = None
    retry_after: float | None = None


def error_from(endpoint: Endpoint, refused: RefusedRequest) -> RegistryError:
    """The error that an answer means."""
    wire = parse_errors(refused.body)
    kind = _kind(endpoint.side, refused, wire)
    return RegistryError(
        f"{endpoint.repository}: {wire.message or _words(kind)}",
        kind,
        side=endpoint.side,
        method=refused.method,
        url=refused.url,
        status=refused.status,
        codes=wire.codes,
        retry_after=refused.retry_after,
        hint=refused.advice or _advice(kind, endpoint.side, refused.method, wire),
    )


def upload_lost(error: RegistryError) -> bool:
    """True if a registry does not know an upload session any more: fault row 44.

    A PATCH that is answered 404 without a code may also meet a registry that knows no PATCH.
    """
    if error.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:  # Zot says INVALID there, too
        return False
    told = bool(_LOST_UPLOAD & set(error.codes))
    return told or (error.status in _LOST and error.method in _ABOUT_SESSIONS)


def upload_broken(error: RegistryError) -> bool:
    """True if an upload may go on after this, from what the registry says that it has."""
    if upload_lost(error):
        return False
    unknown = error.status in _LOST and error.method == "PATCH"
    return unknown or error.status in _DOUBTFUL or is_transient(error)


def is_transient(error: BaseException) -> bool:
    """True if the same request may succeed on its own: not while its host is to be left alone."""
    return (
        isinstance(error, RegistryError)
        and (error.retry_after is None or requested_pause(error) > 0)
        and error.kind is not ErrorKind.BLOB_MISSING  # pushing the blob comes first
        and TRAITS[error.kind].retryable
    )


def requested_pause(error: BaseException) -> float:
    """Seconds to wait because an answer of 503 says so, where that is soon; 0.0 otherwise.

    Only the answer itself counts (RFC 9110, section 15.6.4): an open circuit has no status.
    """
    if not isinstance(error, RegistryError) or error.status != HTTPStatus.SERVICE_UNAVAILABLE:
        return 0.0
    seconds = error.retry_after or 0.0
    return seconds if seconds <= LONGEST_PAUSE else 0.0


def _kind(side: Side, refused: RefusedRequest, wire: WireErrors) -> ErrorKind:
    written = _kind_of_write(side, refused, wire) if refused.method in _WRITES else None
    if written:
        return written
    status = refused.status
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return ErrorKind.UNAUTHORIZED
        case HTTPStatus.FORBIDDEN:
            return ErrorKind.DENIED
        case HTTPStatus.NOT_FOUND:
            return ErrorKind.BLOB_MISSING if "BLOB_UNKNOWN" in wire.codes else ErrorKind.NOT_FOUND
        case HTTPStatus.BAD_REQUEST:
            return ErrorKind.CONFIG
        case _ if status in RETRYABLE_STATUS or status in _SERVER_FAULTS:
            return ErrorKind.UNAVAILABLE
        case _ if status < HTTPStatus.BAD_REQUEST:  # no refusal, and nothing that was asked for
            return ErrorKind.BAD_CONTENT
        case _:
            return ErrorKind.UNSUPPORTED


def _kind_of_write(side: Side, refused: RefusedRequest, wire: WireErrors) -> ErrorKind | None:
    codes, status = set(wire.codes), refused.status
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return None
        case _ if codes & _MISSING_PARTS:
            return ErrorKind.BLOB_MISSING
        case HTTPStatus.NOT_FOUND if codes & _LOST_UPLOAD:
            return ErrorKind.UNAVAILABLE
        case HTTPStatus.METHOD_NOT_ALLOWED:  # read-only: fault row 51
            return ErrorKind.DENIED
        case _ if side is Side.TARGET and _is_full(status, wire):
            return ErrorKind.TARGET_FULL
        case _ if side is Side.TARGET and status in _REFUSED_CONTENT:
            manifest = _OF_A_MANIFEST.fullmatch(urlsplit(refused.url).path)
            return ErrorKind.REFUSED_BY_TARGET if manifest else ErrorKind.BLOB_REFUSED
        case _:
            return None


def _is_full(status: int, wire: WireErrors) -> bool:
    return status == HTTPStatus.INSUFFICIENT_STORAGE or (
        status in _SERVER_FAULTS and _NO_SPACE in wire.message
    )


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
