"""Docker config files and helpers for tests."""

import base64
import json
from pathlib import Path

from image_sync.credentials import CredentialStore
from image_sync.events import Event

CANARY = "canary-91bd"


def auth(username: str, secret: str) -> dict[str, str]:
    """An entry of `auths` as `docker login` writes it."""
    return {"auth": base64.b64encode(f"{username}:{secret}".encode()).decode()}


def write(path: Path, **document: object) -> str:
    """A file, and its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return str(path)


def helper(folder: Path, name: str, script: str) -> str:
    """A credential helper on a PATH of its own; what is asked of it is added to `NAME.asked`."""
    folder.mkdir(exist_ok=True)
    program = folder / f"docker-credential-{name}"
    log = folder / f"{name}.asked"
    program.write_text(f'#!/bin/sh\nread -r server\necho "$1 $server" >> {log}\n{script}\n')
    program.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def asked(folder: Path, name: str) -> list[str]:
    """What a helper was asked, one line each."""
    log = folder / f"{name}.asked"
    return log.read_text().splitlines() if log.exists() else []


def answering(username: str, secret: str) -> str:
    """A helper's script that answers with a credential."""
    answer = json.dumps({"ServerURL": "x", "Username": username, "Secret": secret})
    return f"echo '{answer}'"


class Watched:
    """A store with the events it emits."""

    def __init__(
        self,
        *files: str,
        environ: dict[str, str] | None = None,
        host_files: dict[str, str] | None = None,
    ) -> None:
        self.events: list[Event] = []
        self.store = CredentialStore(
            files=files, host_files=host_files, environ=environ or {}, emit=self.events.append
        )

    async def user(self, host: str, path: str = "a/b") -> str | None:
        """The user name that is found."""
        found = await self.store.find(host, path)
        return found.username if found else None
