"""Finding the configuration and reading its bytes: a file, a folder of files, or standard input.

Not here: what the bytes mean (`config/yamltree.py`).
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from image_sync.config.wording import printable
from image_sync.config.yamltree import MAX_BYTES
from image_sync.errors import ConfigError, Problem
from image_sync.runtime.fingerprint import fingerprint as content_of

VARIABLE = "IMAGE_SYNC_CONFIG"
DEFAULTS = ("image-sync.yaml", "/etc/image-sync/config.yaml")
"""Where a configuration is looked for when nobody names one, in this order."""
STDIN = "-"
_SUFFIXES = frozenset({".yaml", ".yml"})


class Source(NamedTuple):
    """The name of a file, for messages, and its bytes."""

    name: str
    data: bytes


def read(
    location: str | None, environ: Mapping[str, str], stdin: BinaryIO | None
) -> tuple[Source, ...]:
    """The files of the configuration, at least one, in the order they are merged.

    Raises:
        ConfigError: One is not there or cannot be read.
    """
    if location == STDIN or (location is None and environ.get(VARIABLE) == STDIN):
        return (_standard_input(stdin),)
    path, origin = _located(location, environ)
    problems: list[Problem] = []
    sources = []
    for name in _members(path, origin):
        try:
            with name.open("rb") as file:
                sources.append(Source(str(name), file.read(MAX_BYTES + 1)))
        except (OSError, ValueError) as error:
            problems.append(_unreadable(name, origin, error))
    if problems:
        raise ConfigError(problems)
    return tuple(sources)


def fingerprint(location: str | None, environ: Mapping[str, str]) -> bytes | None:
    """What changes whenever the files of the configuration do; None of what is read only once.

    By their content: a folder that Kubernetes swaps, or an editor that renames, changes no more
    than that.
    """
    if location == STDIN or (location is None and environ.get(VARIABLE) == STDIN):
        return None
    try:
        path, origin = _located(location, environ)
        if path.exists() and not (path.is_file() or path.is_dir()):
            return None  # a pipe, which can be read once
        return content_of(_members(path, origin))
    except (ConfigError, OSError, ValueError) as error:
        return str(error).encode()


def _standard_input(stdin: BinaryIO | None) -> Source:
    name = "<stdin>"
    closed = sys.stdin is None  # what Python makes of `<&-`
    if stdin is None and closed:
        raise ConfigError([Problem("standard input is closed: pipe a file into it", name)])
    try:
        return Source(name, (stdin or sys.stdin.buffer).read(MAX_BYTES + 1))
    except OSError as error:
        raise ConfigError([Problem(f"cannot be read: {error.strerror}", name)]) from error


def _located(location: str | None, environ: Mapping[str, str]) -> tuple[Path, str]:
    """The file or folder to read, and who named it."""
    if location is not None:
        return Path(location), "--config"
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE]), VARIABLE
    for name in DEFAULTS:
        if _exists(Path(name)):
            return Path(name), ""
    places = " or ".join(DEFAULTS)
    text = (
        f"no configuration: name one with --config or {VARIABLE}, or write {places}; "
        "image-sync demo shows what it does without one"
    )
    raise ConfigError([Problem(text)])


def left_unread(environ: Mapping[str, str]) -> str | None:
    """The configuration that is read where nobody names images; None if there is none."""
    try:
        path, origin = _located(None, environ)
    except ConfigError:
        return None
    return f"{printable(str(path))} of {origin}" if origin else str(path)


def _exists(path: Path) -> bool:
    """True unless there is nothing; what cannot be seen is for the reader to complain about."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return path.is_symlink()
    except OSError:
        return True
    return True


def _members(path: Path, origin: str) -> Iterator[Path]:
    """The files that a path stands for; those with a leading dot are not the operator's."""
    try:
        if not path.is_dir():
            yield path
            return
        names = sorted(
            name
            for name in path.iterdir()
            if name.suffix in _SUFFIXES and not name.name.startswith(".") and not name.is_dir()
        )
    except (OSError, ValueError) as error:
        raise ConfigError([_unreadable(path, origin, error)]) from error
    if not names:
        text = "the folder holds no *.yaml file: put one in, or name a file"
        raise ConfigError([Problem(text, printable(str(path)))])
    yield from names


def _unreadable(path: Path, origin: str, error: OSError | ValueError) -> Problem:
    match error:
        case FileNotFoundError():
            reason = f"no such file: check the name{f' given by {origin}' if origin else ''}"
        case PermissionError():
            reason = "permission denied: check the owner and mode of the file and its folders"
        case OSError():
            reason = f"cannot be read: {error.strerror}"
        case _:
            reason = f"not a file name: {error}"
    return Problem(reason, printable(str(path)))
