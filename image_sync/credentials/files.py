"""Docker config files on disk: where they are, and their content as of now."""

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from image_sync.credentials.dockerconfig import MAX_FILE, BrokenFile, DockerConfig, parse_config

_NAMES = ("config.json", ".dockerconfigjson")
"""What the file is called in $DOCKER_CONFIG: docker's name, and the one Kubernetes gives a Secret
of type kubernetes.io/dockerconfigjson."""


class Place(NamedTuple):
    """Where a file may be."""

    path: Path
    configured: bool = False  # the configuration names it
    expected: bool = False  # it should be there


def default_places(environ: Mapping[str, str]) -> tuple[Place, ...]:
    """Where docker and podman keep their files, in the order in which they count."""
    places = []
    if folder := environ.get("DOCKER_CONFIG"):
        places += [Place(_in_folder(Path(folder)), expected=True)]
    if file := environ.get("REGISTRY_AUTH_FILE"):
        places += [Place(Path(file), expected=True)]
    if home := environ.get("HOME"):
        places += [Place(Path(home) / ".docker" / "config.json")]
    return tuple(places)


def paths_of(files: Iterable[str], environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Every file that may hold credentials: some that are configured, then the default ones."""
    return (*map(Path, files), *(place.path for place in default_places(environ)))


def _in_folder(folder: Path) -> Path:
    return next((folder / name for name in _NAMES if (folder / name).exists()), folder / _NAMES[0])


class Loaded(NamedTuple):
    """A file as it was read last."""

    stamp: tuple[int, int, int] | None  # mtime in ns, size, inode; None: not there
    config: DockerConfig | None
    problem: str | None


class Files:
    """Parsed files, read again when they changed."""

    def __init__(self) -> None:
        self._loaded: dict[Path, Loaded] = {}

    def get(self, path: Path, *, again: bool = False) -> Loaded:
        """A file as it is now; where it broke since, its last good content with the problem.

        Args:
            path: Of the file.
            again: True to read it even if it looks unchanged.
        """
        known = self._loaded.get(path)
        stamp = _stamp(path)
        if known is not None and known.stamp == stamp and not again:
            return known
        try:
            loaded = Loaded(stamp, parse_config(_read(path)), None)
        except FileNotFoundError:
            loaded = Loaded(stamp, None, "there is no such file")
        except OSError as error:
            loaded = Loaded(stamp, _last(known), f"it cannot be read: {error.strerror}")
        except BrokenFile as error:
            loaded = Loaded(stamp, _last(known), str(error))
        self._loaded[path] = loaded
        return loaded


def _last(known: Loaded | None) -> DockerConfig | None:
    return known.config if known else None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _read(path: Path) -> bytes:
    # Non-blocking: a FIFO in the place of a file must not hang the event loop.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BrokenFile("it is not a file; name config.json or .dockerconfigjson itself")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_FILE + 1)
    finally:
        os.close(descriptor)
