"""What a board tells: how things stand at one moment, as frozen values for its readers.

Moments are in UTC; what is still to come is in seconds from now, so that a reader needs no clock.
Not here: how it becomes known (`board.py`), and how it is written (`status.py`, `overview.py`).
"""

from datetime import datetime

import msgspec

from image_sync.model import ImageSpec, SyncResult, Tally
from image_sync.oci import Digest


class ImageState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one configured image.

    Attributes:
        result: What came of it last; None as long as it had no turn.
        checked_at: When that was.
        pulled_at: When it was last copied, as far as this process saw it.
        failures: How often it failed in a row; being skipped does not end a row.
        failing_since: When that row began.
    """

    spec: ImageSpec
    result: SyncResult | None = None
    checked_at: datetime | None = None
    pulled_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A copy that runs now.

    Attributes:
        attempt: From 1.
        bytes_moved: By this engine, since it began.
        size: Bytes that it moves at most, None where the engine does not know.
        rate: Bytes per second over the last ten seconds.
        began_at: When the engine began.
        elapsed: Seconds since then.
    """

    spec: ImageSpec
    engine: str
    attempt: int
    digest: Digest | None
    bytes_moved: int
    size: int | None
    rate: float
    began_at: datetime
    elapsed: float

    @property
    def left(self) -> float | None:
        """Seconds that it takes at most if it goes on like this, None if nobody can tell."""
        if self.size is None or self.rate <= 0:
            return None
        return max(0, self.size - self.bytes_moved) / self.rate


class Pause(msgspec.Struct, frozen=True):
    """A registry is left alone.

    Attributes:
        left: Seconds, still.
        why: The registry's words, escaped.
    """

    left: float
    why: str


class Quota(msgspec.Struct, frozen=True):
    """How many pulls a registry grants, and how many of them are left."""

    limit: int
    remaining: int


class HostState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one registry that said or did something out of the ordinary.

    Attributes:
        host: Canonical host.
        pause: Of all requests; None if there is none.
        pull_pause: Of pulls alone; None if there is none.
        quota: None if it told none.
        down_since: When it failed so often that it is asked once in a while only; None if it
            answers.
        asked_again_in: Seconds until it is asked, the first time after it went down; else 0.0.
    """

    host: str
    pause: Pause | None = None
    pull_pause: Pause | None = None
    quota: Quota | None = None
    down_since: datetime | None = None
    asked_again_in: float = 0.0


class CurrentPass(msgspec.Struct, frozen=True, kw_only=True):
    """A pass that runs.

    Attributes:
        images: How many it is about.
        elapsed: Seconds since it began.
    """

    pass_id: str
    images: int
    dry_run: bool
    began_at: datetime
    elapsed: float
    pulled: int
    already_cached: int
    skipped: int
    failed: int

    @property
    def done(self) -> int:
        """How many images have their result."""
        return self.pulled + self.already_cached + self.skipped + self.failed


class LastPass(msgspec.Struct, frozen=True, kw_only=True):
    """The last pass that is over.

    Attributes:
        duration: Seconds.
    """

    pass_id: str
    tally: Tally
    ended_at: datetime
    duration: float
    interrupted: bool


class ConfigState(msgspec.Struct, frozen=True, kw_only=True):
    """Which configuration is in force, and what was wrong with a later one.

    Attributes:
        adopted_at: None as long as none was adopted.
        rejected_at: When a later one was wrong; None if the one in force is the last.
        problems: All that was wrong with it, each in one line with its place.
    """

    adopted_at: datetime | None = None
    rejected_at: datetime | None = None
    problems: tuple[str, ...] = ()


class Leadership(msgspec.Struct, frozen=True, kw_only=True):
    """Which of several replicas works.

    Attributes:
        leads: True if this one does.
        leader: Who does, as far as is known; empty if nobody is known.
    """

    leads: bool
    leader: str
    since: datetime


class Shutdown(msgspec.Struct, frozen=True, kw_only=True):
    """The process was told to end.

    Attributes:
        signal: The number of the signal.
        grace_left: Seconds that running copies still have.
    """

    signal: int
    grace_left: float
