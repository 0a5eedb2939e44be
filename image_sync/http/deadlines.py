"""How long the outside world may take: connecting, the headers of an answer, its body.

Stalls are measured while we wait for the peer. While a consumer of ours does something else, no
time passes here (fault rows 25, 26).
"""

from typing import Self

import msgspec


class Deadlines(msgspec.Struct, frozen=True):
    """Seconds, and bytes per second; the defaults are those of fault row 25."""

    connect: float = 10.0  # DNS, TCP, TLS, proxy
    headers: float = 30.0  # after the request went out
    idle: float = 30.0  # without a byte moving, in either direction
    floor_rate: float = 16 * 1024.0  # bytes per second that a body must reach
    floor_window: float = 60.0  # averaged over that many seconds of waiting

    def with_patience(self, seconds: float) -> Self:
        """The same for a request whose answer may take longer than others."""
        if not seconds:
            return self
        return msgspec.structs.replace(self, headers=self.headers + seconds)


DEFAULTS = Deadlines()


class TooSlow(Exception):  # noqa: N818 - a verdict on the peer
    """A body trickles below the floor; the text says how fast it came."""


class Floor:
    """Watches that a body does not trickle: 1 byte per 2 s beats every idle deadline."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._rate = deadlines.floor_rate
        self._window = deadlines.floor_window
        self._waited = 0.0
        self._bytes = 0

    def arrived(self, count: int, waited: float) -> None:
        """Note a chunk.

        Args:
            count: Its bytes.
            waited: Seconds spent waiting for it.

        Raises:
            TooSlow: The window is over and too little came.
        """
        self._bytes += count
        self._waited += waited
        if self._waited < self._window:
            return
        rate = self._bytes / self._waited
        if rate < self._rate:
            raise TooSlow(f"{rate:.0f} bytes/s over {self._waited:.0f} s of waiting")
        self._waited, self._bytes = 0.0, 0
