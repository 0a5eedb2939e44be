"""Where an answer sends us, and what may go along: RFC 9110 section 15.4, made stricter.

Pure: text in, the next request or a refusal out. Credentials are bound to an origin (scheme, host
and port); a redirect never leaves https, and an upload never leaves its origin (fault rows 33 to
35). Addresses are judged when connecting (`addresses.py`).
"""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from image_sync.oci.wire import printable

MAX_HOPS = 5
"""Redirects followed for one request; registries and their CDNs need one or two."""

STATUSES = frozenset({301, 302, 303, 307, 308})
_READING = frozenset({"GET", "HEAD"})
_SAME_METHOD = frozenset({307, 308})
_PORTS = {"http": 80, "https": 443}
_MAX_PORT = 65_535
_LONGEST_URL = 16 * 1024
"""Characters of a URL; the longest signed CDN URLs known have a few thousand."""
_CROSSING = frozenset({"accept", "accept-encoding", "if-range", "range", "user-agent"})
"""Header fields that mean the same to every server and carry nothing of ours."""


class RefusedUrl(ValueError):  # noqa: N818 - an answer of ours, not a failure
    """A URL that the other side named is not to be followed; the text says why."""


class Origin(NamedTuple):
    """What credentials are bound to."""

    scheme: str
    host: str  # lower case, without brackets
    port: int

    @property
    def authority(self) -> str:
        """`host[:port]` as in a canonical registry host."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _PORTS[self.scheme] else f"{name}:{self.port}"


class Hop(NamedTuple):
    """One request to one place."""

    url: str
    origin: Origin
    headers: Mapping[str, str]


def parse_origin(url: str) -> Origin:
    """The origin of an absolute URL that the other side named.

    Raises:
        RefusedUrl: It is not an http or https URL that can be followed.
    """
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise RefusedUrl("it is too long, or not made of printable ASCII characters")
    split = _split(url)
    if split.scheme not in _PORTS:
        raise RefusedUrl(f"its scheme {printable(split.scheme, 20)!r} is neither http nor https")
    if split.username is not None or split.password is not None:
        raise RefusedUrl("it carries a user name")
    if not split.hostname or "\\" in url or "%" in split.netloc:
        raise RefusedUrl("it has no host")
    port = _port(split)
    return Origin(split.scheme, split.hostname, port or _PORTS[split.scheme])


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
    url = _join(hop.url, location)
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


def redact(url: str) -> str:
    """A URL without query, fragment and user information, on one line."""
    try:
        split = urlsplit(url)
    except ValueError:
        return printable(url.partition("?")[0].rpartition("@")[2])
    netloc = split.netloc.rpartition("@")[2]
    return printable(f"{split.scheme}://{netloc}{split.path}", 400)


def _join(base: str, location: str) -> str:
    try:
        return urljoin(base, location).partition("#")[0]
    except ValueError:
        raise RefusedUrl("it is not a URL") from None


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise RefusedUrl("it is not a URL") from None


def _port(split: SplitResult) -> int | None:
    try:
        port = split.port
    except ValueError:
        raise RefusedUrl("it has no valid port") from None
    if port == 0:
        raise RefusedUrl("it has no valid port")
    return port
