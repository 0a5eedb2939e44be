"""The programs a benchmark needs beside the contenders: registries and delay proxies.

Each is a process of its own that ends with its `with` block, so that none shares an event loop
with what is measured.
"""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_START_SECONDS = 20.0  # a registry listens within milliseconds; this is for a busy machine
_STOP_SECONDS = 10.0  # after SIGTERM, before SIGKILL
_LOOK_SECONDS = 0.05  # between two looks whether a registry answers


class StartError(Exception):
    """A server of the benchmark did not come up."""


class Serving(NamedTuple):
    """A registry that runs.

    Attributes:
        host: HOST:PORT.
        pid: Its process.
    """

    host: str
    pid: int


@contextmanager
def distribution(program: Path, folder: Path, address: str) -> Iterator[str]:
    """HOST:PORT of a CNCF distribution registry over a new folder, on plain HTTP."""
    with serving_distribution(program, folder, address) as serving:
        yield serving.host


@contextmanager
def serving_distribution(program: Path, folder: Path, address: str) -> Iterator[Serving]:
    """A CNCF distribution registry over a new folder, on plain HTTP."""
    folder.mkdir()
    host, configuration = f"{address}:{_free_port(address)}", folder / "config.json"
    configuration.write_text(  # JSON is YAML too
        json.dumps(
            {
                "version": 0.1,
                "log": {"level": "error", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": str(folder / "store")}},
                "http": {"addr": host, "secret": "bench"},
            }
        )
    )
    command: list[str | Path] = [program, "serve", configuration]
    with _serving(command, host, folder / "log") as serving:
        yield serving


@contextmanager
def serving_embedded(program: Path, folder: Path, address: str) -> Iterator[Serving]:
    """The embedded registry of an image-sync over a new folder, on plain HTTP."""
    folder.mkdir()
    host = f"{address}:{_free_port(address)}"
    command: list[str | Path] = [program, "serve", "--root", folder / "store", "--listen", host]
    with _serving(command, host, folder / "log") as serving:
        yield serving


@contextmanager
def _serving(command: Sequence[str | Path], host: str, log_file: Path) -> Iterator[Serving]:
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        with _ending(process):
            if not _answers(host):
                raise StartError(f"{command[0]} did not start: {log_file.read_text()[-500:]}")
            yield Serving(host, process.pid)


class Proxy:
    """A proxy that delays and counts, while it runs."""

    def __init__(self, address: str, process: "subprocess.Popen[bytes]") -> None:
        """Wait until it listens.

        Raises:
            StartError: It did not start.
        """
        self._process = process
        self.host = f"{address}:{self._line()}"

    def body_bytes(self) -> int:
        """What the server behind it has sent so far in bodies, taken or not, on all connections."""
        if self._process.stdin is None:
            raise TypeError("started without a pipe")
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return int(self._line())

    def _line(self) -> str:
        line = self._process.stdout.readline().decode().strip() if self._process.stdout else ""
        if not line:
            raise StartError("the delay proxy ended; its error stands above")
        return line


@contextmanager
def delayed(host: str, address: str, round_trip_ms: float) -> Iterator[Proxy]:
    """A proxy that lies that round trip before a server."""
    command = [sys.executable, "-m", "tests.bench.proxy", address, host, str(round_trip_ms / 2)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with _ending(process):
        yield Proxy(address, process)


@contextmanager
def _ending(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    with process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _answers(host: str) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(host, timeout=_START_SECONDS)
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status == http.HTTPStatus.OK
        except ConnectionError:
            time.sleep(_LOOK_SECONDS)
        finally:
            connection.close()
    return False


def _free_port(address: str) -> int:
    with socket.create_server((address, 0)) as listener:
        return int(listener.getsockname()[1])
