"""Pushing images into a registry, and asking what is there, by plain requests.

No client of ours and no tool takes part: neither should have warmed anything up.
"""

import hashlib
import http.client
from collections.abc import Iterable
from typing import Self
from urllib.parse import urlsplit

from tests.bench.content import INDEX, MANIFEST, Content, Descriptor, digest_of

_DEADLINE_SECONDS = 30.0  # for one wait on loopback
_BYTES = "application/octet-stream"


class PushError(Exception):
    """A registry did not take what it was given, or did not answer."""


class Pusher:
    """One connection to HOST:PORT, which speaks plain HTTP; a context manager."""

    def __init__(self, host: str) -> None:
        self._connection = http.client.HTTPConnection(host, timeout=_DEADLINE_SECONDS)
        self._held: set[tuple[str, str]] = set()  # (repository, digest of a blob)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def push(self, repository: str, reference: str, content: Content) -> None:
        """Push a manifest, after what it comes with.

        Raises:
            PushError: Something was refused.
        """
        for child in content.children:
            self.push(repository, digest_of(child.body), child)
        for blob in content.blobs:
            self._push_blob(repository, blob)
        target = f"/v2/{repository}/manifests/{reference}"
        self._ask("PUT", target, content.body, content.media_type)

    def push_stream(self, repository: str, pieces: Iterable[bytes], media_type: str) -> Descriptor:
        """Push a blob that is never whole in memory, and say what it was.

        Raises:
            PushError: It was refused.
        """
        sha256, size = hashlib.sha256(), 0

        def hashed() -> Iterable[bytes]:
            nonlocal size
            for piece in pieces:
                sha256.update(piece)
                size += len(piece)
                yield piece

        location = self._ask("POST", f"/v2/{repository}/blobs/uploads/", b"")
        location = self._ask("PATCH", _target(location), hashed())
        digest = f"sha256:{sha256.hexdigest()}"
        self._ask("PUT", _target(location, digest), b"")
        return Descriptor(digest, size, media_type)

    def mount(self, repository: str, digest: str, *, holder: str) -> None:
        """Give a repository a blob that another one of the registry holds.

        Raises:
            PushError: The registry did not mount it.
        """
        target = f"/v2/{repository}/blobs/uploads/?mount={digest}&from={holder}"
        if "/blobs/uploads/" in self._ask("POST", target, b""):
            raise PushError(f"POST {target}: not mounted")

    def digest(self, repository: str, tag: str) -> str | None:
        """What the registry says stands behind a tag, or None."""
        target = f"/v2/{repository}/manifests/{tag}"
        self._connection.request("HEAD", target, headers={"Accept": f"{MANIFEST}, {INDEX}"})
        answer = self._connection.getresponse()
        answer.read()
        return (
            answer.headers.get("Docker-Content-Digest")
            if answer.status == http.HTTPStatus.OK
            else None
        )

    def _push_blob(self, repository: str, blob: bytes) -> None:
        key = (repository, digest_of(blob))
        if key in self._held:
            return
        self._held.add(key)
        location = self._ask("POST", f"/v2/{repository}/blobs/uploads/", b"")
        self._ask("PUT", _target(location, key[1]), blob)

    def _ask(
        self, method: str, target: str, body: bytes | Iterable[bytes], media_type: str = _BYTES
    ) -> str:
        """The Location of the answer, or ""."""
        headers = {"Content-Type": media_type}
        chunked = not isinstance(body, bytes)
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
        self._connection.request(method, target, body, headers, encode_chunked=chunked)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status not in {201, 202}:
            raise PushError(f"{method} {target}: {answer.status} {text[:200]!r}")
        return answer.headers.get("Location", "")


def _target(location: str, digest: str | None = None) -> str:
    """Where an upload goes on, or with a digest where it ends."""
    parts = urlsplit(location)
    query = [part for part in (parts.query, digest and f"digest={digest}") if part]
    return "?".join([parts.path, "&".join(query)]) if query else parts.path
