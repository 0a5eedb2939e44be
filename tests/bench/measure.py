"""Running a contender once, and what that took.

Wall time is the launcher's, CPU and memory are the kernel's account of the contender and of its
children (`launch.py`).
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

_LAUNCHER = Path(__file__).with_name("launch.py")
_DEADLINE_SECONDS = 600.0  # for one pass; the slowest contender needs some tens of seconds

# What is wrong with a standard output and standard error, or None.
Proof = Callable[[bytes, bytes], str | None]


class RunError(Exception):
    """A contender failed, or did not do its work."""


def say(text: str) -> None:
    """Tell people how far the benchmark is; the report alone goes to standard output."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - see above


def nothing_to_prove(_: bytes, __: bytes) -> str | None:
    """The proof of a contender whose output says nothing that counts."""
    return None


class Contender(msgspec.Struct, frozen=True):
    """A command that makes one pass."""

    name: str
    command: tuple[str, ...]
    proof: Proof = nothing_to_prove
    stdin: Path | None = None


class Run(msgspec.Struct, frozen=True):
    """One pass of one contender."""

    wall_seconds: float
    cpu_seconds: float  # user and system, with children
    peak_rss_bytes: int  # of the largest process, not of all together


def run(contender: Contender, environment: dict[str, str]) -> Run:
    """Make one pass.

    Raises:
        RunError: It failed, or its output does not prove a pass over every image.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        line = _launched(contender, environment, output, errors)
        said, complained = _text(output), _text(errors)
    if not line:
        problem = f"not started, or not done after {_DEADLINE_SECONDS:g} s"
        raise RunError(_failure(contender, problem, complained))
    wall, user, system, peak, code = line.split()
    problem = f"exit code {code}" if int(code) else contender.proof(said, complained) or ""
    if problem:
        raise RunError(_failure(contender, problem, complained))
    say(f"{contender.name}: {float(wall):.2f} s")
    return Run(float(wall), float(user) + float(system), int(peak))


def _launched(
    contender: Contender, environment: dict[str, str], output: IO[bytes], errors: IO[bytes]
) -> str:
    """The launcher's line, or "" if it or the contender did not get to an end."""
    reader, writer = os.pipe()
    launcher = (sys.executable, "-I", "-S", str(_LAUNCHER), str(writer))
    with os.fdopen(reader) as results, Path(contender.stdin or os.devnull).open("rb") as stdin:
        process = subprocess.Popen(
            [*launcher, *contender.command],
            stdin=stdin,
            stdout=output,
            stderr=errors,
            env=environment,
            pass_fds=[writer],
            start_new_session=True,
        )
        os.close(writer)
        deadline = threading.Timer(_DEADLINE_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        deadline.start()
        with process:
            line = results.read()
        deadline.cancel()
    return line


def _failure(contender: Contender, problem: str, complained: bytes) -> str:
    return f"{contender.name}: {problem}\n{complained[-2000:].decode(errors='replace')}"


def _text(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
