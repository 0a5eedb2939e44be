"""The distribution API spoken with http.client, for setting up and looking after tests.

Small and blocking: one connection per request, bodies read whole.
"""

import hashlib
import http.client
import json
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)

# Seconds. A registry on loopback answers in milliseconds; this ends a test that hangs.
_TIMEOUT = 30.0

# What may be done to a repository, as the Authorization header that allows it.
Authorize = Callable[[str], str | None]


class Answer(NamedTuple):
    """A whole response; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UnexpectedAnswerError(AssertionError):
    """A registry that should have done what the test's set-up asked did not."""


class RegistryApi:
    """One registry, as `HOST:PORT`, with the right to do everything in it."""

    def __init__(
        self,
        host: str,
        *,
        ca_file: Path | None = None,
        authorize: Authorize = lambda _repository: None,
    ) -> None:
        """`ca_file` makes it TLS; `authorize` gives the header for a repository's name."""
        self.host = host
        self._context = ssl.create_default_context(cafile=str(ca_file)) if ca_file else None
        self._authorize = authorize

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repository: str = "",
    ) -> Answer:
        """Send one request; `repository` is what its authorization is for.

        Raises:
            OSError: nobody listens, or TLS failed.
            http.client.HTTPException: the peer broke off.
        """
        sent = dict(headers or {})
        authorization = self._authorize(repository)
        if authorization is not None:
            sent["Authorization"] = authorization
        connection = self._connect()
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, received, response.read())
        finally:
            connection.close()

    def ping(self) -> Answer:
        """GET /v2/."""
        return self.request("GET", "/v2/")

    def get_manifest(self, repository: str, reference: str) -> Answer:
        """GET a manifest by tag or digest, accepting all four types."""
        return self._manifest("GET", repository, reference)

    def head_manifest(self, repository: str, reference: str) -> Answer:
        """HEAD a manifest by tag or digest, accepting all four types."""
        return self._manifest("HEAD", repository, reference)

    def digest_of(self, repository: str, reference: str) -> str | None:
        """The sha256 digest of the manifest's bytes as the registry serves them, or None."""
        answer = self.get_manifest(repository, reference)
        if answer.status == http.client.NOT_FOUND:
            return None
        _expect(answer, http.client.OK, f"GET {repository} {reference}")
        return f"sha256:{hashlib.sha256(answer.body).hexdigest()}"

    def put_manifest(self, repository: str, reference: str, data: bytes, media_type: str) -> Answer:
        """PUT a manifest under a tag or a digest."""
        return self.request(
            "PUT",
            f"/v2/{repository}/manifests/{reference}",
            body=data,
            headers={"Content-Type": media_type},
            repository=repository,
        )

    def delete_manifest(self, repository: str, reference: str) -> Answer:
        """DELETE a tag or a digest (2.8 knows digests only)."""
        path = f"/v2/{repository}/manifests/{reference}"
        return self.request("DELETE", path, repository=repository)

    def get_blob(self, repository: str, digest: str) -> Answer:
        """GET a blob, whole."""
        return self.request("GET", f"/v2/{repository}/blobs/{digest}", repository=repository)

    def head_blob(self, repository: str, digest: str) -> Answer:
        """HEAD a blob."""
        return self.request("HEAD", f"/v2/{repository}/blobs/{digest}", repository=repository)

    def delete_blob(self, repository: str, digest: str) -> Answer:
        """DELETE a blob."""
        return self.request("DELETE", f"/v2/{repository}/blobs/{digest}", repository=repository)

    def put_blob(self, repository: str, data: bytes) -> str:
        """The digest under which the registry now has `data`.

        Raises:
            UnexpectedAnswerError: it refused.
        """
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        opened = self.request(
            "POST", f"/v2/{repository}/blobs/uploads/", body=b"", repository=repository
        )
        _expect(opened, http.client.ACCEPTED, f"POST an upload to {repository}")
        location = urlsplit(opened.headers["location"])
        query = f"{location.query}&" if location.query else ""
        answer = self.request(
            "PUT",
            f"{location.path}?{query}digest={digest}",
            body=data,
            headers={"Content-Type": "application/octet-stream"},
            repository=repository,
        )
        _expect(answer, http.client.CREATED, f"PUT blob {digest} to {repository}")
        return digest

    def tags(self, repository: str) -> list[str]:
        """The repository's tags in order; none for a repository that is not there."""
        answer = self.request("GET", f"/v2/{repository}/tags/list", repository=repository)
        if answer.status == http.client.NOT_FOUND:
            return []
        _expect(answer, http.client.OK, f"GET the tags of {repository}")
        return sorted(json.loads(answer.body)["tags"] or [])

    def _manifest(self, method: str, repository: str, reference: str) -> Answer:
        return self.request(
            method,
            f"/v2/{repository}/manifests/{reference}",
            headers={"Accept": ", ".join(MANIFEST_TYPES)},
            repository=repository,
        )

    def _connect(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self.host, timeout=_TIMEOUT)
        return http.client.HTTPSConnection(self.host, timeout=_TIMEOUT, context=self._context)


def _expect(answer: Answer, status: int, what: str) -> None:
    if answer.status != status:
        raise UnexpectedAnswerError(f"{what}: {answer.status}, not {status}: {answer.body[:500]!r}")
