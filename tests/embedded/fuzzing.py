"""Thousands of hostile requests to `image-sync serve`: `python -m tests.embedded.fuzzing --help`.

What must hold, whatever was asked:

1. No answer is a 5xx, but 507 for a full disk; nothing is told as a bug; no answer breaks off.
2. Each manifest and blob is served with the bytes of its digest; parts of blobs are those parts.
3. No file lies where none should, nothing beside the folder is read or changed, and every blob on
   the disk is what its name says.
4. Memory, descriptors and open uploads are at the end what they were when all was warm.

Some clients ask at once. What they ask is drawn from a seed; how their requests mix is not.
"""

import argparse
import hashlib
import http.client
import random
import re
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tests.embedded.disk import descriptors, resident_bytes, unfinished, wrong_files
from tests.embedded.grammar import (
    BLOBS,
    CANARY,
    DOCUMENTS,
    KNOWN,
    NAMES,
    TAGS,
    Request,
    document,
    query,
    request,
    wild,
)
from tests.kill.walk import walk
from tests.real import images
from tests.real.registries import embedded
from tests.real.running import RunningRegistry

# Clients at once; more only wait for the registry's two cores.
CLIENTS: Final = 3
# Seconds without an answer that are a hang; measured: under 0.1 s but for bombs, 1 s.
_PATIENCE: Final = 30.0
# Bytes by which memory may differ: measured 1 to 3 MB, of which none per request.
_FLAT: Final = 12_000_000
# Seconds until connections that were closed are gone from the registry, too.
_SETTLING: Final = 10.0
# Uploads that a client keeps in mind; more are cancelled.
_UPLOADS: Final = 6
# Seconds after which a client that has sent too little goes away.
_GIVING_UP: Final = 0.05
# Seconds between two looks.
_LOOK: Final = 0.02
# What lies beside the folder.
_BESIDE: Final = {
    *("secret", "registry", "registry/secret", "registry/storage", "registry/registry.log"),
}
_CONTENT: Final = re.compile(r"/v2/[a-z0-9/]+/(?:blobs|manifests)/([^/?]+)")
_PART: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Answer(NamedTuple):
    """What came back; None for a status if nothing that HTTP would know."""

    status: int | None
    fields: dict[str, str]
    body: bytes
    broken: bool = False


class Found(msgspec.Struct):
    """What a fuzz came to.

    Attributes:
        statuses: How often each was answered; 0 for none.
        lost: Uploads that may be open without the client knowing of them: no answer came.
        grown: Bytes of memory that the last quarter of the requests took.
        violations: What did not hold, in words.
    """

    statuses: Counter[int] = msgspec.field(default_factory=Counter)
    lost: int = 0
    grown: int = 0
    violations: list[str] = msgspec.field(default_factory=list)

    def add(self, other: "Found") -> None:
        """Take what another client found."""
        self.statuses += other.statuses
        self.lost += other.lost
        self.violations += other.violations

    def summary(self) -> str:
        """The counts as text."""
        counts = ", ".join(f"{status or 'none'} {n}" for status, n in sorted(self.statuses.items()))
        return (
            f"requests: {self.statuses.total()} ({counts})\n"
            f"memory: {self.grown / 1e6:+.1f} MB in the last quarter\n"
            f"violations: {len(self.violations)}"
        )


def fuzz(directory: Path, seed: int, requests: int) -> Found:
    """Ask a new registry in a folder that many times, and tell what did not hold."""
    (directory / "secret").write_bytes(CANARY)
    with embedded(directory / "registry") as registry:
        (registry.root.parent / "secret").write_bytes(CANARY)
        found, idle = Found(), descriptors(registry.pid)
        clients = [Client(registry.host, f"{seed} {number}") for number in range(CLIENTS)]
        used = []
        for share in (0.75, 0.25):  # until all is warm, and what is measured
            each_asks = int(requests * share / CLIENTS)
            with ThreadPoolExecutor(CLIENTS) as pool:
                for each in pool.map(partial(Client.ask, times=each_asks), clients):
                    found.add(each)
            found.violations += _left_open(registry, idle, found.lost)
            used.append(resident_bytes(registry.pid))
        found.grown = used[1] - used[0]
        found.violations += _afterwards(registry, directory)
    if found.grown > _FLAT:
        found.violations.append(f"memory has grown by {found.grown} bytes")
    return found


