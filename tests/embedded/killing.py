"""Kills `image-sync serve` with -9 while clients push: `python -m tests.embedded.killing --help`.

In each round some clients push images that differ, each under tags of its own, in the ways that
clients have: at once, in pieces, mounted, by crane. At a random moment the registry ends with -9,
and a new one opens the folder. Then:

1. Every tag is whole: each descriptor below it is there, of its size and digest.
2. Every tag names what was acknowledged last, or what was being pushed when the kill came.
3. Every blob and every manifest that was acknowledged is there.
4. When all is an hour older, collecting leaves exactly what the tags need, and no other file.

What does not hold is a violation. Moments are drawn from a seed; where in a push they land depends
on the machine all the same.
"""

import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from tests.embedded.disk import blobs, temporary, wrong_files
from tests.kill.scene import IMAGES
from tests.kill.walk import walk
from tests.real import images
from tests.real.content import Blob, Image
from tests.real.registries import embedded
from tests.real.running import RunningRegistry
from tests.real.tools import require
from tests.real.wire import Answer, RegistryApi

# Clients that push by plain requests, beside crane.
CLIENTS: Final = 3
# Seconds from the first request to the kill, at most: one to three images of each client.
MOMENT: Final = 0.8
# Rounds from one collection to the next.
COLLECTED_EVERY: Final = 4
# Seconds by which files are made older, so that nobody counts on them: twice the grace.
_OLDER: Final = 7_200.0
# Seconds for a collection, the start of the interpreter included.
_COLLECTING: Final = 60.0
# Bytes of a blob that go in one request of several.
_PIECE: Final = 100_000
_NOWHERE: Final = subprocess.DEVNULL
_TAGS: Final = ("1", "2")


class Tag(msgspec.Struct):
    """A tag that one client moves.

    Attributes:
        images: What it may name: what was acknowledged last, and what is being pushed.
        acknowledged: Whether it must name one of them.
    """

    images: tuple[Image, ...] = ()
    acknowledged: bool = False


class Round(msgspec.Struct):
    """One kill.

    Attributes:
        at: Seconds from the first request to the kill.
        pushed: Images that were acknowledged before it.
        midway: Clients that were amid a push.
        left: Files that were not finished, in the folder afterwards.
        collected: Whether what nothing needs was collected.
        violations: What did not hold, in words.
    """

    number: int
    at: float
    pushed: int = 0
    midway: int = 0
    left: int = 0
    collected: bool = False
    violations: list[str] = msgspec.field(default_factory=list)

    @property
    def story(self) -> str:
        """The round in one line."""
        return (
            f"round {self.number}: killed at {self.at:.2f} s, {self.midway} clients midway, "
            f"{self.pushed} images before, {self.left} files unfinished"
            f"{', collected' if self.collected else ''}"
        )


class Client:
    """Pushes images under tags that no other client has, and knows what was acknowledged.

    Args:
        name: It is a part of its tags.

    Attributes:
        tags: By `REPOSITORY:TAG`.
        blobs: Acknowledged, by repository and digest, with their sizes.
        manifests: Acknowledged, by repository and digest.
    """

    def __init__(self, name: str) -> None:
        self.tags: dict[str, Tag] = {}
        self.blobs: dict[tuple[str, str], int] = {}
        self.manifests: set[tuple[str, str]] = set()
        self._name = name

    def push_until_gone(self, api: RegistryApi, draw: random.Random) -> int:
        """Push one image after the other until nobody answers; how many were acknowledged."""
        for pushed in range(sys.maxsize):
            kept = draw.choice(IMAGES)
            image = kept.build(f"{self._name} {draw.random()}")
            name = f"{self._name}-{draw.choice(_TAGS)}"
            try:
                self._push(api, draw, kept.repository, name, image)
            except (OSError, http.client.HTTPException):
                return pushed
        raise AssertionError("unreachable")

    def settle(self, found: dict[str, str]) -> None:
        """Take what the tags name now for what they must name from now on."""
        for name, tag in self.tags.items():
            tag.images = tuple(each for each in tag.images if each.digest == found.get(name))
            tag.acknowledged = bool(tag.images)

    def note(self, repository: str, tag: str, image: Image, *, acknowledged: bool) -> None:
        """Keep in mind what a tag may name."""
        known = self.tags.setdefault(f"{repository}:{tag}", Tag())
        if acknowledged:
            known.images, known.acknowledged = (image,), True
            self.manifests.update((repository, each.digest) for each in image.manifests())
            self.blobs |= {(repository, each.digest): len(each.data) for each in image.all_blobs}
        else:
            known.images = (*known.images[: known.acknowledged], image)

    def forget(self, needed: AbstractSet[tuple[str, str]]) -> None:
        """Expect nothing any more but what is needed."""
        self.manifests &= needed
        self.blobs = {key: size for key, size in self.blobs.items() if key in needed}

    @property
    def is_midway(self) -> bool:
        """Whether it has begun to move a tag, and does not know that it has."""
        return any(len(tag.images) > tag.acknowledged for tag in self.tags.values())

    def _push(
        self, api: RegistryApi, draw: random.Random, repository: str, tag: str, image: Image
    ) -> None:
        self.note(repository, tag, image, acknowledged=False)
        for blob in image.all_blobs:
            _push_blob(api, draw, repository, blob)
            self.blobs[repository, blob.digest] = len(blob.data)
        for manifest in image.manifests():
            reference = tag if manifest is image else manifest.digest
            answer = api.put_manifest(repository, reference, manifest.data, manifest.media_type)
            _expect(answer, 201)
            self.manifests.add((repository, manifest.digest))
        self.note(repository, tag, image, acknowledged=True)


