"""URLs that a registry names in a header: joined with the request's own, bound to an origin.

Location and Link may be relative (RFC 9110 section 10.2.2, RFC 8288 section 3.1). What lies on
another origin than the registry is not the registry, and gets no credentials (fault row 46).
"""

import re
from urllib.parse import urljoin

from image_sync.http.redirects import Origin, RefusedUrl, parse_origin
from image_sync.oci.reference import api_host

_LINK = re.compile(r'<([^<>]*)>((?:[^"<,]|"[^"]*")*)')  # target, and its parameters
_RELATION = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)
_MAX_HEADER = 16_384  # characters that are looked at


def join(base: str, reference: str) -> str | None:
    """The absolute URL that a header names, without fragment; None if it names none.

    Args:
        base: URL of the request that was answered.
        reference: The header as it came.
    """
    if not reference:
        return None
    try:
        url = urljoin(base, reference.strip()).partition("#")[0]
        parse_origin(url)
    except ValueError:
        return None
    return url


def is_on(host: str, url: str, *, clear: bool) -> bool:
    """True if a URL lies on a registry itself: same scheme, host and port.

    Args:
        host: Canonical host of the registry.
        url: An absolute URL.
        clear: True if the registry is spoken to over plain HTTP.
    """
    try:
        return parse_origin(url) == _origin(host, clear=clear)
    except RefusedUrl:
        return False


def next_link(header: str) -> str | None:
    """The target of the Link with `rel=next`, as it stands there; None if there is none."""
    for target, parameters in _LINK.findall(header[:_MAX_HEADER]):
        relation = _RELATION.search(parameters)
        if relation and "next" in (relation[1] or relation[2] or "").lower().split():
            return str(target)
    return None


def _origin(host: str, *, clear: bool) -> Origin:
    return parse_origin(f"{'http' if clear else 'https'}://{api_host(host)}")
