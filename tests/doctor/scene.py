"""A source and a cache on real sockets, a configuration for them, and what is found there."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from image_sync import config
from image_sync.doctor import examine
from image_sync.events import Event
from image_sync.examination import Examination, Level
from tests.hostile import HostileRegistry

SOURCE_ADDRESS, CACHE_ADDRESS = "127.0.0.3", "127.0.0.2"
CANARY = "canary-7d20c4"
"""A password that must be found nowhere."""
PATIENCE = 5.0
"""Seconds for one registry: far more than any needs here."""


class Scene:
    """What an operator set up.

    Attributes:
        settings: Go into the configuration's `settings`.
        registries: Go into its `registries`.
        images: Its `images`.
        environ: The environment, with a PATH on which there is nothing.
        events: What went to the log.
    """

    def __init__(self, folder: Path, cache: str) -> None:
        self.folder = folder
        self.cache = cache
        self.settings: dict[str, object] = {"server": {"listen": "none"}}
        self.registries: dict[str, dict[str, object]] = {}
        self.images: list[object] = []
        self.environ = {"PATH": str(folder / "nothing"), "HOME": str(folder)}
        self.events: list[Event] = []

    def keep(self, source: HostileRegistry, *repositories: str) -> None:
        """Have images of a registry that speaks plain HTTP kept, under their own paths."""
        self.registries.setdefault(source.host, {"plain_http": True})
        for repository in repositories:
            source.store.put_image(repository, "1")
            image = {"source": f"{source.host}/{repository}", "tag": "1", "cache_as": repository}
            self.images.append(image)

    def log_in(self, *hosts: str) -> Path:
        """Have an account of the name `operator` at some hosts."""
        auth = base64.b64encode(f"operator:{CANARY}".encode()).decode()
        file = self.folder / ".docker" / "config.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({"auths": {host: {"auth": auth} for host in hosts}}))
        return file

    async def examined(self, patience: float = PATIENCE) -> Examination:
        """The report."""
        scope = self._scope()
        emit = self.events.append
        return (await examine(scope, emit, self.environ, patience)).report

    def _scope(self) -> config.Scope:
        document = {
            "cache_registry": self.cache,
            "settings": self.settings,
            "registries": self.registries,
            "images": self.images,
        }
        file = self.folder / "image-sync.yaml"
        file.write_text(json.dumps(document))
        loaded = config.load(str(file), environ=self.environ)
        resolved = config.resolve(loaded)
        shard = config.Shard(0, 1)
        return config.Scope(
            resolved=resolved, specs=resolved.specs, shard=shard, files=loaded.files
        )


def told(report: Examination, subject: str, level: Level | None = None) -> str:
    """All that is said of something, on a line for each finding; empty if nothing is."""
    return "\n".join(
        f"{finding.level} {finding.text} -> {finding.remedy}"
        for finding in report.findings
        if finding.subject == subject and level in {None, finding.level}
    )


def failures(report: Examination) -> list[str]:
    """What failed, by subject."""
    return [finding.subject for finding in report.findings if finding.level is Level.FAIL]


def contents(registry: HostileRegistry) -> Mapping[str, Sequence[str]]:
    """Everything that a registry holds, by repository."""
    return {
        name: sorted([*held.blobs, *held.manifests, *held.tags])
        for name, held in registry.store.repositories.items()
    }
