"""Who is compared: image-sync, crane under xargs, regsync; what each is given, and its proof.

A contender prepares its files once for a pair of hosts and is then run by `measure.py`. Each
proves from its own output that it looked at every image; a wrong exit code alone proves nothing.
"""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from tests.bench.measure import Contender
from tests.bench.noop.sample import Image, Kind

_IN_FLIGHT = 32  # requests or images at once, for every contender


class Name(StrEnum):
    """The contenders, in the order in which they take turns."""

    IMAGE_SYNC = "image-sync --once"
    CRANE = f"xargs -P{_IN_FLIGHT} crane digest"
    REGSYNC = "regsync once"


class Course(msgspec.Struct, frozen=True):
    """One pass to be made: which images, from where to where."""

    source: str  # HOST:PORT, plain HTTP
    cache: str  # HOST:PORT, plain HTTP
    images: Sequence[Image]
    kind: Kind


def image_sync(program: Path, course: Course, folder: Path) -> Contender:
    """One pass of ours, with the defaults that users get."""
    platform = "linux/amd64" if course.kind is Kind.PLATFORM else "all"
    lines = [
        f"cache_registry: {course.cache}",
        "settings:",
        f"  default_platform: {platform}",
        "registries:",
        *(f"  {host}: {{plain_http: true}}" for host in (course.source, course.cache)),
        "images:",
    ]
    for image in course.images:
        lines += [
            f"  - source: {course.source}/{image.repository}",
            f"    tag: {image.tag}",
            f"    cache_as: {image.repository}",
        ]
    configuration = _written(folder / "image-sync.yaml", lines)

    def proof(output: bytes, _: bytes) -> str | None:
        try:
            summary = json.loads(output)["summary"]
        except (ValueError, KeyError, TypeError):
            return f"no report: {output[:200]!r}"
        unchanged = summary["already_cached"] == summary["total"] == len(course.images)
        return None if unchanged else f"not a pass without changes: {summary}"

    command = (str(program), "--once", "--output", "json", "--config", str(configuration))
    return Contender(Name.IMAGE_SYNC, command, proof)


def crane(program: Path, course: Course, folder: Path) -> Contender:
    """One process for each image; asks the source only, and compares nothing."""
    references = [f"{course.source}/{image.repository}:{image.tag}" for image in course.images]
    listed = _written(folder / "references.txt", references)

    def proof(output: bytes, _: bytes) -> str | None:
        digests = sum(line.startswith(b"sha256:") for line in output.splitlines())
        return None if digests == len(references) else f"{digests} digests of {len(references)}"

    command = ("xargs", f"-P{_IN_FLIGHT}", "-n1", str(program), "digest")
    return Contender(Name.CRANE, command, proof, stdin=listed)


def regsync(program: Path, course: Course, folder: Path) -> Contender:
    """One pass with 32 steps at once and 32 requests at once to each registry (its default: 3)."""
    lines = ["version: 1", "creds:"]
    for host in (course.source, course.cache):
        lines += [
            f"  - registry: {host}",
            "    tls: disabled",
            f"    reqConcurrent: {_IN_FLIGHT}",
        ]
    lines += ["defaults:", f"  parallel: {_IN_FLIGHT}", "sync:"]
    for image in course.images:
        lines += [
            f"  - source: {course.source}/{image.repository}:{image.tag}",
            f"    target: {course.cache}/{image.repository}:{image.tag}",
            "    type: image",
        ]
        if course.kind is Kind.PLATFORM:
            lines.append("    platform: linux/amd64")
    configuration = _written(folder / "regsync.yaml", lines)

    def proof(output: bytes, errors: bytes) -> str | None:
        said = (output + errors).strip()  # it is silent about images that did not change
        return f"not a pass without changes: {said[:300]!r}" if said else None

    return Contender(Name.REGSYNC, (str(program), "once", "-c", str(configuration)), proof)


def _written(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path
