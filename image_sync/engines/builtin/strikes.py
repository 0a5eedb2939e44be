"""How often the same thing may fail before an attempt gives up."""

ENOUGH = 1024 * 1024
"""Bytes of progress after which failures count anew."""


class Strikes:
    """Failures in a row.

    Args:
        limit: The failure that is one too many.
        start: Bytes that are there at first.
    """

    def __init__(self, limit: int, start: int = 0) -> None:
        self._limit = limit
        self._mark = start
        self.count = 0

    def out(self, position: int) -> bool:
        """Count a failure; True if it is one too many.

        Args:
            position: Bytes that are there now; less than before is no progress.
        """
        if position - self._mark >= ENOUGH:
            self._mark = position
            self.count = 0
        self.count += 1
        return self.count >= self._limit
