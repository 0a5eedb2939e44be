"""Which key is due next, fair across groups.

Pure: time is a number that the caller passes. Keys and groups are opaque; a key stands in the
queue once.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import count
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class DueQueue(Generic[Key]):
    """Keys with the time at which each is due; groups take turns."""

    def __init__(self) -> None:
        self._groups: OrderedDict[str, list[tuple[float, int, Key]]] = OrderedDict()
        self._order = count()  # keys of one group that are due together keep their order

    def put(self, key: Key, group: str, due: float) -> None:
        """Add a key that is not in the queue."""
        heapq.heappush(self._groups.setdefault(group, []), (due, next(self._order), key))

    def pop(self, now: float, admits: Callable[[str], bool]) -> tuple[Key, str] | None:
        """The next key that is due and its group; None if there is none.

        Args:
            now: Seconds on the clock that `due` was measured by.
            admits: Whether a group may have another turn now.
        """
        for group, entries in self._groups.items():
            if entries[0][0] <= now and admits(group):
                _, _, key = heapq.heappop(entries)
                if entries:
                    self._groups.move_to_end(group)
                else:
                    del self._groups[group]
                return key, group
        return None

    def next_due(self, admits: Callable[[str], bool]) -> float | None:
        """When the earliest key of the groups that have a turn is due; None if there is none."""
        return min(
            (entries[0][0] for group, entries in self._groups.items() if admits(group)),
            default=None,
        )