class Client:
    """Draws requests, and judges the answers.

    Args:
        host: The registry's HOST:PORT.
        seed: What it draws from.
    """

    def __init__(self, host: str, seed: str) -> None:
        self._host = host
        self._draw = random.Random(seed)
        self._uploads: dict[str, int] = {}  # Location, and the bytes it has as far as is known
        self._found = Found()

    def ask(self, times: int) -> Found:
        """Ask that often, and give all uploads up; what was found."""
        self._found = Found()
        steps: Sequence[Callable[[], None]] = (
            *(self._wild, self._pull, self._begin, self._go_on, self._put_blob),
            *(self._put_manifest, self._delete),
        )
        for _ in range(times):
            (step,) = self._draw.choices(steps, weights=(30, 25, 5, 15, 8, 15, 4))
            step()
        for upload in list(self._uploads):
            self._cancel(upload)
        return self._found

    def _wild(self) -> None:
        self._note(self._send(wild(self._draw)))

    def _pull(self) -> None:
        name, digest = self._draw.choice(NAMES), self._draw.choice(list(KNOWN))
        tag = self._draw.choice((*TAGS, digest))
        target = self._draw.choice(
            (
                f"/v2/{name}/manifests/{tag}",
                f"/v2/{name}/blobs/{digest}",
                f"/v2/{name}/referrers/{digest}",
                f"/v2/{name}/tags/list",
                "/v2/_catalog",
                "/v2/",
            )
        )
        fields = self._draw.choices(("Range: bytes=0-9", f'If-None-Match: "{digest}"'), k=1)
        fields = fields if self._draw.random() < 0.2 else []
        method = self._draw.choice(("GET", "GET", "HEAD"))
        self._send(self._request(method, target + query(self._draw), None, *fields))

    def _begin(self) -> None:
        name = self._draw.choice(NAMES)
        wanted = {}
        if self._draw.random() < 0.4:
            wanted = {"mount": self._draw.choice(list(KNOWN)), "from": self._draw.choice(NAMES)}
        self._note(self._send(self._request("POST", self._uploads_of(name, **wanted), b"")))

    def _go_on(self) -> None:
        if not self._uploads:
            return
        upload = self._draw.choice(list(self._uploads))
        method = self._draw.choice(("PATCH", "PATCH", "PUT", "GET", "DELETE"))
        blob = self._draw.choice(BLOBS)
        start = self._uploads[upload] if self._draw.random() < 0.7 else self._draw.randint(0, 9)
        fields = []
        if self._draw.random() < 0.5:
            fields = [f"Content-Range: {start}-{start + max(0, len(blob.data) - 1)}"]
        asks = query(self._draw, digest=blob.digest) if method == "PUT" else ""
        body = blob.data if method in {"PATCH", "PUT"} else None
        self._note(self._send(self._request(method, upload + asks, body, *fields)), upload)

    def _put_blob(self) -> None:
        """A whole one, in one request."""
        blob, name = self._draw.choice(BLOBS), self._draw.choice(NAMES)
        digest = blob.digest if self._draw.random() < 0.8 else self._draw.choice(("x", "sha256:0"))
        target = self._uploads_of(name, digest=digest)
        self._note(self._send(self._request("POST", target, blob.data)))

    def _put_manifest(self) -> None:
        media_type, data = document(self._draw)
        reference = self._draw.choice((*TAGS, self._draw.choice(DOCUMENTS).digest))
        target = f"/v2/{self._draw.choice(NAMES)}/manifests/{reference}{query(self._draw)}"
        self._send(self._request("PUT", target, data, f"Content-Type: {media_type}"))

    def _delete(self) -> None:
        kind = self._draw.choice(("manifests", "blobs"))
        what = self._draw.choice((*TAGS, *KNOWN))
        self._send(self._request("DELETE", f"/v2/{self._draw.choice(NAMES)}/{kind}/{what}"))

    def _cancel(self, upload: str) -> None:
        head = f"DELETE {upload} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\r\n"
        self._send(Request("DELETE", upload, head.encode()))
        self._uploads.pop(upload, None)

    def _request(
        self, method: str, target: str, body: bytes | None = None, *fields: str
    ) -> Request:
        return request(self._draw, method, target, body, *fields)

    def _uploads_of(self, name: str, **wanted: str) -> str:
        return f"/v2/{name}/blobs/uploads/{query(self._draw, **wanted)}"

    def _note(self, answer: Answer, upload: str | None = None) -> None:
        """Keep in mind which uploads are open, and how much they have."""
        location = answer.fields.get("location", "")
        if answer.status in {202, 204} and "/blobs/uploads/" in location:
            last = answer.fields["range"].partition("-")[2]
            self._uploads[location] = int(last) + 1 if last != "0" else 0
        elif upload and answer.status in {201, 204, 404}:
            self._uploads.pop(upload, None)
        while len(self._uploads) > _UPLOADS:
            self._cancel(next(iter(self._uploads)))

    def _send(self, sent: Request) -> Answer:
        answer = _answer(self._host, sent)
        self._found.statuses[answer.status or 0] += 1
        begins = sent.method == "POST" and "digest=" not in sent.target
        # A body that is no HTTP is answered beneath the application, which has begun an upload.
        self._found.lost += begins and (answer.status is None or not sent.whole)
        self._found.violations += [f"{text}: {sent.story}" for text in _wrong(sent, answer)]
        return answer


