"""Which of the specs this process works on: what `--image` and `--shard` leave of them. Pure."""

import hashlib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Self

import msgspec

from image_sync.config.wording import did_you_mean, quoted
from image_sync.errors import ConfigError, Problem
from image_sync.model import ImageSpec

_MAX_SHARDS = 100
"""Processes that may share one configuration; each draws every repository to one of them, which for
10,000 repositories is a million hashes: 1.0 s (measured)."""
_MAX_DIGITS = 3  # of _MAX_SHARDS


class Shard(msgspec.Struct, frozen=True):
    """One of `count` processes that share the work; `index` counts from 0."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The shard that `I/N` names.

        Raises:
            ConfigError: It is not of that form, or I is not below N.
        """
        index, _, count = text.partition("/")
        if all(part.isascii() and part.isdigit() for part in (index, count)):
            whole = cls(int(index[:_MAX_DIGITS]), int(count[:_MAX_DIGITS]))
            if whole.index < whole.count <= _MAX_SHARDS and text == f"{whole.index}/{whole.count}":
                return whole
        expected = f"expected I/N with I from 0 to N - 1, and N at most {_MAX_SHARDS}, such as 0/3"
        raise ConfigError([Problem(f"found {quoted(text)}, {expected}", "--shard")])

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def narrow(specs: Sequence[ImageSpec], globs: Sequence[str]) -> tuple[ImageSpec, ...]:
    """The specs that match one of some globs; all of them if there is no glob.

    A glob is held against the source as written and as Docker understands it, each with and
    without its tag; `*` crosses slashes.

    Raises:
        ConfigError: A glob matches nothing.
    """
    if not globs:
        return tuple(specs)
    names = [(spec, _names(spec)) for spec in specs]
    problems = []
    for glob in globs:
        if not any(_matches(glob, known) for _, known in names):
            close = did_you_mean(glob, sorted({str(spec) for spec in specs}))
            problems.append(Problem(f"{quoted(glob)} matches no image{close}", "--image"))
    if problems:
        raise ConfigError(problems)
    return tuple(spec for spec, known in names if any(_matches(glob, known) for glob in globs))


def shard(specs: Sequence[ImageSpec], mine: Shard) -> tuple[ImageSpec, ...]:
    """The specs of one shard.

    Each source repository is drawn to one shard by rendezvous hashing, so that its tags stay
    together (and layers are shared) and another number of shards moves as few as can be.
    """
    owner = {
        repository: max(range(mine.count), key=lambda index: _weight(repository, index))
        for repository in {str(spec.source.repository) for spec in specs}
    }
    return tuple(spec for spec in specs if owner[str(spec.source.repository)] == mine.index)


def _weight(repository: str, index: int) -> bytes:
    """The pull of a shard on a repository: the same in every process and version."""
    return hashlib.blake2b(f"{index} {repository}".encode(), digest_size=8).digest()


def _names(spec: ImageSpec) -> tuple[str, ...]:
    repository = str(spec.source.repository)
    return (spec.image, str(spec), repository, str(spec.source_reference))


def _matches(glob: str, names: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, glob) for name in names)
