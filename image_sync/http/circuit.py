"""Circuit breakers: a host that is down for several repositories is asked once in a while only.

Failures to connect, DNS failures and the statuses 502 to 504 of at least three repositories in a
row, without an answer in between, open a host's circuit; every 30 s one request may try it. One
broken repository therefore never takes its host away from the others.
"""

from http import HTTPStatus

from image_sync.http.clock import Clock

REPOSITORIES = 3
"""Different repositories that must have failed: fewer may be those repositories' own fault."""
PAUSE = 30.0
"""Seconds between two probes of an open circuit."""
FAILING_STATUSES = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
"""A gateway says that nobody is behind it: RFC 9110, sections 15.6.3 to 15.6.5."""


class _Trouble:
    """A host that failed since its last answer."""

    __slots__ = ("ask_again", "repositories")

    def __init__(self) -> None:
        self.repositories: set[str] = set()  # at most REPOSITORIES of them
        self.ask_again: float | None = None  # monotonic seconds; None: closed


class Circuits:
    """The circuit of every host that is in trouble."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._troubles: dict[str, _Trouble] = {}

    def enter(self, host: str) -> float:
        """0.0 if a request may go to a host now, else seconds until one may.

        The request that may go to an open circuit is its probe: nobody else is let in for the
        next 30 s, even if the probe is cancelled.
        """
        trouble = self._troubles.get(host)
        if trouble is None or trouble.ask_again is None:
            return 0.0
        now = self._clock.monotonic()
        if now < trouble.ask_again:
            return trouble.ask_again - now
        trouble.ask_again = now + PAUSE
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

    def failed(self, host: str, repository: str) -> bool:
        """A host could not be reached for a repository; True if that opened its circuit."""
        trouble = self._troubles.setdefault(host, _Trouble())
        if trouble.ask_again is not None:
            trouble.ask_again = self._clock.monotonic() + PAUSE
            return False
        if repository and len(trouble.repositories) < REPOSITORIES:
            trouble.repositories.add(repository)
        if len(trouble.repositories) < REPOSITORIES:
            return False
        trouble.ask_again = self._clock.monotonic() + PAUSE
        return True