class Crane(Client):
    """Pushes by crane."""

    def push_until_gone(self, api: RegistryApi, draw: random.Random) -> int:
        """As above; crane itself would wait long for a registry that is gone."""
        for pushed in range(sys.maxsize):
            image = images.bulk(200_000, f"crane {draw.random()}")
            self.note("team/crane", "1", image, acknowledged=False)
            with tempfile.TemporaryDirectory() as folder:
                _write_layout(Path(folder), image)
                command = [str(require("crane")), "push", folder, f"{api.host}/team/crane:1"]
                with subprocess.Popen(command, stdout=_NOWHERE, stderr=_NOWHERE) as process:
                    while process.poll() is None:
                        if not _answers(api):
                            process.kill()
            if process.returncode != 0:
                return pushed
            self.note("team/crane", "1", image, acknowledged=True)
        raise AssertionError("unreachable")


def play(directory: Path, seed: int, numbers: range) -> Iterator[Round]:
    """Rounds of these numbers, on one folder."""
    clients = [Client(f"client{number}") for number in range(CLIENTS)]
    clients.append(Crane("crane"))
    with embedded(directory) as registry:
        for number in numbers:
            draw = random.Random(f"{seed} {number}")
            played = Round(number, draw.uniform(0, MOMENT))
            _disturb(registry, clients, draw, played)
            registry.restart()
            played.violations += _wrong(registry, clients)
            if number % COLLECTED_EVERY == COLLECTED_EVERY - 1 or number == numbers[-1]:
                played.collected = True
                played.violations += _collect(registry, clients)
            yield played


def _disturb(
    registry: RunningRegistry, clients: Sequence[Client], draw: random.Random, played: Round
) -> None:
    with ThreadPoolExecutor(len(clients)) as pool:
        own = [random.Random(draw.random()) for _ in clients]
        running = [
            pool.submit(client.push_until_gone, registry.api, each)
            for client, each in zip(clients, own, strict=True)
        ]
        time.sleep(played.at)
        registry.kill()
        played.pushed = sum(each.result() for each in running)
    played.midway = sum(client.is_midway for client in clients)
    played.left = len(temporary(registry.root))


def _wrong(registry: RunningRegistry, clients: Sequence[Client]) -> Iterator[str]:
    """What is served and should not be, or is not."""
    walked = walk(registry.api)
    yield from walked.broken
    found = {name: tagged.digest for name, tagged in walked.tags.items()}
    expected = {name: tag for client in clients for name, tag in client.tags.items()}
    yield from (f"{name} is there: nobody pushed it" for name in found.keys() - expected.keys())
    for name, tag in expected.items():
        may_be = {each.digest for each in tag.images} | ({None} if not tag.acknowledged else set())
        if found.get(name) not in may_be:
            yield f"{name} names {found.get(name)}, and not one of {may_be}"
    for client in clients:
        yield from _absent(registry.api, client)
        client.settle(found)


class Tally(msgspec.Struct):
    """Rounds, counted.

    Attributes:
        midway: Clients that were amid a push when a kill came.
        left: Unfinished files that the kills left.
    """

    kills: int = 0
    pushed: int = 0
    midway: int = 0
    left: int = 0
    collections: int = 0
    violations: int = 0

    def add(self, played: Round) -> None:
        """Count one more."""
        self.kills += 1
        self.pushed += played.pushed
        self.midway += played.midway
        self.left += played.left
        self.collections += played.collected
        self.violations += len(played.violations)

    def summary(self) -> str:
        """The counts as text, the violations last."""
        return (
            f"kills: {self.kills}, with {self.midway} clients amid a push\n"
            f"images acknowledged: {self.pushed}; unfinished files left: {self.left}; "
            f"collections: {self.collections}\n"
            f"violations: {self.violations}"
        )


