"""Whose a URL is, and the one that a Link names: RFC 8288 section 3.

What lies on another origin than the registry is not the registry, and gets no credentials (fault
row 46).
"""

import re

from image_sync.http import RefusedUrl, parse_origin, registry_origin

_LINK = re.compile(r'<([^<>]*)>((?:[^"<,]|"[^"]*")*)')  # target, and its parameters
_RELATION = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)
_MAX_HEADER = 16_384  # characters that are looked at


def is_on(host: str, url: str, *, clear: bool) -> bool:
    """True if a URL lies on a registry itself: same scheme, host and port.

    Args:
        host: Canonical host of the registry.
        url: An absolute URL.
        clear: True if the registry is spoken to over plain HTTP.
    """
    try:
        return parse_origin(url) == registry_origin("http" if clear else "https", host)
    except RefusedUrl:
        return False


def next_link(header: str) -> str | None:
    """The target of the Link with `rel=next`, as it stands there; None if there is none."""
    for target, parameters in _LINK.findall(header[:_MAX_HEADER]):
        relation = _RELATION.search(parameters)
        if relation and "next" in (relation[1] or relation[2] or "").lower().split():
            return str(target)
    return None
