"""Who copies: image-sync, crane under xargs, regsync, skopeo, each at its best settings.

A contender is prepared anew for each pass, since each pass has an empty cache of its own. Whether
it copied everything is asked of the cache afterwards (`race.py`), not of the contender.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import msgspec

from tests.bench.copying.sample import TAG, Image
from tests.bench.machine import Programs
from tests.bench.measure import Contender

_AT_ONCE = 8  # images
_REGSYNC_AT_ONCE = 32  # images, and requests to each registry


class Name(StrEnum):
    """The contenders, in the order in which they take turns; the words of `--only`."""

    BUILTIN = "builtin"
    THROUGH_CRANE = "through-crane"
    CRANE = "crane"
    REGSYNC = "regsync"
    REGSYNC_32 = "regsync-32"
    SKOPEO = "skopeo"


TITLES: Mapping[Name, str] = MappingProxyType(
    {
        Name.BUILTIN: f"image-sync, {_AT_ONCE} at once",
        Name.THROUGH_CRANE: f"image-sync with crane, {_AT_ONCE} at once",
        Name.CRANE: f"xargs -P{_AT_ONCE} crane copy",
        Name.REGSYNC: "regsync once",
        Name.REGSYNC_32: f"regsync once, {_REGSYNC_AT_ONCE} parallel",
        Name.SKOPEO: "skopeo sync",
    }
)


class Course(msgspec.Struct, frozen=True):
    """One pass to be made: which images, from where to where."""

    source: str  # HOST:PORT, plain HTTP
    cache: str  # HOST:PORT, plain HTTP
    images: Sequence[Image]


def contender(name: Name, programs: Programs, course: Course, folder: Path) -> Contender:
    """A contender for one pass, with its files in a folder."""
    return _MAKERS[name](name, programs, course, folder)


def program(name: Name) -> str:
    """The field of `Programs` that it needs."""
    return _PROGRAMS[name]


def _image_sync(name: Name, programs: Programs, course: Course, folder: Path) -> Contender:
    lines = [
        f"cache_registry: {course.cache}",
        "settings:",
        "  default_platform: all",
        f"  preferred_tool: {'builtin' if name is Name.BUILTIN else 'crane'}",
        f"  concurrency: {_AT_ONCE}",
        "registries:",
        *(f"  {host}: {{plain_http: true}}" for host in (course.source, course.cache)),
        "images:",
    ]
    for image in course.images:
        lines += [
            f"  - source: {course.source}/{image.repository}",
            f"    tag: {TAG}",
            f"    cache_as: {image.repository}",
        ]
    configuration = _written(folder / "image-sync.yaml", lines)
    command = (programs.image_sync, "--once", "--output", "json", "--config", configuration)
    return Contender(TITLES[name], tuple(map(str, command)))


def _crane(name: Name, programs: Programs, course: Course, folder: Path) -> Contender:
    """`--insecure`: crane takes 127.0.0.1 for plain HTTP by itself, 127.0.0.2 not."""
    lines = [
        f"{host}/{image.repository}:{TAG}"
        for image in course.images
        for host in (course.source, course.cache)
    ]
    listed = _written(folder / "references.txt", lines)
    command = ("xargs", f"-P{_AT_ONCE}", "-n2", str(programs.crane), "copy", "--insecure")
    return Contender(TITLES[name], command, stdin=listed)


def _regsync(name: Name, programs: Programs, course: Course, folder: Path) -> Contender:
    """Its defaults are one image and three requests to each registry at once."""
    lines = ["version: 1", "creds:"]
    for host in (course.source, course.cache):
        lines += [f"  - registry: {host}", "    tls: disabled"]
        if name is Name.REGSYNC_32:
            lines.append(f"    reqConcurrent: {_REGSYNC_AT_ONCE}")
    if name is Name.REGSYNC_32:
        lines += ["defaults:", f"  parallel: {_REGSYNC_AT_ONCE}"]
    lines.append("sync:")
    for image in course.images:
        lines += [
            f"  - source: {course.source}/{image.repository}:{TAG}",
            f"    target: {course.cache}/{image.repository}:{TAG}",
            "    type: image",
        ]
    configuration = _written(folder / "regsync.yaml", lines)
    return Contender(TITLES[name], (str(programs.regsync), "once", "-c", str(configuration)))


def _skopeo(name: Name, programs: Programs, course: Course, folder: Path) -> Contender:
    """One image at a time: it has no setting for more.

    As root it would keep what it learns about blobs in /var/lib, across passes; told to be
    another user, it keeps that in `folder`, and mounts blobs within a pass all the same.
    """
    repositories = [image.repository.rpartition("/") for image in course.images]
    lines = [f"{course.source}:", "  tls-verify: false", "  images:"]
    lines += [f"    {prefix}/{name}: ['{TAG}']" for prefix, _, name in repositories]
    listed = _written(folder / "skopeo.yaml", lines)
    (prefix,) = {prefix for prefix, _, _ in repositories}  # it appends the last component only
    command = (
        *("env", "_CONTAINERS_ROOTLESS_UID=1000", f"XDG_DATA_HOME={folder}"),
        *(str(programs.skopeo), "--insecure-policy", "sync", "--all", "--preserve-digests"),
        *("--dest-tls-verify=false", "--src", "yaml", "--dest", "docker"),
        *(str(listed), f"{course.cache}/{prefix}"),
    )
    return Contender(TITLES[name], command)


_MAKERS: Mapping[Name, Callable[[Name, Programs, Course, Path], Contender]] = MappingProxyType(
    {
        Name.BUILTIN: _image_sync,
        Name.THROUGH_CRANE: _image_sync,
        Name.CRANE: _crane,
        Name.REGSYNC: _regsync,
        Name.REGSYNC_32: _regsync,
        Name.SKOPEO: _skopeo,
    }
)
_PROGRAMS: Mapping[Name, str] = MappingProxyType(
    {
        Name.BUILTIN: "image_sync",
        Name.THROUGH_CRANE: "image_sync",
        Name.CRANE: "crane",
        Name.REGSYNC: "regsync",
        Name.REGSYNC_32: "regsync",
        Name.SKOPEO: "skopeo",
    }
)


def _written(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path
