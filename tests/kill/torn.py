"""What a CNCF distribution that is killed has torn itself, and mending it.

Version 2.8 writes its small files in place: it empties one, and then fills it. A kill in between
leaves it empty, and the registry answers 500 to whoever asks for what it stands for. No client can
do that or prevent it, so it is counted apart from violations, and made as if that write had not
begun. Version 3 writes beside the file and renames. Nothing is torn where it was written before.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.kill.walk import Tagged
from tests.real.running import RunningRegistry

_LINK = len("sha256:") + 64  # characters of a link, which is a digest


def mend(registry: RunningRegistry, before: Mapping[str, Tagged]) -> list[str]:
    """What was torn, as paths; the registry must not be running.

    A tag names again what it named `before`; what else is torn is gone.
    """
    root = registry.root / "docker" / "registry" / "v2"
    torn = [*_torn_links(root / "repositories"), *_torn_blobs(root / "blobs")]
    for file in torn:
        file.unlink()
        if file.parent.name == "current":
            tags = file.parents[2].parent.parent
            name = f"{tags.relative_to(root / 'repositories')}:{file.parents[1].name}"
            if name in before:
                file.write_text(before[name].digest, encoding="ascii")
    return [str(file.relative_to(root)) for file in torn]


def _torn_links(repositories: Path) -> Iterator[Path]:
    for link in repositories.glob("*/*/_[lm]*/**/link"):
        if link.stat().st_size != _LINK:
            yield link


def _torn_blobs(blobs: Path) -> Iterator[Path]:
    for data in blobs.glob("*/*/*/data"):
        if hashlib.sha256(data.read_bytes()).hexdigest() != data.parent.name:
            yield data
