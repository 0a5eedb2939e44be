"""Child processes: the only place that starts a program.

A child gets its own session and process group, a built environment, a private folder, nothing or a
few bytes on stdin, and both output pipes drained with a bound. It ends at its deadline, when it
stalls, when the caller is cancelled, and (on Linux, with util-linux's `setpriv`) when its parent
dies. Whatever happens, its group is killed and it is reaped.

The pipes are ours, not asyncio's: asyncio may wait for a pipe that a grandchild holds (CPython
gh-119710), and its reader has no bound that keeps both ends of the output.

Not here: what a program's output means (`engines/`, `credentials/`).
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import anyio
import anyio.abc

from image_sync.runtime.farewell import GRACE
from image_sync.runtime.meter import Meter
from image_sync.runtime.output import Output
from image_sync.runtime.unforeseen import unwrapped

if sys.platform == "linux":
    import resource

MAX_STDIN = 4096
"""Bytes for stdin: PIPE_BUF on Linux (pipe(7)), so that one write never blocks."""
_SYSTEM_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"

_live: set[int] = set()
"""The process groups of the children that run now."""


class Limits(NamedTuple):
    """Bounds in seconds.

    Attributes:
        grace: From SIGTERM to SIGKILL. crane and skopeo need 10 ms (measured), so a program that
            takes longer hangs.
        stall: Without a byte read or written. Twice the longest wait that a tool makes on purpose:
            skopeo honours a Retry-After of up to 60 s.
        sample: Between two looks at the child's byte counters; one costs about 30 µs (measured).
        report: Between two calls of `watch`.
        drain: For what is left in the pipes when the child has ended.
    """

    grace: float = GRACE
    stall: float = 120.0
    sample: float = 0.1
    report: float = 1.0
    drain: float = 1.0


class Finished(NamedTuple):
    """How a child ended.

    Attributes:
        code: Its exit code, negative for a signal, None if it could not even be killed.
        stdout: What it printed, the middle left out if it was long.
        stderr: The same.
        timed_out: The deadline ended it.
        stalled: It ended because no byte moved for too long.
        progressed: Bytes were moving steadily when the deadline struck.
        moved: Bytes it had read at the last look; None where the kernel does not tell.
    """

    code: int | None
    stdout: bytes
    stderr: bytes
    timed_out: bool = False
    stalled: bool = False
    progressed: bool = False
    moved: int | None = None


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    deadline: float,
    stdin: bytes | None = None,
    watch: Callable[[int], None] | None = None,
    limits: Limits = Limits(),  # noqa: B008 - an immutable value
) -> Finished:
    """Run a program to its end and tell how it ended.

    Args:
        argv: The program, as an absolute path, and its arguments.
        env: Its whole environment.
        cwd: Where it runs.
        deadline: Seconds until it is told to stop.
        stdin: At most `MAX_STDIN` bytes; None closes it.
        watch: Gets the bytes that the child has read so far, about once a second.
        limits: The other bounds.

    Raises:
        OSError: It could not be started.
        Exception: What `watch` raised, as it is and not in a group.
    """
    outcome, failure = Finished(None, b"", b""), None
    with ExitStack() as ends:
        outputs = Output(ends), Output(ends)
        with ExitStack() as given:
            child = _Child(await _start(argv, env, cwd, _stdin(given, stdin), outputs, given))
        try:
            async with anyio.create_task_group() as tasks:
                for output in outputs:
                    tasks.start_soon(output.drain)
                outcome = await _observe(child, deadline, watch, limits)
                await child.end(limits.grace)
                with anyio.move_on_after(limits.drain):  # what left the group may hold the pipes
                    for output in outputs:
                        await output.ended.wait()
                tasks.cancel_scope.cancel()
        except ExceptionGroup as group:
            failure = unwrapped(group)
        finally:
            with anyio.CancelScope(shield=True):
                await child.end(limits.grace)
        if failure is not None:
            raise failure  # out here, so that its own cause stays
        stdout, stderr = (output.content for output in outputs)
        return outcome._replace(code=child.code, stdout=stdout, stderr=stderr)


def kill_all() -> None:
    """SIGKILL to every child with its group, without waiting: for a process that ends at once.

    Safe in a signal handler. A child that is being started at this very moment is missed; where
    there is `setpriv`, it dies with its parent all the same.
    """
    for group in tuple(_live):
        _kill(group, signal.SIGKILL)


def is_ours(pid: int) -> bool:
    """True of a child that was started here and is waited for."""
    return pid in _live


def find_program(name: str, environ: Mapping[str, str]) -> Path | None:
    """A program on PATH, None if there is none.

    Relative folders on it are passed over: a program in the folder that we happen to be started in
    must not get what our children are given.
    """
    folders = environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if Path(folder).is_absolute())
    found = shutil.which(name, path=path) if path else None
    return Path(found) if found else None


def _kill(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
        os.killpg(group, number)


async def _start(
    argv: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    stdin: int,
    outputs: tuple[Output, Output],
    given: ExitStack,
) -> anyio.abc.Process:
    _check(Path(argv[0]))
    # A cancelled spawn leaks the child or hangs (CPython gh-125502, gh-127874); it is fork and
    # exec alone, so it needs no deadline.
    with anyio.CancelScope(shield=True):
        process = await anyio.open_process(
            [*_dies_with_parent(), *argv],
            stdin=stdin,
            stdout=outputs[0].open(given),
            stderr=outputs[1].open(given),
            cwd=cwd,
            env=env,
            start_new_session=True,
            umask=0o077,
        )
    if sys.platform == "linux":
        with suppress(OSError):  # it may be over already
            resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))  # secrets are in memory
    return process


def _check(program: Path) -> None:
    """Behind `setpriv` a program that is not there would be an exit code, not an error."""
    if not (program.is_absolute() and program.is_file() and os.access(program, os.X_OK)):
        raise FileNotFoundError(f"{program} is not the path of a program")


def dies_with_us() -> bool:
    """True if a child of ours is ended by the kernel when we are killed."""
    return bool(_dies_with_parent())


@lru_cache(maxsize=1)
def _dies_with_parent() -> tuple[str, ...]:
    """The prefix that has the kernel kill a child when its parent dies; empty if there is none."""
    found = find_program("setpriv", {"PATH": _SYSTEM_PATH}) if sys.platform == "linux" else None
    if found is None or found.resolve().name == "busybox":  # its setpriv lacks --pdeathsig
        return ()
    return (str(found), "--pdeathsig", "KILL", "--")


class _Child:
    """A running process and its group."""

    def __init__(self, process: anyio.abc.Process) -> None:
        self._process = process
        self._ended = False
        _live.add(process.pid)

    @property
    def code(self) -> int | None:
        return self._process.returncode

    def running(self) -> bool:
        return self.code is None

    async def wait(self) -> None:
        await self._process.wait()

    async def end(self, grace: float) -> None:
        """SIGTERM, then SIGKILL, to whatever of the group still runs; reaps the child. Once."""
        if self._ended:
            return
        if self.running():
            _kill(self._process.pid, signal.SIGTERM)
            with anyio.move_on_after(grace):
                await self.wait()
        _kill(self._process.pid, signal.SIGKILL)  # also for grandchildren that outlive the child
        with anyio.move_on_after(grace):  # only a process stuck in the kernel takes longer
            await self.wait()
        self._ended = True
        _live.discard(self._process.pid)

    def counters(self) -> tuple[int, int] | None:
        """Bytes read and written so far, sockets included; None where the kernel hides them."""
        try:
            text = Path(f"/proc/{self._process.pid}/io").read_bytes()
        except OSError:
            return None
        try:
            read, written = text.split(b"\n", 2)[:2]  # proc(5): "rchar: N", "wchar: N"
            return int(read.split()[1]), int(written.split()[1])
        except (ValueError, IndexError):
            return None


async def _observe(
    child: _Child, deadline: float, watch: Callable[[int], None] | None, limits: Limits
) -> Finished:
    """Wait for the child's end, the deadline or a stall, whichever is first."""
    meter = Meter(anyio.current_time())
    outcome = Finished(None, b"", b"")
    with anyio.move_on_after(deadline) as scope:
        reported = anyio.current_time()
        while child.running():
            with anyio.move_on_after(limits.sample):
                await child.wait()
            now = anyio.current_time()
            meter.look(now, child.counters())
            if watch and meter.moved is not None and now - reported >= limits.report:
                reported = now
                watch(meter.moved)
            if child.running() and meter.idle(now) >= limits.stall:
                outcome = outcome._replace(stalled=True)
                break
    if scope.cancelled_caught and child.running():
        now = anyio.current_time()
        outcome = outcome._replace(timed_out=True, progressed=meter.steady(now))
    return outcome._replace(moved=meter.moved)


def _stdin(given: ExitStack, content: bytes | None) -> int:
    if content is None:
        return subprocess.DEVNULL
    if len(content) > MAX_STDIN:
        raise ValueError(f"stdin takes at most {MAX_STDIN} bytes")
    reader, writer = os.pipe()
    given.callback(os.close, reader)
    try:
        os.write(writer, content)
    finally:
        os.close(writer)
    return reader
