"""What a Lease says, and what an election needs of whoever keeps it.

The names on the wire are `leases.py`'s. Times are kept as text: they are for people, and nobody
compares another machine's clock with its own.
"""

from typing import Protocol

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One state of a Lease.

    Attributes:
        version: The API's own, changed by every write; empty for a Lease that is to be made.
        holder: Who leads; empty if nobody does.
        duration: Seconds of silence after which another may lead.
        acquired: When the holder began to lead, RFC 3339; empty if not known.
        renewed: When it last said so.
        transitions: How often the holder changed.
        metadata: What else the API keeps with it, written back as it came.
    """

    version: str = ""
    holder: str = ""
    duration: int = 0
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0
    metadata: dict[str, msgspec.Raw] = {}


class Leases(Protocol):
    """One Lease, wherever it is kept."""

    async def read(self) -> Record | None:
        """What it says now; None if there is none.

        Raises:
            ApiError: Nobody can tell.
        """
        ...

    async def write(self, record: Record) -> Record | None:
        """The Lease as it is from now on; None if it is not any more what `record.version` says.

        Raises:
            ApiError: It failed, or nobody can tell whether it did.
        """
        ...
