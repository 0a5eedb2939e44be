"""What happens, as frozen values: the only thing that doing tells to watching.

Layers above take `emit: Emit` and call it at the moment something happened; it never blocks and
never raises. The log subscribes; metrics and progress would be other subscribers. Nothing here
carries a secret, and nothing here decides anything.
"""

from collections.abc import Callable

import msgspec

from image_sync.errors import ErrorKind, Side
from image_sync.model import ImageSpec, Security, SyncResult, Tally, Verified
from image_sync.oci import Digest, Reference


class ProcessStarted(msgspec.Struct, frozen=True, tag=True):
    """A process begins that runs until it is told to end."""


class Listening(msgspec.Struct, frozen=True, tag=True):
    """Probes and metrics are served from now on.

    Attributes:
        address: Where, as in `127.0.0.1:8080`.
    """

    address: str


class RegistryServed(msgspec.Struct, frozen=True, tag=True):
    """The registry of our own is served from now on.

    Attributes:
        address: Where, as in `127.0.0.1:5050`.
        root: The folder of its images.
        afterwards: The command that serves it when this process has ended; None if this process
            goes on until it is stopped.
    """

    address: str
    root: str
    afterwards: str | None = None


class RegistryShared(msgspec.Struct, frozen=True, tag=True):
    """Another process of ours serves the cache, and that one is used.

    Attributes:
        address: Where, as in `127.0.0.1:5050`.
        root: The folder of its images.
    """

    address: str
    root: str


class GarbageCollected(msgspec.Struct, frozen=True, tag=True):
    """The registry of our own removed what nothing needs.

    Attributes:
        manifests: How many.
        blobs: How many files, those of the manifests included.
        size: Bytes that are free by that.
    """

    manifests: int
    blobs: int
    size: int


class PassStarted(msgspec.Struct, frozen=True, tag=True):
    """A pass over some images begins."""

    pass_id: str
    images: int
    dry_run: bool


class PassResized(msgspec.Struct, frozen=True, tag=True):
    """More images came due while a pass runs, or some of it are not configured any more.

    Attributes:
        images: How many it has now, done or not.
    """

    pass_id: str
    images: int


class PassFinished(msgspec.Struct, frozen=True, tag=True):
    """A pass is over.

    Attributes:
        duration: Seconds.
        unfinished: Images that the next pass has to finish.
    """

    pass_id: str
    tally: Tally
    duration: float
    interrupted: bool
    unfinished: int = 0


class PassPlanned(msgspec.Struct, frozen=True, tag=True):
    """It is known when the next pass begins; told anew when that changes.

    Attributes:
        seconds: Until then.
    """

    seconds: float


class ConfigAdopted(msgspec.Struct, frozen=True, tag=True):
    """A process that runs until it is stopped works by a configuration from now on.

    Attributes:
        specs: All its images.
        added: How many of them are new; all of them at the start.
        changed: How many are configured otherwise than before.
        removed: How many are not configured any more.
    """

    specs: tuple[ImageSpec, ...]
    added: int
    changed: int
    removed: int


class ConfigRejected(msgspec.Struct, frozen=True, tag=True):
    """A changed configuration is wrong; the one before stays in force.

    Attributes:
        problems: All that is wrong, each in one line with its place.
    """

    problems: tuple[str, ...]


class Stopping(msgspec.Struct, frozen=True, tag=True):
    """A process was told to end: nothing new is begun.

    Attributes:
        signal: The number of the signal.
        copies: How many copies are running still.
        grace: Seconds that they have.
    """

    signal: int
    copies: int
    grace: float


