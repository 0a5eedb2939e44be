"""Which keys are due when, over days: each by its rhythm, sooner or later as things went.

Keys are opaque, and how they are worked on is another's business: a key is taken when it is due,
and is not due again before it is told what came of it. Time comes from a clock that never jumps.
"""

import heapq
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

from image_sync.schedule.rhythm import Rhythm

Key = TypeVar("Key", bound=Hashable)

SLACK = 0.1
"""Seconds by which a key may be taken too early, so that what is due together is taken together."""
LONGEST_REST = 3600.0
"""Seconds that a failing key is left alone at most, unless the gap of its rhythm is longer."""
_DOUBLINGS = 12
"""Of the shortest gap, a second: more than an hour."""


class Due(NamedTuple, Generic[Key]):
    """What is due now.

    Attributes:
        keys: To be worked on.
        late: Keys whose turn it was and that are still being worked on; they miss it.
        turns: The rhythms whose turn it was.
    """

    keys: list[Key]
    late: list[Key]
    turns: list[Rhythm]


class Agenda(Generic[Key]):
    """Keys with their rhythms.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[Key, _Entry] = {}
        self._rhythms: dict[int, tuple[Rhythm, dict[Key, None]]] = {}  # by identity
        self._kept: Rhythm | None = None  # told of whether a key goes by it or not
        self._alone: list[tuple[float, int, Key]] = []  # a heap; outdated ones are dropped late
        self._count = 0

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def put(self, key: Key, rhythm: Rhythm, delay: float = 0.0) -> None:
        """Add a key, or give one another rhythm; it is due after `delay` seconds.

        One that is being worked on is due again as soon as that is over.
        """
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(rhythm)
        else:
            self._leave(key, entry.rhythm)
            entry.rhythm, entry.failures, entry.rests_until = rhythm, 0, 0.0
        self._join(key, rhythm)
        if entry.taken:
            entry.again = True
        else:
            self._plan(key, entry, delay)

    def adapt(self, key: Key, rhythm: Rhythm) -> None:
        """Give a key another rhythm, and leave the rest as it is."""
        entry = self._entries[key]
        if entry.rhythm is not rhythm:
            self._leave(key, entry.rhythm)
            entry.rhythm = rhythm
            self._join(key, rhythm)

    def keep(self, rhythm: Rhythm) -> None:
        """Tell of the turns of a rhythm even while no key goes by it; of one at a time."""
        before, self._kept = self._kept, rhythm
        self._rhythms.setdefault(id(rhythm), (rhythm, {}))
        if before is not None:
            self._drop_unused(before)

    def remove(self, key: Key) -> None:
        """Forget a key, also one that is being worked on."""
        self._leave(key, self._entries.pop(key).rhythm)

    def wait(self) -> float | None:
        """Seconds until something may be due; None if there is nothing."""
        waits = [rhythm.wait() for rhythm, _ in self._rhythms.values()]
        self._drop_outdated()
        if self._alone:
            waits.append(self._alone[0][0] - self._clock())
        return min(waits, default=None)

    def take(self) -> Due[Key]:
        """What is due now; it is taken until `done` is called for it."""
        now = self._clock() + SLACK
        keys: list[Key] = self._take_alone(now)
        late: list[Key] = []
        turns: list[Rhythm] = []
        for rhythm, members in self._rhythms.values():
            if rhythm.wait() > SLACK:
                continue
            rhythm.advance()
            turns.append(rhythm)
            for key in members:
                entry = self._entries[key]
                if entry.taken and not entry.fresh:
                    late.append(key)
                elif not entry.taken and entry.rests_until <= now:
                    keys.append(key)
                    entry.take(now)
        for key in keys:
            self._entries[key].fresh = False
        return Due(keys, late, turns)

    def done(self, key: Key, *, failed: bool) -> None:
        """Tell what came of a key: one that keeps failing rests ever longer."""
        entry = self._entries.get(key)
        if entry is None:
            return
        entry.failures = entry.failures + 1 if failed else 0
        entry.again |= failed and entry.again_if_failed
        entry.rests_until = entry.taken_at + entry.rest if failed else 0.0
        self._release(key, entry)

    def postpone(self, key: Key, delay: float) -> None:
        """Tell that nothing could be done about a key: it is due after `delay` seconds."""
        entry = self._entries.get(key)
        if entry is None:
            return
        if not self._release(key, entry):
            entry.rests_until = self._clock() + delay
            self._plan(key, entry, delay)

    def hurry(self, *, failing: bool = False) -> None:
        """Have everything due now, or only what failed last.

        What is being worked on is due again as soon as that is over, or has failed.
        """
        for key, entry in self._entries.items():
            if entry.taken:
                entry.again_if_failed = True
                entry.again |= not failing
            elif entry.failures or not failing:
                self._plan(key, entry, 0.0)

    def _take_alone(self, now: float) -> list[Key]:
        keys = []
        self._drop_outdated()
        while self._alone and self._alone[0][0] <= now:
            _, _, key = heapq.heappop(self._alone)
            self._entries[key].take(now, alone=True)
            keys.append(key)
            self._drop_outdated()
        return keys

    def _plan(self, key: Key, entry: "_Entry", delay: float) -> None:
        self._count += 1
        entry.ticket = self._count
        heapq.heappush(self._alone, (self._clock() + delay, self._count, key))

    def _release(self, key: Key, entry: "_Entry") -> bool:
        """A key is not worked on any more; True if it is due at once."""
        entry.taken = entry.again_if_failed = False
        if not entry.again:
            return False
        entry.again = False
        self._plan(key, entry, 0.0)
        return True

    def _drop_outdated(self) -> None:
        """Take from the top of the heap what was planned anew, taken or removed since."""
        while self._alone:
            _, ticket, key = self._alone[0]
            entry = self._entries.get(key)
            if entry and entry.ticket == ticket:
                return
            heapq.heappop(self._alone)

    def _join(self, key: Key, rhythm: Rhythm) -> None:
        self._rhythms.setdefault(id(rhythm), (rhythm, {}))[1][key] = None

    def _leave(self, key: Key, rhythm: Rhythm) -> None:
        del self._rhythms[id(rhythm)][1][key]
        self._drop_unused(rhythm)

    def _drop_unused(self, rhythm: Rhythm) -> None:
        if rhythm is not self._kept and not self._rhythms[id(rhythm)][1]:
            del self._rhythms[id(rhythm)]


class _Entry:
    """What is known of a key.

    Attributes:
        rhythm: When its turns are.
        failures: How often in a row it failed.
        rests_until: Its turns before that are not for it, in seconds of the clock.
        ticket: Which entry of the heap is its; 0 if it waits for its rhythm.
        taken: It is being worked on.
        taken_at: When it was taken last.
        fresh: It was taken just now.
        alone: It was taken between two turns, maybe.
        again: It is due as soon as it is not worked on any more.
        again_if_failed: The same if it fails.
    """

    __slots__ = (
        "again",
        "again_if_failed",
        "alone",
        "failures",
        "fresh",
        "rests_until",
        "rhythm",
        "taken",
        "taken_at",
        "ticket",
    )

    def __init__(self, rhythm: Rhythm) -> None:
        self.rhythm = rhythm
        self.failures = 0
        self.rests_until = 0.0
        self.ticket = 0
        self.taken = False
        self.taken_at = 0.0
        self.fresh = False
        self.alone = False
        self.again = False
        self.again_if_failed = False

    @property
    def rest(self) -> float:
        """Seconds that it is left alone after it failed: a gap, two, four, up to an hour.

        Less a half of one, so that the turn that is meant is not missed for being early. It may
        have been taken between two turns: less a whole one then, or the next that it may have could
        be more than an hour away.
        """
        gap = self.rhythm.gap
        rest = min(LONGEST_REST, gap * 2.0 ** min(self.failures - 1, _DOUBLINGS))
        return max(gap / 2, max(gap, rest) - (gap if self.alone else gap / 2))

    def take(self, now: float, *, alone: bool = False) -> None:
        """It is worked on from now on."""
        self.taken, self.taken_at, self.fresh, self.ticket = True, now, True, 0
        self.alone = alone
