"""What crane and skopeo share: found, asked for their version, run in private, read when they fail.

What a tool is told belongs in its own module, what its words mean in `classify.py`.
"""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import anyio

from image_sync.engines.access import Access
from image_sync.engines.base import Refusal
from image_sync.engines.classify import classify
from image_sync.engines.redact import redacted_text, tail
from image_sync.engines.versions import Rule, Version, parse_version, spell
from image_sync.errors import EngineError, ErrorKind
from image_sync.events import Emit, Warned
from image_sync.oci.quoting import printable
from image_sync.runtime import process
from image_sync.runtime.files import private_folder

_PROBE_SECONDS = 20.0
"""For a tool to tell its version: 14 ms measured, with room for a cold disk and a busy machine."""
_FIXED_PATH = "/usr/bin:/bin"
"""The tools start no programs of ours; wrappers around them may need a shell."""
_GO_LIMITS = {"GOMEMLIMIT": "256MiB", "GOMAXPROCS": "2"}
"""Soft memory limit and threads of a Go program: both tools stay below 30 MiB and far below one
core for images of any size (measured), 231 MiB with a hostile manifest (fault row 37)."""
_SHOWN = 600
"""Characters of a tool's words in a message."""
_KEPT = 2_000
"""Characters of its output in an error."""


class Profile(NamedTuple):
    """What a tool is: its name, how it tells its version, which versions are fit, how to get it."""

    name: str
    version_arguments: tuple[str, ...]
    rule: Rule
    install: str
    rc2_is_missing: bool = False


class Sight(NamedTuple):
    """A tool as it is found on this machine.

    Attributes:
        name: Of the tool.
        path: Where it is; None if it is nowhere.
        version: What it says of itself; None if it names no version, or does not run.
        refusal: Why it is not used; None if it may be.
        install: How to get it.
    """

    name: str
    path: Path | None
    version: Version | None
    refusal: Refusal | None
    install: str


