"""URLs that the other side names: joined, bound to an origin, or refused; and made fit for logs.

Pure. Location and Link may be relative (RFC 9110 section 10.2.2, RFC 8288 section 3.1). What
follows from an origin is decided in `redirects.py`, `routes.py` and above.
"""

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from image_sync.oci.quoting import printable
from image_sync.oci.reference import api_host

_PORTS = {"http": 80, "https": 443}
_LONGEST_URL = 16 * 1024
"""Characters of a URL; the longest signed CDN URLs known have a few thousand."""


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


@lru_cache(maxsize=1024)  # a few per registry
def registry_origin(scheme: str, host: str) -> Origin:
    """The origin of a registry's API, by its canonical host."""
    return parse_origin(f"{scheme}://{api_host(host)}")


def join(base: str, reference: str) -> str:
    """The absolute URL that a header names, without fragment.

    Args:
        base: URL of the request that was answered.
        reference: The header as it came.

    Raises:
        RefusedUrl: It names none that can be followed.
    """
    if not reference.strip():
        raise RefusedUrl("it is empty")
    try:
        url = urljoin(base, reference.strip()).partition("#")[0]
    except ValueError:
        raise RefusedUrl("it is not a URL") from None
    parse_origin(url)
    return url


def redacted_url(url: str) -> str:
    """A URL without query, fragment and user information, on one line."""
    try:
        split = urlsplit(url)
    except ValueError:
        return printable(url.partition("?")[0].rpartition("@")[2])
    netloc = split.netloc.rpartition("@")[2]
    return printable(f"{split.scheme}://{netloc}{split.path}", 400)


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
