"""Running a contender once, and what that took.

Wall time is ours, CPU and memory are the kernel's account of the child and of its children.
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

import msgspec

from tests.bench.contenders import Contender

_DEADLINE_SECONDS = 600.0  # for one pass; the slowest contender needs some tens of seconds
_MAXRSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024  # getrusage(2)


class RunError(Exception):
    """A contender failed, or did not do its work."""


class Run(msgspec.Struct, frozen=True):
    """One pass of one contender."""

    wall_seconds: float
    cpu_seconds: float  # user and system, with children
    # Peak of the largest process. Linux counts what the benchmark itself held when it started
    # the child, so a child that stays below that has no figure.
    peak_rss_bytes: int | None


def run(contender: Contender, environment: dict[str, str]) -> Run:
    """Make one pass.

    Raises:
        RunError: It failed, or its output does not prove a pass over every image.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        ran, code = _timed(contender, environment, output, errors)
        said, complained = _text(output), _text(errors)
    problem = f"exit code {code}" if code else contender.proof(said, complained)
    if problem:
        raise RunError(
            f"{contender.name}: {problem}\n{complained[-2000:].decode(errors='replace')}"
        )
    return ran


def _timed(
    contender: Contender, environment: dict[str, str], output: IO[bytes], errors: IO[bytes]
) -> tuple[Run, int]:
    with Path(contender.stdin or os.devnull).open("rb") as stdin:
        started = time.perf_counter()
        process = subprocess.Popen(
            contender.command,
            stdin=stdin,
            stdout=output,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
        deadline = threading.Timer(_DEADLINE_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        deadline.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        deadline.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait again
    peak = usage.ru_maxrss * _MAXRSS_UNIT_BYTES
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT_BYTES
    cpu = usage.ru_utime + usage.ru_stime
    return Run(wall, cpu, peak if peak > own else None), process.returncode


def _text(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
