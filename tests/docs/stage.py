"""A machine of its own for a page: a folder, a network that ends at it, and registries.

Linux' namespaces give it all ports and names of its own, so that the commands of a page run as they
stand: `docker.io`, `localhost:5000` and `registry.example` are registries on loopback. Nothing that
runs there outlives it.
"""

import fcntl
import json
import os
import pty
import re
import select
import shlex
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

import bcrypt

from tests.docs.pages import ROOT
from tests.real.accounts import Account, write_htpasswd
from tests.real.tls import Authority
from tests.real.tools import refuse_under_ci, require

ALICE: Final = Account(
    "alice", "wonderland", bcrypt.hashpw(b"wonderland", bcrypt.gensalt(4)).decode()
)
"""Who may read registry.example."""

HOSTS: Final = {
    "127.0.0.1": ("localhost",),
    "127.0.0.3": ("registry-1.docker.io", "ghcr.io", "quay.io"),
    "127.0.0.4": ("registry.example",),
    "127.0.0.5": ("registry.internal.example",),
    "127.0.0.6": ("zot.zot.svc", "zot.zot.svc.cluster.local"),
}
"""Where the hosts that pages name are."""

PATIENCE: Final = 60.0
"""Seconds after which a command is taken to hang: far above any here."""

_WIDTH: Final = 110
"""Columns of the terminal: as wide as the pages' blocks may be."""
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
"""What moves a cursor, or makes text bold."""
_DONE: Final = "@@ done"
_LOOPBACK: Final = """\
import fcntl, socket, struct
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
"""
_WAIT: Final = """\
import socket, sys, time
host, port = sys.argv[1].split(":")
deadline = time.monotonic() + 30
while time.monotonic() < deadline:
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        time.sleep(0.02)
    else:
        sys.exit(0)
sys.exit(sys.argv[1] + " does not come up")
"""
STAND_INS: Final = ("docker", "podman", "kubectl", "htpasswd")


class Ended(NamedTuple):
    """A command that ended."""

    code: int
    output: list[str]


