"""Where an image is kept: its repository in the cache, and the tag it is kept under.

Not here: whether two images are kept in the same place (`config/resolve.py`).
"""

from typing import NamedTuple

from image_sync.config.values import PathStyle
from image_sync.oci import Digest, Repository
from image_sync.oci.reference import DOCKER_HUB, DOCKER_HUB_API, parse_path, parse_tag

_STRIPPED = (DOCKER_HUB, DOCKER_HUB_API, "ghcr.io")
"""Hosts that `path_style: strip` leaves out of the path, as image-sync 0.1.1 did."""
_PINNED = "pinned.sha256."
"""Prefix of the tag that keeps a bare digest. `sha256-<hex>` would mean a referrer to it: OCI
distribution spec 1.1, section Referrers Tag Schema."""
LEDGER_PATH = "image-sync/ledger"


class Wanted(NamedTuple):
    """What a configured tag asks for, and the tag it is kept under."""

    source_tag: str | None
    pin: Digest | None
    target_tag: str


def parse_wanted(text: str) -> Wanted:
    """What `TAG`, `sha256:HEX` or `TAG@sha256:HEX` asks for.

    Raises:
        ValueError: It is none of them.
    """
    if ":" in text and "@" not in text:
        digest = _pin(text)
        return Wanted(None, digest, f"{_PINNED}{digest.hex}")
    tag, at, pinned = text.partition("@")
    return Wanted(parse_tag(tag), _pin(pinned) if at else None, tag)


def _pin(text: str) -> Digest:
    digest = Digest.parse(text)
    if digest.algorithm != "sha256":
        raise ValueError(f"{text!r}: only sha256 digests can be configured")
    return digest


def derived_path(text: str, source: Repository, style: PathStyle) -> str:
    """The repository in the cache that follows from a source, below the cache's prefix.

    Args:
        text: The source as it is written, which decides under `strip`.
        source: The same, parsed.
        style: How to derive.

    Raises:
        ValueError: Nothing valid follows from it.
    """
    whole = str(source) if style is PathStyle.PREFIXED else text
    host, slash, path = whole.partition("/")
    host = host.lower()
    if host.startswith("["):
        raise ValueError(f"{text!r} has an IPv6 address for a host: set cache_as")
    if not slash:
        return parse_path(whole)
    if style is PathStyle.STRIP and host in _STRIPPED:
        return parse_path(path)
    return parse_path(f"{host.replace(':', '_')}/{path}")
