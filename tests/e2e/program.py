"""image-sync as an operator runs it: a process with a configuration, an environment and a PATH."""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tests.real.accounts import Account
from tests.real.running import RunningRegistry

# Seconds after which a run is taken to hang: far above any run here, which takes a few seconds.
PATIENCE: Final = 120.0


class Result(msgspec.Struct):
    """One entry of the report, as far as tests look at it."""

    image: str
    tag: str
    target: str
    action: str
    reason: str
    remote_digest: str | None
    cached_digest: str | None
    expected_digest: str | None
    engine: str | None
    attempts: int
    error: str | None
    error_kind: str | None


class Summary(msgspec.Struct):
    """The numbers of the report."""

    pulled: int
    already_cached: int
    skipped: int
    deferred: int
    failed: int
    total: int


class Report(msgspec.Struct):
    """The report, as far as tests look at it."""

    cache_registry: str
    summary: Summary
    results: list[Result]


class Run(NamedTuple):
    """A run that ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> Report:
        """The JSON document on standard output, which is all there is on it."""
        return msgspec.json.decode(self.stdout, type=Report)

    @property
    def actions(self) -> list[str]:
        """What was done with each image, in the order of the configuration."""
        return [result.action for result in self.report.results]

    @property
    def only(self) -> Result:
        """The result of the only image."""
        (result,) = self.report.results
        return result


class Program:
    """image-sync with a folder of its own: configuration, credentials, tools.

    Attributes:
        settings: Go into the configuration's `settings`.
        registries: Go into its `registries`.
        images: Its `images`.
    """

    def __init__(
        self, directory: Path, cache_registry: str | Mapping[str, str], path: Path
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.cache_registry = cache_registry
        self.settings: dict[str, object] = {}
        self.registries: dict[str, dict[str, object]] = {}
        self.images: list[object] = []
        self.environment = {"PATH": str(path), "HOME": str(directory / "home")}

    @property
    def config(self) -> Path:
        """The configuration file, as things stand."""
        document = {
            "cache_registry": self.cache_registry,
            "settings": self.settings,
            "registries": self.registries,
            "images": self.images,
        }
        file = self.directory / "image-sync.yaml"
        file.write_text(json.dumps(document), encoding="utf-8")
        return file

    def trust(self, registry: RunningRegistry) -> None:
        """Know a registry's CA."""
        self.registries.setdefault(registry.host, {})["ca_file"] = str(registry.ca_file)

    def log_in(self, accounts: Mapping[str, Account]) -> Path:
        """Have credentials in the home folder's docker config file."""
        file = self.directory / "home" / ".docker" / "config.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        auths = {host: {"auth": account.docker_auth()} for host, account in accounts.items()}
        file.write_text(json.dumps({"auths": auths}), encoding="utf-8")
        return file

    def add(self, registry: RunningRegistry, repository: str, tag: str, **keys: object) -> None:
        """Have an image of a registry kept, under its own path."""
        source = f"{registry.host}/{repository}"
        self.images.append({"source": source, "tag": tag, "cache_as": repository, **keys})

    def once(self, *arguments: str) -> Run:
        """One pass."""
        return self.run("--once", "--config", str(self.config), *arguments)

    def run(self, *arguments: str) -> Run:
        """Any run, to its end."""
        process = self.start(*arguments)
        try:
            stdout, stderr = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        return Run(process.returncode, stdout, stderr)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """A run that goes on in the background."""
        return subprocess.Popen(
            command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            cwd=self.directory,
            text=True,
        )


def command(*arguments: str) -> Sequence[str]:
    """The command line of image-sync."""
    return [sys.executable, "-m", "image_sync", *arguments]


def finish(process: "subprocess.Popen[str]", signum: signal.Signals | None = None) -> Run:
    """Send a signal, and wait for the end."""
    if signum is not None:
        process.send_signal(signum)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    return Run(process.returncode, stdout, stderr)
