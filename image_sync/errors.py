"""Everything that can go wrong, as one tree of exceptions and one closed list of kinds.

::

    ImageSyncError
    ├── ConfigError        the configuration or the command line is wrong; carries every problem
    ├── RegistryError      a registry refused, failed or could not be reached
    ├── EngineError        a copying engine failed or could not be used
    ├── CopyError          a copy arrived wrong, or could not be committed
    ├── ApiError           an API that is no registry refused, failed or could not be reached
    ├── StoreError         a folder of images cannot be used
    │   └── StoreInUseError  another process has it; some callers use what that one serves
    └── ListenError        an address to listen on cannot be had, or not be served by TLS; some
                           callers go on without

A class says what a caller can do about it; an `ErrorKind` says what went wrong. The table `TRAITS`
is the only place that knows, for each kind, whether another attempt may help, whether another
engine may, and the hint for people. Retry policy and report read it.

Not here: turning errors into exit codes and text (`cli/`), and recognising them on the wire
(`registry/errors.py`) or in a tool's output (`engines/`).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class Side(StrEnum):
    """Which of the two registries of one image is meant."""

    SOURCE = "source"
    TARGET = "target"


class ErrorKind(StrEnum):
    """What went wrong; the closed list behind `error_kind` in report and logs."""

    NOT_FOUND = "not_found"
    UNAUTHORIZED = "unauthorized"
    DENIED = "denied"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    NETWORK = "network"
    TIMEOUT = "timeout"
    TLS = "tls"
    BAD_CONTENT = "bad_content"
    TRUNCATED = "truncated"
    BLOB_MISSING = "blob_missing"
    BLOB_REFUSED = "blob_refused"
    REFUSED_BY_TARGET = "refused_by_target"
    TARGET_FULL = "target_full"
    NO_PLATFORM = "no_platform"
    UNSUPPORTED = "unsupported"
    UNSAFE = "unsafe"
    CONFIG = "config"
    TOOL = "tool"
    INTERRUPTED = "interrupted"
    INTERNAL = "internal"


class Traits(NamedTuple):
    """What follows from an `ErrorKind`."""

    retryable: bool  # another attempt at the same image in this pass may help
    next_engine: bool  # another engine may succeed where this one failed
    hint: str


TRAITS: dict[ErrorKind, Traits] = {
    ErrorKind.NOT_FOUND: Traits(False, False, "check the repository and tag; the cached tag stays"),
    ErrorKind.UNAUTHORIZED: Traits(
        False,
        False,
        "add credentials for this registry to a docker config file, or check those it has",
    ),
    ErrorKind.DENIED: Traits(False, False, "these credentials lack the permission; ask for it"),
    ErrorKind.RATE_LIMITED: Traits(
        False, False, "the registry limits us; it is left alone until it says"
    ),
    ErrorKind.UNAVAILABLE: Traits(True, False, "the registry has a fault; see its own logs"),
    ErrorKind.NETWORK: Traits(
        True, False, "check name, port, firewall and that the registry is running"
    ),
    ErrorKind.TIMEOUT: Traits(
        True,
        False,
        "the registry or the way to it is slow; for large images raise settings.pull_timeout_secs",
    ),
    ErrorKind.TLS: Traits(
        False,
        False,
        "set registries.<host>.ca_file, or plain_http if it speaks no TLS",
    ),
    ErrorKind.BAD_CONTENT: Traits(
        False,
        False,
        "what it serves is not what it should be: is it a registry, and is its storage sound?",
    ),
    ErrorKind.TRUNCATED: Traits(True, False, "the connection broke in the middle"),
    ErrorKind.BLOB_MISSING: Traits(True, False, "the image is incomplete at that registry"),
    ErrorKind.BLOB_REFUSED: Traits(
        False,
        False,
        "the cache does not take a layer of it: see its limits, and those of a proxy before it",
    ),
    ErrorKind.REFUSED_BY_TARGET: Traits(
        False,
        False,
        "the cache does not take this kind of manifest; settings.on_docker_manifest: convert helps "
        "with Docker's",
    ),
    ErrorKind.TARGET_FULL: Traits(False, False, "the cache has no space left: free or add some"),
    ErrorKind.NO_PLATFORM: Traits(False, False, "set images[].platform to one that the image has"),
    ErrorKind.UNSUPPORTED: Traits(
        False, True, "no engine at hand can do this; see the reason above"
    ),
    ErrorKind.UNSAFE: Traits(
        False,
        False,
        "refused for safety; registries.<host>.redirect_hosts and realm_hosts name exceptions",
    ),
    ErrorKind.CONFIG: Traits(False, False, "correct the configuration"),
    ErrorKind.TOOL: Traits(
        True, True, "install or update the tool, or set settings.preferred_tool"
    ),
    ErrorKind.INTERRUPTED: Traits(False, False, "the next pass takes it up again"),
    ErrorKind.INTERNAL: Traits(False, False, "this is a bug in image-sync: please report it"),
}
"""Source of the rows: the classes of docs/design.md, section Errors."""


class ImageSyncError(Exception):
    """Base of every error that image-sync raises on purpose.

    Attributes:
        message: One line for people, without the hint; control characters are the caller's to
            escape before they get here.
        kind: What went wrong.
        retry_after: Seconds until the host may be asked again, where it is to be left alone.
    """

    def __init__(
        self,
        message: str,
        kind: ErrorKind,
        *,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.retry_after = retry_after
        self._hint = hint

    @property
    def hint(self) -> str:
        """What to do about it: the specific advice where there is one."""
        return self._hint or TRAITS[self.kind].hint


class Problem(NamedTuple):
    """One thing that is wrong with the configuration.

    Attributes:
        message: What was found, what is expected, and a suggestion where there is one.
        where: `file:line:column`, the name of an environment variable or flag, or empty.
        path: The key, as in `images[3].tag`; empty where no key is meant.
    """

    message: str
    where: str = ""
    path: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.path, self.message) if part)


class ConfigError(ImageSyncError):
    """The configuration or the command line is wrong; the operator must change it (exit 2)."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)), ErrorKind.CONFIG)


