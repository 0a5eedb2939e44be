"""How long what takes in an election; all of it follows from the Lease's duration."""

from typing import NamedTuple, Self

from image_sync.runtime.farewell import GRACE

LEAVING = GRACE + 1.0
"""Seconds that are kept free for work to end before another may begin: whatever was cancelled has
`GRACE`, from TERM to KILL of a tool as well as for taking uploads back. The rest is for connections
to close, and for what this machine does slowly. A tool that the kernel holds back after KILL may be
waited for longer; it does nothing any more."""
SHORTEST = 10.0
"""Seconds of the shortest duration: it leaves 4 s in which two renewals can fail."""
_LONGEST_PAUSE = 2.0  # seconds between two looks at a Lease: client-go's RetryPeriod


class Terms(NamedTuple):
    """Seconds, each counted from when a request was sent, not from its answer."""

    duration: float
    renew_within: float  # since the last renewal: later than that, work is made to end
    renew_every: float
    patience: float  # for one request
    pause: float  # before another try, and between two looks at a Lease that another holds

    @classmethod
    def of(cls, duration: float) -> Self:
        """Those of a Lease.

        Raises:
            ValueError: It is too short for work to end in time.
        """
        if duration < SHORTEST:
            raise ValueError(f"a Lease of {duration:g} s is too short: at least {SHORTEST:g} s")
        within = min(duration * 2 / 3, duration - LEAVING)
        third = within / 3
        return cls(duration, within, third, third, min(_LONGEST_PAUSE, third))
