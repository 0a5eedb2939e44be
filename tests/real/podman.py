"""`podman pull` with storage of its own: what a node does with a cached image."""

import os
import subprocess
import tempfile
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
    # Not pytest's tmp_path: podman takes no run root of more than 50 characters.
    with tempfile.TemporaryDirectory(prefix="pull-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        policy = directory / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}', encoding="utf-8")
        trust = ("--tls-verify=false", f"--signature-policy={policy}")
        _podman(directory, "pull", "--quiet", *trust, reference)
        return _podman(directory, "image", "inspect", "--format={{.Digest}}", reference)


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
