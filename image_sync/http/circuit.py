"""Circuit breakers: a host that is down is asked once in a while only.

Three failures in a row that are not one and the same, without an answer in between, open a host's
circuit; one request may try it after 5 s, then after pauses that double up to 30 s. The statuses
502 to 504 differ by repository, so that one broken repository never takes its host away from the
others. Failures to connect say nothing of repositories; they differ by request, so that the tries
of one request do not count as three.
"""

from http import HTTPStatus
from typing import NamedTuple

from image_sync.errors import ErrorKind
from image_sync.http.clock import Clock

FAILURES = 3
"""Different failures that open a circuit: fewer may be chance, or one repository's own fault."""
FIRST_PAUSE = 5.0
"""Seconds before the first probe of an open circuit: a registry that restarts is back by then."""
LONGEST_PAUSE = 30.0
"""Seconds between two probes at most; pauses double up to that."""
FAILING_STATUSES = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
"""A gateway says that nobody is behind it: RFC 9110, sections 15.6.3 to 15.6.5."""


class Cause(NamedTuple):
    """What a host failed with."""

    kind: ErrorKind
    message: str


class _Trouble:
    """A host that failed since its last answer."""

    __slots__ = ("ask_again", "cause", "pause", "subjects")

    def __init__(self, cause: Cause) -> None:
        self.cause = cause  # of the last failure
        self.subjects: set[str] = set()  # what failed, at most FAILURES of them
        self.ask_again: float | None = None  # monotonic seconds; None: closed
        self.pause = FIRST_PAUSE  # seconds before the next probe

    def wait(self, now: float) -> None:
        """Have the next probe wait from now."""
        self.ask_again = now + self.pause


class Circuits:
    """The circuit of every host that is in trouble."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._troubles: dict[str, _Trouble] = {}

    def enter(self, host: str) -> float:
        """0.0 if a request may go to a host now, else seconds until one may.

        The request that may go to an open circuit is its probe: nobody else is let in before the
        next one is due, even if the probe is cancelled.
        """
        trouble = self._troubles.get(host)
        if trouble is None or trouble.ask_again is None:
            return 0.0
        now = self._clock.monotonic()
        if now < trouble.ask_again:
            return trouble.ask_again - now
        trouble.pause = min(LONGEST_PAUSE, 2 * trouble.pause)
        trouble.wait(now)
        return 0.0

    def left(self, host: str) -> float:
        """Seconds that a host's circuit is still open for, without taking the probe's turn."""
        trouble = self._troubles.get(host)
        if trouble is None or trouble.ask_again is None:
            return 0.0
        return max(0.0, trouble.ask_again - self._clock.monotonic())

    def succeeded(self, host: str) -> None:
        """A host answered."""
        if self._troubles:
            self._troubles.pop(host, None)

    def cause(self, host: str) -> Cause:
        """What a host whose circuit is open failed with last."""
        return self._troubles[host].cause

    def failed(self, host: str, subject: str, cause: Cause) -> bool:
        """A host could not be reached; True if that opened its circuit.

        Args:
            host: Which.
            subject: What it failed for: failures for the same subject count as one.
            cause: What it failed with.
        """
        trouble = self._troubles.setdefault(host, _Trouble(cause))
        trouble.cause = cause
        now = self._clock.monotonic()
        if trouble.ask_again is not None:
            trouble.wait(now)
            return False
        if subject and len(trouble.subjects) < FAILURES:
            trouble.subjects.add(subject)
        if len(trouble.subjects) < FAILURES:
            return False
        trouble.wait(now)
        return True
