"""What is known of hosts for the life of a process, whatever policies come and go.

A registry that asked to be left alone is left alone by the next configuration, too, and requests
that one configuration has in flight count for the next.
"""

from collections.abc import Mapping

from image_sync.events import Emit
from image_sync.http.circuit import Circuits
from image_sync.http.clock import Clock, SystemClock
from image_sync.http.limits import Limits
from image_sync.http.pauses import Pauses
from image_sync.http.quota import Quotas
from image_sync.model import HostPolicy


class Memory:
    """Pauses, quotas, circuits and limits of all hosts.

    Args:
        emit: Takes the events.
        clock: Where time comes from; the machine's by default.
    """

    def __init__(self, emit: Emit, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.circuits = Circuits(self.clock)
        self.pauses = Pauses(self.clock)
        self.quotas = Quotas(emit)
        self.limits = Limits({}, self.clock)

    def adopt(self, policies: Mapping[str, HostPolicy]) -> None:
        """Keep to other limits from now on, also for whatever waits for a slot already."""
        self.limits.adopt(policies)
