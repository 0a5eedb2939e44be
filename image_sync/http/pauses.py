"""Hosts that asked to be left alone: RFC 9110 section 10.2.3 (Retry-After), RFC 6585 section 4.

A 429 pauses the host for every image (fault rows 8, 10, 11). A used-up pull quota pauses pulls
only: HEADs cost none and go on. Who is refused because of a pause is decided in `admission.py`.
"""

import re
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from image_sync.http.clock import Clock

LONGEST = 6 * 3600.0
"""Seconds that a registry's own word is honoured for: the window of Docker Hub's quota."""
SHORTEST = 1.0
"""Seconds that `Retry-After: 0` and dates in the past count as; without it a registry that sends
them is asked in a tight loop."""
_FIRST = 60.0  # seconds of the first pause that came without Retry-After (fault row 10)
_DOUBLED_TO = 3600.0  # seconds that doubling ends at
_SECONDS = re.compile(r"\s*([0-9]{1,10})(?:\.[0-9]+)?\s*")


def parse_retry_after(value: str | None, date: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for, None if it is absent or makes no sense.

    Args:
        value: The header: seconds, or an HTTP date.
        date: The Date header of the same answer; the difference counts, not our clock.
        now: Seconds since 1970 for an answer without Date.
    """
    if not value:
        return None
    digits = _SECONDS.fullmatch(value)
    if digits:
        return _bounded(float(digits[1]))
    until = parse_date(value)
    if until is None:
        return None
    sent = parse_date(date or "")
    return _bounded(until - (now if sent is None else sent))


def _bounded(seconds: float) -> float:
    return min(LONGEST, max(SHORTEST, seconds))


def parse_date(text: str) -> float | None:
    """Seconds since 1970 of an HTTP date (RFC 9110, section 5.6.7), None if it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


class _Key(NamedTuple):
    host: str
    pulls_only: bool


class Pauses:
    """Which hosts are paused, until when, and how long the next pause is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[_Key, float] = {}
        self._strikes: dict[_Key, int] = {}

    def left(self, host: str, *, pulls: bool) -> float:
        """Seconds that a host is still paused for, 0.0 if it is not.

        Args:
            host: Canonical host.
            pulls: True for a request that spends a pull.
        """
        if not self._until:
            return 0.0
        left = self._left(_Key(host, pulls_only=False))
        return max(left, self._left(_Key(host, pulls_only=True))) if pulls else left

    def pause(self, host: str, seconds: float | None, *, pulls_only: bool) -> float:
        """Leave a host alone and return for how many seconds.

        A pause never shortens one that runs. Several 429s of requests that were in flight
        together are one strike.

        Args:
            host: Canonical host.
            seconds: What it asked for; None for 60 s, doubling with every strike to 1 h.
            pulls_only: True if only pulls pause.
        """
        key = _Key(host, pulls_only)
        running = self._left(key)
        if seconds is None:
            strikes = self._strikes.get(key, 0) + (0 if running else 1)
            self._strikes[key] = strikes
            seconds = running or min(_DOUBLED_TO, _FIRST * 2.0 ** min(strikes - 1, 10))
        seconds = max(running, min(LONGEST, seconds))
        self._until[key] = self._clock.monotonic() + seconds
        return seconds

    def succeeded(self, host: str, *, pulls: bool) -> None:
        """A host answered with something else than 429: the next pause starts at 60 s again."""
        if self._strikes:
            self._strikes.pop(_Key(host, pulls_only=False), None)
            if pulls:
                self._strikes.pop(_Key(host, pulls_only=True), None)

    def _left(self, key: _Key) -> float:
        until = self._until.get(key)
        if until is None:
            return 0.0
        left = until - self._clock.monotonic()
        if left > 0:
            return left
        del self._until[key]
        return 0.0