class RegistryError(ImageSyncError):
    """A registry refused, failed, lied or could not be reached.

    Attributes:
        side: Source or target.
        method: HTTP method of the request that failed.
        url: Its URL without query and user information; empty when no request was made.
        status: HTTP status of the answer, None when there was none.
        codes: The registry's own error codes, such as `MANIFEST_UNKNOWN`.
    """

    def __init__(  # noqa: PLR0913 - keyword-only facts
        self,
        message: str,
        kind: ErrorKind,
        *,
        side: Side,
        method: str = "",
        url: str = "",
        status: int | None = None,
        codes: tuple[str, ...] = (),
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, kind, retry_after=retry_after, hint=hint)
        self.side = side
        self.method = method
        self.url = url
        self.status = status
        self.codes = codes

    def __str__(self) -> str:
        request = f"{self.method} {self.url}".strip()
        answer = " ".join((*([str(self.status)] if self.status else ()), *self.codes))
        parts = (f"{self.side}: {self.message}", request, answer)
        return " | ".join(part for part in parts if part)


class EngineError(ImageSyncError):
    """An engine could not be used, or failed.

    The message has the program's exit code or signal and its last words.

    Attributes:
        engine: Its name; empty if no engine could be used.
        argv: The command that ran, redacted; empty if none was started.
        exit_code: The program's exit code, negative for a signal, None if it never ended by itself.
        stderr_tail: The end of what it printed: escaped, redacted, bounded.
        side: The registry the failure speaks of, where the text says so.
        progressed: True if bytes were still moving when the deadline struck.
    """

    def __init__(  # noqa: PLR0913 - keyword-only facts
        self,
        message: str,
        kind: ErrorKind,
        *,
        engine: str,
        argv: tuple[str, ...] = (),
        exit_code: int | None = None,
        stderr_tail: str = "",
        side: Side | None = None,
        progressed: bool = False,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, kind, retry_after=retry_after, hint=hint)
        self.engine = engine
        self.argv = argv
        self.exit_code = exit_code
        self.stderr_tail = stderr_tail
        self.side = side
        self.progressed = progressed

    def __str__(self) -> str:
        return ": ".join(part for part in (self.side, self.engine, self.message) if part)


class CopyError(ImageSyncError):
    """What arrived in the cache is not what was asked for, or the tag could not be moved.

    Attributes:
        operation: What was being done: `verify`, `commit`, or `referrers`.
        side: Where the fault lies.
    """

    def __init__(
        self,
        message: str,
        kind: ErrorKind,
        *,
        operation: str,
        side: Side,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, kind, retry_after=retry_after, hint=hint)
        self.operation = operation
        self.side = side

    def __str__(self) -> str:
        return f"{self.side}: {self.operation}: {self.message}"


class ApiError(ImageSyncError):
    """An API that is no registry refused, failed or could not be reached: that of Kubernetes.

    Attributes:
        status: HTTP status of the answer, None when there was none.
    """

    def __init__(
        self, message: str, kind: ErrorKind, *, status: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, kind, hint=hint)
        self.status = status


class StoreError(ImageSyncError):
    """A folder of images cannot be used: another process has it, or a file in it is damaged."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorKind.CONFIG, hint="name another folder, or mend this one")


class StoreInUseError(StoreError):
    """Another process of ours has a folder of images.

    Attributes:
        address: Where it serves it, as in `127.0.0.1:5050`; None as long as it does not.
    """

    def __init__(self, message: str, address: str | None) -> None:
        super().__init__(message)
        self.address = address


class ListenError(ImageSyncError):
    """An address cannot be served: it is taken, not one of this machine, or lacks a certificate."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "free the address or name another, as settings.server.listen; none: no server",
    ) -> None:
        super().__init__(message, ErrorKind.CONFIG, hint=hint)


def side_of(error: ImageSyncError) -> Side | None:
    """The registry that an error speaks of, None if it speaks of neither."""
    match error:
        case RegistryError(side=side) | EngineError(side=side) | CopyError(side=side):
            return side
        case _:
            return None
