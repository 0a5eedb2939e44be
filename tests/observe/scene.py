"""What the tests of `observe/` have in common: images, results, and a clock that they set."""

from datetime import UTC, datetime, timedelta

from image_sync.errors import ErrorKind, Side
from image_sync.model import (
    Action,
    Endpoint,
    ImageSpec,
    Reason,
    SyncResult,
    Tally,
    TlsPolicy,
    Verdict,
)
from image_sync.observe import Board
from image_sync.oci import AllPlatforms, Digest, Repository

X = Digest.of(b"x")
NOON = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)
NO_RESULTS = Tally.of([])


class Clock:
    """Seconds that a test sets, and the moment that goes with them; they begin at noon."""

    def __init__(self) -> None:
        self.now = 5_000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> datetime:
        return NOON + timedelta(seconds=self.now - 5_000.0)

    def board(self) -> Board:
        """A board that lives by this clock."""
        return Board(self.monotonic, self.wall)


def image(name: str = "app", tag: str = "1", host: str = "a.example") -> ImageSpec:
    """One image, kept under its own name."""
    return ImageSpec(
        image=f"{host}/{name}",
        tag=tag,
        source=Endpoint(Side.SOURCE, Repository(host, name), TlsPolicy.VERIFY),
        source_tag=tag,
        pin=None,
        target=Endpoint(Side.TARGET, Repository("c.example", name), TlsPolicy.VERIFY),
        target_tag=tag,
        platforms=AllPlatforms(),
    )


_USUAL = {
    Action.PULLED: Reason.CHANGED,
    Action.ALREADY_CACHED: Reason.UNCHANGED,
    Action.SKIPPED: Reason.DEFERRED,
    Action.FAILED: Reason.SOURCE_UNKNOWN,
}


def result(spec: ImageSpec, action: Action, error: str = "source: it is down") -> SyncResult:
    """A usual result with that action."""
    failed = action is Action.FAILED
    return SyncResult(
        spec=spec,
        verdict=Verdict.UNKNOWN if failed else Verdict.CHANGED,
        action=action,
        reason=_USUAL[action],
        remote_digest=X,
        expected_digest=X,
        error=error if failed else None,
        error_kind=ErrorKind.NETWORK if failed else None,
    )
