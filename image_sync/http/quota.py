"""Pull quotas as Docker Hub tells them, and telling a used-up quota from an abuse limit.

`ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 20;w=21600` come with every answer to a
counted request and with HEADs, which are not counted (fault row 9). No header: not counted.
"""

import re
from collections.abc import Mapping

import msgspec

from image_sync.events import Emit, PullQuota
from image_sync.oci.wire import WireErrors

_ITEM = re.compile(r"\s*([0-9]{1,9})\s*(?:[;,].*)?", re.DOTALL)
_PULL_LIMIT = re.compile(r"pull[ -]?(?:rate[ -]?)?limit", re.IGNORECASE)
_TOO_MANY = "TOOMANYREQUESTS"


class Quota(msgspec.Struct, frozen=True):
    """How many pulls a registry grants in a window, and how many are left of it."""

    limit: int
    remaining: int


def parse_quota(limit: str, remaining: str) -> Quota | None:
    """The quota that two header values tell, None if they tell none."""
    granted, left = _ITEM.fullmatch(limit), _ITEM.fullmatch(remaining)
    if not granted or not left:
        return None
    return Quota(int(granted[1]), int(left[1]))


def is_pull_quota(headers: Mapping[str, str], errors: WireErrors) -> bool:
    """Whether a 429 to a GET speaks of used-up pulls, not of too many requests (fault row 10)."""
    quota = parse_quota(headers.get("ratelimit-limit", ""), headers.get("ratelimit-remaining", ""))
    if quota and quota.remaining == 0:
        return True
    return _TOO_MANY in errors.codes and bool(_PULL_LIMIT.search(errors.message))


class Quotas:
    """What is known of every host's quota."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._known: dict[str, Quota] = {}

    def get(self, host: str) -> Quota | None:
        """The quota of a host, None if it told none."""
        return self._known.get(host)

    def read(self, host: str, limit: str, remaining: str) -> None:
        """Take over what an answer says."""
        quota = parse_quota(limit, remaining)
        if quota:
            self._set(host, quota)

    def charge(self, host: str, pulls: int) -> None:
        """Lower what is left by pulls that a tool is about to spend; the next answer corrects it.

        Args:
            host: Canonical host.
            pulls: How many manifest GETs.
        """
        known = self._known.get(host)
        if known:
            left = max(0, known.remaining - pulls)
            self._set(host, msgspec.structs.replace(known, remaining=left))

    def _set(self, host: str, quota: Quota) -> None:
        if self._known.get(host) == quota:
            return
        self._known[host] = quota
        self._emit(PullQuota(host=host, limit=quota.limit, remaining=quota.remaining))