class Stopped(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A process ends; nothing is told after this.

    Attributes:
        signal: The number of the signal that ended it, None if none did.
        copies: How many copies were cut off, None if that is not known.
        error: What ended it in place of a signal.
        at_once: A second signal ended it, and nothing was waited for.
    """

    signal: int | None = None
    copies: int | None = None
    error: str | None = None
    at_once: bool = False


class LeadershipChanged(msgspec.Struct, frozen=True, tag=True):
    """Of several replicas this one works from now on, or another.

    Attributes:
        leads: True if this one does.
        leader: Who does, as far as is known; empty if nobody is known.
    """

    leads: bool
    leader: str


class CopyStarted(msgspec.Struct, frozen=True, tag=True):
    """An engine begins to copy one image."""

    spec: ImageSpec
    engine: str
    digest: Digest
    attempt: int  # from 1


class CopyProgress(msgspec.Struct, frozen=True, tag=True):
    """A copy moved bytes; at most once a second per copy.

    Attributes:
        bytes_moved: Since the engine began.
        size: Bytes that it moves at most, None where it does not know.
    """

    spec: ImageSpec
    engine: str
    bytes_moved: int
    size: int | None = None


class AttemptFailed(msgspec.Struct, frozen=True, tag=True):
    """One attempt at an image failed and another follows.

    Attributes:
        retry_in: Seconds until the next attempt.
    """

    spec: ImageSpec
    attempt: int  # from 1
    error: str
    error_kind: ErrorKind
    retry_in: float


class Postponed(msgspec.Struct, frozen=True, tag=True):
    """An image waits for a host that is to be left alone; nothing is done about it meanwhile.

    Attributes:
        seconds: How long.
    """

    spec: ImageSpec
    seconds: float
    error: str


class EngineSkipped(msgspec.Struct, frozen=True, tag=True):
    """A preferred engine was passed over for another."""

    spec: ImageSpec
    engine: str
    chosen: str
    why: str


class EngineFailed(msgspec.Struct, frozen=True, tag=True):
    """What an engine did and said when it failed; for those who look closer.

    Attributes:
        command: What was run, without secrets; empty if nothing was.
        exit_code: Negative for a signal, None if it did not end by itself.
        said: The end of its output, escaped and without secrets.
    """

    spec: ImageSpec
    engine: str
    command: tuple[str, ...]
    exit_code: int | None
    said: str


class TagMoved(msgspec.Struct, frozen=True, tag=True):
    """A tag of the cache moved; only ever after everything under it was verified."""

    spec: ImageSpec
    reference: Reference
    old: Digest | None
    new: Digest


class ImageFinished(msgspec.Struct, frozen=True, tag=True):
    """An image has its result for this pass."""

    result: SyncResult


class ImageVerified(msgspec.Struct, frozen=True, tag=True):
    """An image was examined in the cache, or again after it was healed."""

    verified: Verified


class RequestFinished(msgspec.Struct, frozen=True, tag=True):
    """A registry answered a request, or did not.

    Attributes:
        host: Canonical host.
        status: HTTP status, None when no answer came.
        duration: Seconds until the headers of the answer.
        tries: Which try of the request this was, from 1.
    """

    side: Side
    host: str
    method: str
    path: str  # without query
    status: int | None
    duration: float
    tries: int


class HostPaused(msgspec.Struct, frozen=True, tag=True):
    """A registry asked to be left alone.

    Attributes:
        seconds: How long.
        pulls_only: True if only manifest and blob GETs pause (a used-up pull quota).
        why: The registry's words, escaped.
    """

    host: str
    seconds: float
    pulls_only: bool
    why: str


class PullQuota(msgspec.Struct, frozen=True, tag=True):
    """A registry told how many pulls are left; sent when the number changes."""

    host: str
    limit: int
    remaining: int


class CircuitOpened(msgspec.Struct, frozen=True, tag=True):
    """A registry failed several times in a row: it is asked again after a while."""

    host: str
    seconds: float


class WeakSecurity(msgspec.Struct, frozen=True, tag=True):
    """A registry that need not prove itself did not; sent once per host and kind of security.

    Attributes:
        security: UNVERIFIED or CLEAR.
        credentials: True if credentials are sent nevertheless; that is told once more.
    """

    host: str
    security: Security
    credentials: bool


class CredentialsFound(msgspec.Struct, frozen=True, tag=True):
    """Credentials for a registry were found; sent once per host and file.

    Attributes:
        where: The file, and the helper program where one answered.
    """

    host: str
    where: str


class Warned(msgspec.Struct, frozen=True, tag=True):
    """Something an operator should know and that stops nothing.

    Attributes:
        subject: What it is about: `ledger`, `credentials`, `engine` and the like.
        message: One line, with what to do.
    """

    subject: str
    message: str


Event = (
    ProcessStarted
    | Listening
    | RegistryServed
    | RegistryShared
    | GarbageCollected
    | PassStarted
    | PassResized
    | PassFinished
    | PassPlanned
    | ConfigAdopted
    | ConfigRejected
    | Stopping
    | Stopped
    | LeadershipChanged
    | CopyStarted
    | CopyProgress
    | AttemptFailed
    | Postponed
    | EngineSkipped
    | EngineFailed
    | TagMoved
    | ImageFinished
    | ImageVerified
    | RequestFinished
    | HostPaused
    | PullQuota
    | CircuitOpened
    | WeakSecurity
    | CredentialsFound
    | Warned
)

Emit = Callable[[Event], None]


def to_all(*subscribers: Emit) -> Emit:
    """Tell several subscribers, in their order."""

    def emit(event: Event) -> None:
        for subscriber in subscribers:
            subscriber(event)

    return emit
