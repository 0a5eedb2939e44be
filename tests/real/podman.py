"""podman with storage of its own: what a node does with a cached image, and what builds push."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.real.tools import require

# Seconds. Measured: 0.3 s for a small image.
_TIMEOUT: Final = 120.0


def pull(reference: str) -> str:
    """Pull `HOST/REPOSITORY:TAG` over plain HTTP; the digest podman says it has.

    Nothing is left on the machine.

    Raises:
        AssertionError: podman refused; its stderr is in it.
    """
    with _storage() as directory:
        _podman(directory, "pull", "--quiet", *_trust(directory), reference)
        return _podman(directory, "image", "inspect", "--format={{.Digest}}", reference)


def push(source: str, target: str) -> str:
    """Pull `source` and push it as `target`, both over plain HTTP; the digest that was pushed.

    Layers are compressed anew: it need not be the source's digest.

    Raises:
        AssertionError: podman refused; its stderr is in it.
    """
    with _storage() as directory:
        _podman(directory, "pull", "--quiet", *_trust(directory), source)
        digest = directory / "digest"
        _podman(directory, "push", f"--digestfile={digest}", *_trust(directory), source, target)
        return digest.read_text(encoding="utf-8").strip()


@contextmanager
def _storage() -> Iterator[Path]:
    # Not pytest's tmp_path: podman takes no run root of more than 50 characters.
    with tempfile.TemporaryDirectory(prefix="pull-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _trust(directory: Path) -> tuple[str, str]:
    """What lets plain HTTP and unsigned images pass."""
    policy = directory / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}', encoding="utf-8")
    return "--tls-verify=false", f"--signature-policy={policy}"


def _podman(directory: Path, *arguments: str) -> str:
    command = [
        str(require("podman")),
        f"--root={directory / 'root'}",
        f"--runroot={directory / 'run'}",
        f"--tmpdir={directory / 'tmp'}",
        "--storage-driver=vfs",
        "--events-backend=none",
        *arguments,
    ]
    ran = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=_TIMEOUT,
        env={"PATH": os.environ["PATH"], "HOME": str(directory)},
    )
    assert ran.returncode == 0, f"{command}: {ran.stderr}"
    return ran.stdout.strip()
