"""Child processes that serve: started, waited for, stopped by their pid."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

# Seconds until a registry must answer; measured: 0.1 to 0.3 s on two busy cores.
_START_TIMEOUT: Final = 30.0
# Seconds between two looks.
_LOOK: Final = 0.01
# Seconds from SIGTERM to SIGKILL.
_STOP_TIMEOUT: Final = 5.0


class StartError(RuntimeError):
    """A server did not come up; carries the end of its log."""


def free_port(address: str) -> int:
    """A TCP port of that loopback address that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


class Child:
    """A server at `host` (`HOST:PORT`); its output goes to `log`."""

    def __init__(
        self,
        command: Sequence[str | Path],
        host: str,
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing runs before `start`. The child sees PATH and `environment` only."""
        self.host = host
        self.log = log
        self._command = [*_dies_with_parent(), *map(str, command)]
        self._environment = {"PATH": os.environ["PATH"], **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until its port answers HTTP.

        Raises:
            StartError: it ended, or did not answer in time.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
            )
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                tail = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise StartError(f"{self._command} did not serve {self.host}:\n{tail}")
            time.sleep(_LOOK)

    def stop(self) -> None:
        """End it with SIGTERM, or SIGKILL if it does not listen."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal: SIGSTOP freezes it, SIGCONT lets it go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        """Whether something speaks HTTP there; a TLS server does so by refusing it."""
        connection = http.client.HTTPConnection(self.host, timeout=_START_TIMEOUT)
        try:
            connection.request("GET", "/v2/")
            connection.getresponse().read()
        except ConnectionRefusedError:
            return False
        except (OSError, http.client.HTTPException):
            return True
        finally:
            connection.close()
        return True


def _dies_with_parent() -> list[str]:
    """So that a test run that is killed leaves no registry behind (Linux)."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