class Command(NamedTuple):
    """One run of a tool.

    Attributes:
        arguments: What follows the program's name.
        environment: What is added to the fixed environment.
        hosts: Source and target as they stand in the operands.
        secrets: What must not show in any text.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    hosts: tuple[str, str]
    secrets: frozenset[str]


class Tool:
    """A tool on this machine."""

    def __init__(
        self,
        profile: Profile,
        access: Access,
        emit: Emit,
        *,
        named: bool,
        limits: process.Limits = process.Limits(),  # noqa: B008 - an immutable value
    ) -> None:
        self.name = profile.name
        self._profile = profile
        self._access = access
        self._emit = emit
        self._named = named
        self._limits = limits
        self._probing = anyio.Lock()
        self._probed: dict[tuple[str, int, int], Version | str | None] = {}
        self._warned = False

    async def refusal(self) -> Refusal | None:
        """Why it cannot be used at all: not there, broken, or a version that is not fit."""
        path = self._find()
        if path is None:
            advice = f"install it ({self._profile.install}) somewhere on PATH"
            return Refusal(f"it is not installed: {advice}", ErrorKind.TOOL)
        version = await self._version(path)
        if isinstance(version, str):
            return Refusal(f"{path} does not run: {version}", ErrorKind.TOOL)
        return self._judge(path, version)

    async def look(self) -> Sight:
        """What is there of it, and whether it is used."""
        path = self._find()
        version = await self._version(path) if path else None
        return Sight(
            self.name,
            path,
            None if isinstance(version, str) else version,
            await self.refusal(),
            self._profile.install,
        )

    def _judge(self, path: Path, version: Version | None) -> Refusal | None:
        safe, broken = self._profile.rule
        if version in broken:
            why = f"{path} is version {spell(version)}: {broken[version]}; {self._update}"
            return Refusal(why, ErrorKind.TOOL)
        if version is not None and version >= safe:
            return None
        flaw = (
            f"{path} is {spell(version)}; before {spell(safe)} it can be made to send credentials "
            "to strangers"
        )
        if not self._named:
            name_it = f"set settings.preferred_tool: {self.name} to use it all the same"
            return Refusal(f"{flaw}; {self._update}, or {name_it}", ErrorKind.TOOL)
        if not self._warned:
            self._warned = True
            because = "used because settings.preferred_tool names it"
            self._emit(Warned("engine", f"{self.name}: {flaw}; {because}; {self._update}"))
        return None

    @property
    def _update(self) -> str:
        return f"update it ({self._profile.install})"

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A private folder for one run, with `home`, `work` and `tmp` in it.

        Raises:
            EngineError: It could not be made.
        """
        with ExitStack() as stack:
            with self.translating("make a private folder"):
                folder = stack.enter_context(private_folder(self._access.folder))
                for name in ("home", "work", "tmp"):
                    (folder / name).mkdir(mode=0o700)
            yield folder

    @contextmanager
    def translating(self, operation: str, kind: ErrorKind = ErrorKind.TOOL) -> Iterator[None]:
        """Turn an `OSError` into an `EngineError` that says what could not be done."""
        try:
            yield
        except OSError as error:
            raise EngineError(f"cannot {operation}: {error}", kind, engine=self.name) from error

    async def run(
        self, command: Command, folder: Path, deadline: float, progress: Callable[[int], None]
    ) -> int | None:
        """Run it to its end; gives the bytes it read, None where the kernel does not tell.

        Raises:
            EngineError: It failed, or ran out of time.
        """
        path = self._find()
        if path is None:
            raise EngineError("not installed any more", ErrorKind.TOOL, engine=self.name)
        argv = (str(path), *command.arguments)
        with self.translating(f"run {path}"):
            finished = await process.run(
                argv,
                env=self._environment(folder) | dict(command.environment),
                cwd=folder / "work",
                deadline=deadline,
                watch=progress,
                limits=self._limits,
            )
        if finished.code == 0 and not finished.timed_out and not finished.stalled:
            return finished.moved
        raise self._failure(argv, command, finished, deadline)

    def _failure(
        self, argv: tuple[str, ...], command: Command, finished: process.Finished, deadline: float
    ) -> EngineError:
        text = _readable(finished.stderr, command.secrets)
        source, target = command.hosts
        rc2 = self._profile.rc2_is_missing
        failure = classify(text, finished.code, source=source, target=target, rc2_is_missing=rc2)
        kind, side, words = failure.kind, failure.side, tail(failure.words, _SHOWN)
        if finished.timed_out or finished.stalled:
            kind, side = ErrorKind.TIMEOUT, None
        return EngineError(
            self._ending(finished, deadline) + ": " + (words or "it printed nothing"),
            kind,
            engine=self.name,
            argv=tuple(printable(redacted_text(word, command.secrets), _SHOWN) for word in argv),
            exit_code=finished.code,
            stderr_tail=tail(text, _KEPT),
            side=side,
            progressed=finished.progressed,
        )

    def _ending(self, finished: process.Finished, deadline: float) -> str:
        """How it ended, in words."""
        if finished.stalled:
            return f"moved no byte for {self._limits.stall:g} s and was ended"
        if finished.timed_out:
            moving = "with bytes still moving" if finished.progressed else "without progress"
            return f"was ended after {deadline:g} s, {moving}"
        if finished.code is not None and finished.code < 0:
            return f"was ended by {_signal_name(-finished.code)}"
        return f"failed with exit code {finished.code}"

    def _environment(self, folder: Path) -> dict[str, str]:
        home, roots = str(folder / "home"), ("SSL_CERT_FILE", "SSL_CERT_DIR")
        return {
            "PATH": _FIXED_PATH,
            "LANG": "C",
            "HOME": home,
            "TMPDIR": str(folder / "tmp"),
            **{f"XDG_{kind}": home for kind in ("CONFIG_HOME", "DATA_HOME", "CACHE_HOME")},
            "XDG_RUNTIME_DIR": home,
            **_GO_LIMITS,
            **{key: self._access.environ[key] for key in roots if key in self._access.environ},
        }

    def _find(self) -> Path | None:
        return process.find_program(self.name, self._access.environ)

    async def _version(self, path: Path) -> Version | str | None:
        """The version, None if it names none, or the reason why it does not run; asked once."""
        key = _fingerprint(path)
        async with self._probing:
            if key not in self._probed:
                self._probed[key] = await self._probe(path)
            return self._probed[key]

    async def _probe(self, path: Path) -> Version | str | None:
        try:
            with self.folder() as folder:
                finished = await process.run(
                    (str(path), *self._profile.version_arguments),
                    env=self._environment(folder),
                    cwd=folder / "work",
                    deadline=_PROBE_SECONDS,
                )
        except (OSError, EngineError) as error:
            return str(error)
        if finished.timed_out:
            return f"it did not tell its version within {_PROBE_SECONDS:g} s"
        if finished.code != 0:
            words = tail(_readable(finished.stderr), _SHOWN)
            return f"it ended with exit code {finished.code}: {words}"
        return parse_version(_readable(finished.stdout))


def _readable(output: bytes, secrets: frozenset[str] = frozenset()) -> str:
    return redacted_text(output.decode("utf-8", "backslashreplace"), secrets)


def _fingerprint(path: Path) -> tuple[str, int, int]:
    """What changes when a tool is replaced: its path, inode and time of change."""
    try:
        facts = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), facts.st_ino, facts.st_mtime_ns


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name} (out of memory?)" if number == signal.SIGKILL else name
