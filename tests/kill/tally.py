"""The rounds so far, counted, and what is printed of them."""

from collections import Counter

import msgspec

from tests.kill.rounds import Kill, Victim


class Tally(msgspec.Struct):
    """Counts of a kill loop.

    Attributes:
        kills: By victim.
        midway: Kills of or under a pass that was still at work.
        codes: Exit codes of passes under which a registry was killed.
        left: Uploads left open by the pass that was disturbed, by victim.
        left_next: Uploads left open by the passes after.
        torn: Files that killed caches had torn themselves.
        slowest: Seconds from a kill to the end of its pass, at most.
        slowest_next: Seconds of a pass after a kill, at most.
        violations: How many there were.
    """

    kills: Counter[Victim] = msgspec.field(default_factory=Counter)
    midway: int = 0
    codes: Counter[int] = msgspec.field(default_factory=Counter)
    left: Counter[Victim] = msgspec.field(default_factory=Counter)
    left_next: int = 0
    torn: int = 0
    slowest: float = 0.0
    slowest_next: float = 0.0
    violations: int = 0

    def add(self, kill: Kill) -> None:
        """Count one more."""
        self.kills[kill.victim] += 1
        self.midway += kill.midway
        if kill.code is not None:
            self.codes[kill.code] += 1
        self.left[kill.victim] += kill.left
        self.left_next += kill.left_next
        self.torn += kill.torn
        self.slowest = max(self.slowest, kill.seconds)
        self.slowest_next = max(self.slowest_next, kill.next_seconds)
        self.violations += len(kill.violations)

    def summary(self) -> str:
        """The counts as text, the violations last."""
        lines = (
            f"kills: {self.kills.total()} ({_listed(self.kills)}), {self.midway} of them midway",
            f"exit codes with a registry killed: {_listed(self.codes)}",
            f"from the kill to the end of its pass: at most {self.slowest:.1f} s",
            f"the next pass: at most {self.slowest_next:.1f} s",
            f"uploads left open: {_listed(self.left)}; by the next passes: {self.left_next}",
            f"torn by the cache itself, and mended: {self.torn} files",
            f"violations: {self.violations}",
        )
        return "\n".join(lines)


def _listed(counter: "Counter[Victim] | Counter[int]") -> str:
    return ", ".join(f"{key} {count}" for key, count in sorted(counter.items())) or "none"