def _absent(api: RegistryApi, client: Client) -> Iterator[str]:
    """What was acknowledged, and is not there."""
    for repository, digest in client.manifests:
        answer = api.head_manifest(repository, digest)
        if answer.status != http.client.OK:
            yield f"{repository}@{digest} was acknowledged, and is answered with {answer.status}"
    for (repository, digest), size in client.blobs.items():
        answer = api.head_blob(repository, digest)
        if (answer.status, answer.headers.get("content-length")) != (http.client.OK, str(size)):
            yield f"{repository}, blob {digest} of {size} bytes was acknowledged: {answer}"


def _collect(registry: RunningRegistry, clients: Sequence[Client]) -> Iterator[str]:
    """Collect, an hour later so to speak; what is left and should not be, or is gone."""
    registry.stop()
    for folder, _, names in os.walk(registry.root):
        for name in names:
            file = Path(folder, name)
            os.utime(file, (then := file.lstat().st_mtime - _OLDER, then))
    command = [sys.executable, "-m", "image_sync", "serve", "--gc", "--root", str(registry.root)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_COLLECTING)
    if ran.returncode != 0:
        yield f"collecting ended with {ran.returncode}: {ran.stderr}"
    needed = {
        (name.partition(":")[0], digest)
        for client in clients
        for name, tag in client.tags.items()
        for image in tag.images
        for digest in image.digests
    }
    held = set(blobs(registry.root))
    yield from (f"{name}, {digest} is not collected" for name, digest in held - needed)
    yield from (f"{name}, {digest} is collected" for name, digest in needed - held)
    yield from (f"{file} is left after collecting" for file in temporary(registry.root))
    yield from wrong_files(registry.root)
    registry.restart()
    for client in clients:
        client.forget(needed)


def _push_blob(api: RegistryApi, draw: random.Random, repository: str, blob: Blob) -> None:
    """Push a blob in one of the ways that clients have."""
    if draw.random() < 0.5 and api.head_blob(repository, blob.digest).status == http.client.OK:
        return None
    uploads = f"/v2/{repository}/blobs/uploads/"
    way = draw.choice(("mounted", "in one request", "at once", "in pieces"))
    if way == "in one request":
        answer = api.request("POST", f"{uploads}?digest={blob.digest}", body=blob.data)
        return _expect(answer, http.client.CREATED)
    asked = f"?mount={blob.digest}" if way == "mounted" else ""
    begun = api.request("POST", f"{uploads}{asked}", body=b"")
    if begun.status == http.client.CREATED:
        return None
    _expect(begun, http.client.ACCEPTED)
    location, rest = begun.headers["location"], blob.data
    while way == "in pieces" and rest:
        answer = api.request("PATCH", location, body=rest[:_PIECE])
        _expect(answer, http.client.ACCEPTED)
        rest = rest[_PIECE:]
    answer = api.request("PUT", f"{location}?digest={blob.digest}", body=rest)
    return _expect(answer, http.client.CREATED)


def _expect(answer: Answer, status: int) -> None:
    assert answer.status == status, f"{answer.status}, not {status}: {answer.body!r}"


def _answers(api: RegistryApi) -> bool:
    try:
        api.ping()
    except (OSError, http.client.HTTPException):
        return False
    return True


def _write_layout(folder: Path, image: Image) -> None:
    """An image as crane takes it from a folder: OCI image spec 1.1, image-layout.md."""
    (folder / "blobs" / "sha256").mkdir(parents=True)
    for digest, data in ((image.digest, image.data), *((b.digest, b.data) for b in image.blobs)):
        (folder / "blobs" / "sha256" / digest.partition(":")[2]).write_bytes(data)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    index = {"schemaVersion": 2, "manifests": [image.descriptor()]}
    (folder / "index.json").write_text(json.dumps(index))


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, and print what came of it; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.embedded.killing", description=__doc__.partition(":")[0]
    )
    add = parser.add_argument
    add("--kills", type=int, default=200, help="in all (%(default)s)")
    add("--seed", type=int, default=1, help="the moments are drawn from it (%(default)s)")
    options = parser.parse_args(arguments)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="image-sync-killing-") as folder:
        for played in play(Path(folder), options.seed, range(options.kills)):
            tally.add(played)
            sys.stderr.write(f"{played.story}\n")
            sys.stderr.writelines(f"  VIOLATION {text}\n" for text in played.violations)
    sys.stdout.write(f"seed {options.seed}\n{tally.summary()}\n")
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
