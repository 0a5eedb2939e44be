"""Where an answer sends us, and what may go along: RFC 9110 section 15.4, made stricter.

Pure: text in, the next request or a refusal out. Credentials are bound to an origin (scheme, host
and port); a redirect never leaves https, and an upload never leaves its origin (fault rows 33 to
35). Addresses are judged when connecting (`addresses.py`).
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from image_sync.http.urls import Origin, RefusedUrl, join, parse_origin

MAX_HOPS = 5
"""Redirects followed for one request; registries and their CDNs need one or two."""

_SAME_METHOD = frozenset({HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT})
STATUSES = _SAME_METHOD | {
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.SEE_OTHER,
}
_READING = frozenset({"GET", "HEAD"})
_CROSSING = frozenset({"accept", "accept-encoding", "if-range", "range", "user-agent"})
"""Header fields that mean the same to every server and carry nothing of ours."""


class Hop(NamedTuple):
    """One request to one place."""

    url: str
    origin: Origin
    headers: Mapping[str, str]


def follow(method: str, status: int, location: str, hop: Hop) -> Hop:
    """The next hop of a request that was answered with a redirect.

    Args:
        method: Of the request; it stays the same.
        status: One of `STATUSES`.
        location: The Location header as it came.
        hop: What was answered.

    Raises:
        RefusedUrl: It must not be followed.
    """
    url = join(hop.url, location)
    origin = parse_origin(url)
    if hop.origin.scheme == "https" and origin.scheme != "https":
        raise RefusedUrl("it leads from https to http")
    if method not in _READING and (status not in _SAME_METHOD or origin != hop.origin):
        raise RefusedUrl(f"a {method} is redirected within its own origin only")
    headers = hop.headers if origin == hop.origin else crossing(hop.headers)
    return Hop(url, origin, headers)


def crossing(headers: Mapping[str, str]) -> dict[str, str]:
    """The header fields that may go to another origin."""
    return {name: value for name, value in headers.items() if name.lower() in _CROSSING}
