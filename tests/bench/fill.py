"""Pushing the images of a benchmark into a registry by plain PUTs.

No client of ours and no tool takes part: neither should have warmed anything up.
"""

import http.client
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import groupby
from urllib.parse import urlsplit

from tests.bench.sample import Content, Image, Kind, content_of, digest_of

_PUSHERS = 8  # connections at once; a registry on the same few cores is busy with that
_DEADLINE_SECONDS = 30.0  # for one request on loopback


class FillError(Exception):
    """A registry did not take what it was given."""


def fill(host: str, images: Sequence[Image], kind: Kind, *, cache: bool) -> None:
    """Push every image into HOST:PORT, which speaks plain HTTP.

    Raises:
        FillError: It refused something.
    """
    groups = [list(group) for _, group in groupby(images, key=lambda image: image.repository)]

    def push_share(number: int) -> None:
        with closing(_Pusher(host)) as pusher:
            for group in groups[number::_PUSHERS]:
                for image in group:
                    pusher.push(image, content_of(image, kind, cache=cache))

    with ThreadPoolExecutor(_PUSHERS) as pool:
        list(pool.map(push_share, range(_PUSHERS)))


class _Pusher:
    """One connection that pushes."""

    def __init__(self, host: str) -> None:
        self._connection = http.client.HTTPConnection(host, timeout=_DEADLINE_SECONDS)
        self._held: set[tuple[str, str]] = set()  # (repository, digest of a blob)

    def close(self) -> None:
        self._connection.close()

    def push(self, image: Image, content: Content) -> None:
        self._push(image.repository, image.tag, content)

    def _push(self, repository: str, reference: str, content: Content) -> None:
        for child in content.children:
            self._push(repository, digest_of(child.body), child)
        for blob in content.blobs:
            self._push_blob(repository, blob)
        target = f"/v2/{repository}/manifests/{reference}"
        self._ask("PUT", target, content.body, content.media_type)

    def _push_blob(self, repository: str, blob: bytes) -> None:
        key = (repository, digest_of(blob))
        if key in self._held:
            return
        self._held.add(key)
        location = urlsplit(self._ask("POST", f"/v2/{repository}/blobs/uploads/", b""))
        query = f"{location.query}&" if location.query else ""
        self._ask("PUT", f"{location.path}?{query}digest={key[1]}", blob)

    def _ask(
        self, method: str, target: str, body: bytes, media_type: str = "application/octet-stream"
    ) -> str:
        """The Location of the answer, or ""."""
        self._connection.request(method, target, body, {"Content-Type": media_type})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status not in {201, 202}:
            raise FillError(f"{method} {target}: {answer.status} {text[:200]!r}")
        return answer.headers.get("Location", "")