class Stage:
    """The machine: a shell in namespaces of its own, of which a test is the terminal.

    Attributes:
        folder: Where commands run.
        home: The home folder there.
    """

    def __init__(self, base: Path, images: Path, tools: Sequence[str] = ()) -> None:
        """Prepare it; nothing runs before `with`.

        Args:
            base: An empty folder.
            images: What distribution has stored of the sources' images.
            tools: Programs on PATH beside image-sync.
        """
        self.folder = base / "work"
        self.folder.mkdir(parents=True)
        self.home = base / "home"
        self.home.mkdir()
        shutil.copytree(ROOT / "deploy", self.folder / "image-sync" / "deploy")
        self._base = base
        self._images = images
        self._bin = _programs(base / "bin", tools)
        self._authority = Authority(base / "authority")
        self._internal = Authority.stranger(self.folder)
        self._terminal = self._shell = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._read = b""

    def __enter__(self) -> Self:
        self._begin()
        self._check(self._quiet(f"{sys.executable} -c {shlex.quote(_LOOPBACK)}"))
        hosts = self._base / "hosts"
        lines = (f"{address} {' '.join(names)}\n" for address, names in HOSTS.items())
        hosts.write_text("".join(lines), encoding="utf-8")
        self._check(self._quiet(f"mount --bind {hosts} /etc/hosts"))
        self._serve_registries()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)
        os.close(self._shell)

    def run(self, command: str) -> Ended:
        """Run a command as if it were typed there."""
        return self._quiet(command)

    def start(self, command: str, until: str) -> list[str]:
        """Run one that does not end, until its output says that it is up; what it has said."""
        file = self._base / "background.log"
        line = f"IMAGE_SYNC_LOG_FORMAT=text {command} >{file} 2>&1 &"
        self._check(self._quiet(line))
        deadline = time.monotonic() + PATIENCE
        while True:
            said = file.read_text(encoding="utf-8") if file.exists() else ""
            if until in said:
                return said.splitlines()
            assert time.monotonic() < deadline, f"{command} did not say {until!r}: {said}"
            time.sleep(0.02)

    def _begin(self) -> None:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, _WIDTH, 0, 0))
        read, self._shell = os.pipe()
        mapped = () if os.geteuid() == 0 else ("--map-root-user",)
        options = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        alone = [str(require("unshare")), *mapped, *options]
        tried = subprocess.run([*alone, "true"], capture_output=True, check=False, text=True)
        if tried.returncode != 0:
            refuse_under_ci(f"needs the right to use unshare: {tried.stderr}")
        self._process = subprocess.Popen(
            [*alone, "bash", "--norc", "--noprofile"],
            stdin=read,
            stdout=slave,
            stderr=slave,
            cwd=self.folder,
            env={
                "PATH": f"{self._bin}:/usr/bin:/bin",
                "HOME": str(self.home),
                "LANG": "C.UTF-8",
                "TERM": "xterm",
                "CI": "true",  # no live display
                "NO_COLOR": "1",
                "SSL_CERT_FILE": str(self._authority.ca_file),
            },
        )
        os.close(read)
        os.close(slave)
        self._terminal = master

    def _serve_registries(self) -> None:
        trusted, stranger = self._authority, self._internal
        accounts = write_htpasswd(self._base / "htpasswd", ALICE)
        cache = self._base / "cache"
        self._serve("127.0.0.3:443", self._images, trusted)
        self._serve("127.0.0.4:443", self._images, trusted, accounts)
        self._serve("127.0.0.5:443", self._images, stranger)
        self._serve("127.0.0.5:5000", self._images)
        self._serve("127.0.0.1:5000", cache)
        self._serve("127.0.0.6:5000", cache)

    def _serve(
        self,
        address: str,
        root: Path,
        authority: Authority | None = None,
        accounts: Path | None = None,
    ) -> None:
        http: dict[str, object] = {"addr": address, "secret": "fixed"}
        if authority:
            certificate, key = authority.issue(*HOSTS[address.partition(":")[0]])
            http["tls"] = {"certificate": str(certificate), "key": str(key)}
        config: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(root)}, "delete": {"enabled": True}},
            "http": http,
        }
        if accounts:
            config["auth"] = {"htpasswd": {"realm": "tests", "path": str(accounts)}}
        file = self._base / f"{address}.json"
        file.write_text(json.dumps(config), encoding="utf-8")
        program, log = require("registry"), file.with_suffix(".log")
        begun = f"OTEL_TRACES_EXPORTER=none {program} serve {file} >{log} 2>&1 &"
        self._check(self._quiet(begun))
        self._check(self._quiet(f"{sys.executable} -c {shlex.quote(_WAIT)} {address}"))

    def _quiet(self, command: str) -> Ended:
        # Braces and not parentheses: what a command exports or changes into stays.
        line = f"{{ {command}\n}} </dev/null\nprintf '\\n{_DONE} %s\\n' $?\n"
        os.write(self._shell, line.encode())
        return self._until_done(command)

    def _until_done(self, command: str) -> Ended:
        deadline = time.monotonic() + PATIENCE
        mark = f"\n{_DONE} ".encode()
        while not self._is_complete(mark):
            ready, _, _ = select.select([self._terminal], [], [], deadline - time.monotonic())
            assert ready, f"{command} does not end: {self._read.decode()}"
            self._read += _read(self._terminal).replace(b"\r\n", b"\n").replace(b"\r", b"")
        output, _, rest = self._read.partition(mark)
        code, _, self._read = rest.partition(b"\n")
        return Ended(int(code), _COLOURS.sub("", output.decode()).splitlines())

    def _is_complete(self, mark: bytes) -> bool:
        _, found, rest = self._read.partition(mark)
        return bool(found) and b"\n" in rest

    @staticmethod
    def _check(ended: Ended) -> None:
        assert ended.code == 0, "\n".join(ended.output)


def _read(terminal: int) -> bytes:
    """What there is to read.

    Raises:
        OSError: The shell is gone.
    """
    return os.read(terminal, 65536)


def _programs(folder: Path, tools: Sequence[str]) -> Path:
    """A folder for PATH with image-sync, tools, and what stands in for others."""
    folder.mkdir()
    calls = {"image-sync": f"{sys.executable} -m image_sync"}
    # What stands in for a program may need the real one, and never itself.
    real = f"env PATH=/usr/bin:/bin:{folder} PYTHONPATH={ROOT} {sys.executable}"
    calls |= {name: f"{real} -m tests.docs.stand_ins {name}" for name in STAND_INS}
    for name, call in calls.items():
        script = folder / name
        text = f'#!/bin/sh\nexec {call} "$@"\n'
        script.write_text(text, encoding="utf-8")
        script.chmod(0o755)
    for name in tools:
        (folder / name).symlink_to(require(name if name != "skopeo" else "skopeo-1.18"))
    return folder