def _answer(host: str, sent: Request) -> Answer:
    address, _, port = host.rpartition(":")
    with socket.create_connection((address, int(port)), timeout=_PATIENCE) as connection:
        with suppress(OSError):  # the registry had heard enough; its answer can be read still
            connection.sendall(sent.head + sent.body)
        return _heard(connection, sent)


def _heard(connection: socket.socket, sent: Request) -> Answer:
    # A request that promises more than it has is answered only when its client gives up.
    connection.settimeout(_PATIENCE if sent.whole else _GIVING_UP)
    response = http.client.HTTPResponse(connection, method=sent.method)
    body, broken = b"", False
    try:
        response.begin()
        body = response.read()
    except http.client.IncompleteRead as error:
        body, broken = error.partial, True
    except TimeoutError:
        return Answer(None, {}, b"", broken=sent.whole)
    except (OSError, http.client.HTTPException):
        return Answer(None, {}, b"")
    fields = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, fields, body, broken)


def _wrong(sent: Request, answer: Answer) -> Iterator[str]:
    """What is wrong with an answer."""
    if answer.broken:
        yield "the answer does not come, or breaks off"
    if answer.status is None:
        return
    if answer.status >= 500 and answer.status != http.client.INSUFFICIENT_STORAGE:
        yield f"answered with {answer.status} {answer.body[:200]!r}"
    if CANARY in answer.body:
        yield "what lies beside the folder is read"
    if "x" in answer.fields:
        yield "a field of the answer is the client's"
    if sent.method == "GET" and "docker-content-digest" in answer.fields:
        yield from _wrong_content(sent, answer)


def _wrong_content(sent: Request, answer: Answer) -> Iterator[str]:
    digest = answer.fields["docker-content-digest"]
    asked = _CONTENT.fullmatch(sent.target.partition("?")[0])
    if asked and ":" in asked[1] and asked[1] != digest:
        yield f"answered with {digest}"
    if answer.status == http.client.OK:
        algorithm, _, wanted = digest.partition(":")
        if hashlib.new(algorithm, answer.body).hexdigest() != wanted:
            yield f"other bytes are served as {digest}"
    if answer.status == http.client.PARTIAL_CONTENT and digest in KNOWN:
        part = _PART.fullmatch(answer.fields["content-range"])
        if not part or answer.body != KNOWN[digest][int(part[1]) : int(part[2]) + 1]:
            yield f"another part is served than {answer.fields['content-range']}"


def _left_open(registry: RunningRegistry, idle: int, lost: int) -> Iterator[str]:
    """Descriptors that are open for nothing, once closed connections are gone, and uploads."""
    deadline = time.monotonic() + _SETTLING
    while (more := descriptors(registry.pid) - idle - len(unfinished(registry.root))) > 0:
        if time.monotonic() > deadline:
            yield f"{more} descriptors more than at the beginning are open"
            break
        time.sleep(_LOOK)
    left = len(unfinished(registry.root))
    if left > lost:
        yield f"{left} uploads are open, and {lost} can be without their clients' knowing"


def _afterwards(registry: RunningRegistry, directory: Path) -> Iterator[str]:
    """What is wrong with the folder, or with what is served of it now."""
    yield from wrong_files(registry.root)
    beside = {str(file.relative_to(directory)) for file in directory.glob("[!.]*")}
    beside |= {str(file.relative_to(directory)) for file in directory.glob("registry/*")}
    if beside != _BESIDE:
        yield f"beside the folder is {beside}"
    image = images.bulk(100_000, "afterwards")
    registry.push("team/after", "1", image)
    walked = walk(registry.api)
    yield from walked.broken
    if walked.tags.get("team/after:1", ("",))[0] != image.digest:
        yield "an image that is pushed afterwards is not served"
    said = registry.log.read_text()
    if "bug in image-sync" in said or "Traceback" in said:
        yield f"the registry said {said[-2000:]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, and print what came of it; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.embedded.fuzzing", description=__doc__.partition(":")[0]
    )
    add = parser.add_argument
    add("--requests", type=int, default=100_000, help="in all (%(default)s)")
    add("--seed", type=int, default=1, help="requests are drawn from it (%(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="image-sync-fuzz-") as folder:
        found = fuzz(Path(folder), options.seed, options.requests)
    sys.stderr.writelines(f"VIOLATION {text}\n" for text in found.violations)
    sys.stdout.write(f"seed {options.seed}\n{found.summary()}\n")
    return 1 if found.violations else 0


if __name__ == "__main__":
    sys.exit(main())
