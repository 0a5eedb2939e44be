"""containerd with storage of its own, asked by `ctr`: what a Kubernetes node pulls with."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.real.children import Child, free_port
from tests.real.tools import require, require_root

# Seconds. Measured: 0.3 s for a small image.
_TIMEOUT: Final = 120.0

_ADDRESS: Final = "127.0.0.1"


class Containerd:
    """One that runs; made by `containerd`."""

    def __init__(self, directory: Path) -> None:
        """Its socket is in `directory`."""
        self._socket = directory / "socket"
        self._hosts = directory / "hosts"

    def mirror(self, registry: str, host: str) -> None:
        """Pull what is named as from `registry` from `host`, over plain HTTP, and only there."""
        lines = [
            'server = "http://127.0.0.1:1"',
            f'[host."http://{host}"]',
            'capabilities = ["pull", "resolve"]',
        ]
        directory = self._hosts / registry
        directory.mkdir(parents=True)
        (directory / "hosts.toml").write_text("\n".join(lines), encoding="utf-8")

    def pull(self, reference: str) -> str:
        """Pull and unpack `REGISTRY/REPOSITORY:TAG`, for this machine; its digest.

        Raises:
            AssertionError: it could not; ctr's stderr is in it.
        """
        self._ctr("images", "pull", f"--hosts-dir={self._hosts}", reference)
        listed = self._ctr("images", "list", f"name=={reference}").splitlines()
        return listed[-1].split()[2]

    def fetch(self, reference: str) -> None:
        """Have every platform of an image, not unpacked."""
        self._ctr("content", "fetch", f"--hosts-dir={self._hosts}", "--all-platforms", reference)

    def push(self, target: str, reference: str) -> None:
        """Push every platform of a fetched image to `HOST/REPOSITORY:TAG`, over plain HTTP."""
        self._ctr("images", "push", "--plain-http", target, reference)

    def digests(self) -> frozenset[str]:
        """Of all manifests, configs and layers that it has."""
        return frozenset(self._ctr("content", "list", "--quiet").split())

    def _ctr(self, *arguments: str) -> str:
        command = [str(require("ctr")), f"--address={self._socket}", *arguments]
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=_TIMEOUT,
            env={"PATH": os.environ["PATH"]},
        )
        assert ran.returncode == 0, f"{command}: {ran.stderr}"
        return ran.stdout


@contextmanager
def containerd() -> Iterator[Containerd]:
    """A containerd that runs, with nothing of the machine's own; it takes root."""
    require("ctr")
    require_root("containerd")
    # Not pytest's tmp_path: a socket's path may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="ctr-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        (directory / "hosts").mkdir()
        # Only so that there is something to wait for.
        metrics = f"{_ADDRESS}:{free_port(_ADDRESS)}"
        config = directory / "config.toml"
        config.write_text(_config(directory, metrics), encoding="utf-8")
        command: list[str | Path] = [require("containerd"), "--config", config]
        child = Child(command, metrics, directory / "log")
        try:
            child.start()
            yield Containerd(directory)
        finally:
            child.stop()


def _config(directory: Path, metrics: str) -> str:
    """As TOML, in which a string is written as in JSON."""
    paths = {each: json.dumps(str(directory / each)) for each in ("root", "state", "socket", "tt")}
    return "\n".join(
        [
            "version = 2",
            f"root = {paths['root']}",
            f"state = {paths['state']}",
            f"[grpc]\naddress = {paths['socket']}",
            f"[ttrpc]\naddress = {paths['tt']}",
            f"[metrics]\naddress = {json.dumps(metrics)}",
        ]
    )
