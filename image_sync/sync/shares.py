"""How many places of the checks and of the copies one source host may hold. Pure counting.

So that a registry that hangs never holds all of them while images of another want one.
"""

from collections import Counter

CHECKS_PER_HOST = 32
"""Checks of one source host at once: docs/design.md, section Speed."""


class Shares:
    """Shares by what is unfinished: a host has all places when it is the only one.

    One whose images are still being checked counts as well: a copy takes minutes, so a place that
    is given away is not back when that host needs it.

    Args:
        checks: Places for checks.
        copies: Places for copies.

    Attributes:
        expected: Hosts that may come at any time, and count as if something of theirs were there.
    """

    def __init__(self, checks: int, copies: int) -> None:
        self._checks = checks
        self._copies = copies
        self._unfinished: Counter[str] = Counter()
        self.expected: frozenset[str] = frozenset()

    def add(self, host: str) -> None:
        """Something of a host is to be done."""
        self._unfinished[host] += 1

    def remove(self, host: str) -> bool:
        """Something of a host is done; True if shares have changed by that."""
        self._unfinished[host] -= 1
        if self._unfinished[host]:
            return False
        del self._unfinished[host]
        return True

    def of_checks(self, host: str, free: int) -> int:
        """Places for checks that one host may hold.

        While there is another, no more than it leaves free: half of them if one host hangs, two
        thirds if two do, and some are left however many hang.

        Args:
            host: Which.
            free: Places for checks that nobody holds now.
        """
        width = self._checks
        return min(CHECKS_PER_HOST, width if self._is_alone(host) else max(1, free))

    def of_copies(self, host: str) -> int:
        """Places for copies that one host may hold: all but one while there is another."""
        return self._copies if self._is_alone(host) else max(1, self._copies - 1)

    def _is_alone(self, host: str) -> bool:
        return self.expected <= {host} and len(self._unfinished) <= 1
