"""When the next turn of something recurring is: every so many seconds, or as a calendar says.

A turn that was missed, because the process was busy or the machine asleep, comes once and late; it
is never made up for several times.
"""

import random
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError

from image_sync.schedule.clock import Clock

_FIELDS = 5
_UNSEEN = timedelta(seconds=30)
"""What may pass before it is seen that the time of day was set back: a turn in it comes late."""
_SET_BACK = 60.0
"""Seconds by which the time of day must be set back to be followed: less is a clock being
corrected, and the turn that it would bring again was had."""


class Rhythm(Protocol):
    """Turns, one after the other."""

    @property
    def gap(self) -> float:
        """Seconds from one turn to the next, about."""

    def wait(self) -> float:
        """Seconds until the next turn; 0 or less if it has come."""

    def advance(self) -> None:
        """Go on to the first turn that lies in the future."""


class Jitter:
    """What each turn is earlier or later by, so that many processes do not all begin at once.

    Args:
        most: Seconds either way.
        source: Of randomness; Python's own by default.
    """

    def __init__(self, most: float, source: random.Random | None = None) -> None:
        self._most = most
        self._uniform = source.uniform if source else random.uniform

    def start(self) -> float:
        """Seconds to wait before the first turn."""
        return self._uniform(0, self._most)

    def offset(self, gap: float) -> float:
        """Seconds to add to a turn that is `gap` from the one before it, from now or from the next.

        At most a half of that, so that turns keep their order and lie in the future.
        """
        most = max(0.0, min(self._most, gap / 2))
        return self._uniform(-most, most)


class Every:
    """A turn every so many seconds, from now on.

    Measured by a clock that cannot be set; while a machine sleeps it may stand still.

    Args:
        gap: Seconds.
        jitter: What turns are moved by.
        clock: Where time comes from.
    """

    def __init__(self, gap: float, jitter: Jitter, clock: Clock) -> None:
        self.gap = gap
        self._jitter = jitter
        self._clock = clock
        self._nominal = clock.monotonic()
        self._turn = self._nominal
        self.advance()

    def wait(self) -> float:
        """Seconds until the next turn; 0 or less if it has come."""
        return self._turn - self._clock.monotonic()

    def advance(self) -> None:
        """Go on to the first turn that lies in the future."""
        now = self._clock.monotonic()
        late = max(0.0, now - self._nominal)
        self._nominal += self.gap * (late // self.gap + 1)
        self._turn = self._nominal + self._jitter.offset(min(self.gap, self._nominal - now))


class Calendar(msgspec.Struct, frozen=True):
    """A cron expression and the time zone that it is read in.

    Attributes:
        expression: Five fields, as in cron(5) of Debian.
        zone: Whose clocks it speaks of.
    """

    expression: str
    zone: ZoneInfo

    def __post_init__(self) -> None:
        """Refuse what never comes.

        Raises:
            ValueError: The text says what is wrong with the expression.
        """
        if len(self.expression.split()) != _FIELDS:
            raise ValueError(f"expected {_FIELDS} fields: minute hour day month weekday")
        try:
            self.after(datetime.now(UTC))
        except CronSimError as error:
            raise ValueError(str(error).lower()) from error
        except StopIteration:
            raise ValueError("it names no moment in the next 50 years") from None

    def after(self, moment: datetime) -> datetime:
        """The first moment that it names after some other, in UTC."""
        # Moments of one zone are compared by what its clocks show, which an hour that comes twice
        # turns round.
        earliest = moment.astimezone(UTC)
        turns = CronSim(self.expression, earliest.astimezone(self.zone))
        # In an hour that comes twice, a moment of its first time may be named once more.
        return next(turn for turn in (turn.astimezone(UTC) for turn in turns) if turn > earliest)


class Calendared:
    """Turns at the moments that a calendar names.

    Args:
        calendar: Which.
        jitter: What turns are moved by.
        clock: Where time comes from.
    """

    def __init__(self, calendar: Calendar, jitter: Jitter, clock: Clock) -> None:
        self._calendar = calendar
        self._jitter = jitter
        self._clock = clock
        self._set(calendar.after(clock.now()))

    @property
    def gap(self) -> float:
        """Seconds from the next turn to the one after it."""
        return (self._calendar.after(self._nominal) - self._nominal).total_seconds()

    def wait(self) -> float:
        """Seconds until the next turn; 0 or less if it has come."""
        now = self._clock.now()
        if self._lead(now) < self._known - _SET_BACK:
            self._set(self._calendar.after(now - _UNSEEN))
        return (self._turn - now).total_seconds()

    def advance(self) -> None:
        """Go on to the first turn that lies in the future."""
        self._set(self._calendar.after(max(self._nominal, self._clock.now())))

    def _set(self, nominal: datetime) -> None:
        now = self._clock.now()
        self._nominal = nominal
        gap = min(self.gap, (nominal - now).total_seconds())
        self._turn = nominal + timedelta(seconds=self._jitter.offset(gap))
        self._known = self._lead(now)

    def _lead(self, now: datetime) -> float:
        """Seconds that the time of day is ahead of the clock that cannot be set."""
        return now.timestamp() - self._clock.monotonic()
