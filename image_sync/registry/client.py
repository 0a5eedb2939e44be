"""What a registry is asked: OCI distribution spec 1.1, section API.

One client serves all registries. Every answer is checked here against what was asked for: bytes
against their digest, headers against bytes, sizes against bounds. What follows from an answer is
decided above, in `sync/`. Large blobs are in `blobs.py` and `upload.py`, tag lists in `tags.py`,
what holds for every request in `calls.py`.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import anyio
import msgspec

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.http import Http, Request
from image_sync.model import Endpoint
from image_sync.oci import Descriptor, Digest, Manifest, ManifestError, Reference, mediatypes
from image_sync.oci.manifest import MAX_MANIFEST
from image_sync.registry.access import Access
from image_sync.registry.answer import Answer
from image_sync.registry.auth import Authenticator
from image_sync.registry.calls import Calls, request_to
from image_sync.registry.errors import is_transient
from image_sync.registry.recent import RecentManifests
from image_sync.registry.ways import Ways

_STORED = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED})
_ACCEPT_MANIFEST = {"Accept": mediatypes.ACCEPT}
_GONE = frozenset({HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND})
_UNABLE = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
)
"""What registries answer that delete no tags; distribution 2.8 says 400."""
_UNSUPPORTED = "UNSUPPORTED"
_AFRESH = frozenset({ErrorKind.BAD_CONTENT, ErrorKind.BLOB_MISSING, ErrorKind.TRUNCATED})
"""What one more request may mend: fault rows 15, 23 and 27."""


class ManifestHead(msgspec.Struct, frozen=True):
    """What a registry says of a manifest without sending it."""

    digest: Digest
    media_type: str  # empty where the registry does not say


class RegistryClient:
    """Manifests and blobs of any registry, by the distribution API.

    Args:
        http: For all requests.
        authenticator: Who we are.
        sleep: Waits some seconds, between tries.

    Attributes:
        calls: For what is asked of registries elsewhere.
        ways: How each registry wants its uploads.
    """

    def __init__(
        self,
        http: Http,
        authenticator: Authenticator,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.calls = Calls(http, authenticator, sleep)
        self.ways = Ways()
        self._headless: set[str] = set()
        self._recent = RecentManifests()

    async def head_manifest(self, endpoint: Endpoint, reference: Reference) -> ManifestHead | None:
        """What a manifest's digest is, by one HEAD; None if the registry has no such manifest.

        A registry that cannot say so with a HEAD is asked with a GET from then on, whose body is
        hashed (fault rows 18 and 29).

        Raises:
            RegistryError: Anything but "here it is" and "no such manifest".
        """
        if endpoint.host not in self._headless:
            request = request_to(endpoint, "HEAD", _manifest_path(reference), _ACCEPT_MANIFEST)
            answer = await self.calls.repeated(endpoint, request)
            # What is asked for by its digest has this one, whatever a header says.
            digest = reference.digest or answer.digest
            if answer.status == HTTPStatus.OK and digest:
                return ManifestHead(digest, mediatypes.essence(answer.header("Content-Type")))
            if answer.status == HTTPStatus.NOT_FOUND:
                return None
            if answer.status not in {HTTPStatus.OK, HTTPStatus.METHOD_NOT_ALLOWED}:
                raise answer.error(endpoint)
        try:
            manifest = await self.get_manifest(endpoint, reference)
        except RegistryError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                return None
            raise
        self._headless.add(endpoint.host)
        return ManifestHead(manifest.digest, manifest.media_type)

    def distrust_head(self, endpoint: Endpoint) -> None:
        """Ask a registry with GETs from now on: its HEAD named a digest that its GET disproved."""
        self._headless.add(endpoint.host)

    async def get_manifest(self, endpoint: Endpoint, reference: Reference) -> Manifest:
        """A manifest, hashed; by digest it is the one that was asked for.

        A source that was asked for a digest a short while ago is not asked again.

        Raises:
            RegistryError: It could not be had, or is not what it should be.
        """
        if reference.digest is None or endpoint.side is not Side.SOURCE:
            return await self._read_manifest(endpoint, reference)
        known = self._recent.get(reference.repository, reference.digest)
        if known is None:
            known = await self._read_manifest(endpoint, reference)
            self._recent.keep(reference.repository, reference.digest, known)
        return known

    async def get_stranger(self, endpoint: Endpoint, listed: Descriptor) -> bytes | None:
        """A manifest of a type that we do not know, hashed; None if there is no such manifest.

        Raises:
            RegistryError: It could not be had, or is not what it should be.
        """
        reference = endpoint.repository.digest(listed.digest)
        try:
            return (await self._document(endpoint, reference, listed.media_type)).body
        except RegistryError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def _document(
        self, endpoint: Endpoint, reference: Reference, accept: str = mediatypes.ACCEPT
    ) -> Answer:
        path, headers = _manifest_path(reference), {"Accept": accept}
        request = request_to(endpoint, "GET", path, headers, spends_pull=True)
        return await self._right(
            endpoint, request, MAX_MANIFEST, lambda a: _wrong_manifest(endpoint, reference, a)
        )

    async def _read_manifest(self, endpoint: Endpoint, reference: Reference) -> Manifest:
        answer = await self._document(endpoint, reference)
        try:
            manifest = Manifest.parse(answer.body, answer.header("Content-Type"))
        except ManifestError as error:
            raise answer.lie(endpoint, f"{reference}: {error}") from error
        if reference.digest:
            return msgspec.structs.replace(manifest, digest=reference.digest)
        stated = answer.digest
        if stated and not stated.matches(answer.body):
            self.distrust_head(endpoint)
        return manifest

    async def put_manifest(
        self, endpoint: Endpoint, reference: Reference, content: bytes, media_type: str
    ) -> None:
        """Store a manifest, under a tag or under its digest.

        A lost answer is settled by a HEAD (fault row 54).

        Raises:
            RegistryError: The registry did not take it.
        """
        selector = Reference(
            reference.repository, reference.tag, None if reference.tag else reference.digest
        )
        path, digest = _manifest_path(selector), selector.digest or Digest.of(content)
        request = request_to(endpoint, "PUT", path, {"Content-Type": media_type}, content)

        async def once(tries: int) -> None:
            try:
                answer = await self.calls.once(endpoint, request, tries=tries)
            except RegistryError as error:
                if is_transient(error) and await self._names(endpoint, path, digest, tries):
                    return
                raise
            if answer.status not in _STORED:
                raise answer.error(endpoint)

        await self.calls.retry(once)

    async def delete_tag(self, endpoint: Endpoint, reference: Reference) -> bool:
        """Take a tag away; True if it is gone, False if the registry does not do that.

        Raises:
            RegistryError: It did not say, or we may not.
        """
        if reference.tag is None:
            raise ValueError(f"{reference} names no tag")
        path = _manifest_path(msgspec.structs.replace(reference, digest=None))
        request = request_to(endpoint, "DELETE", path, {})
        access = Access(endpoint, deletes=True)

        async def once(tries: int) -> Answer:
            return await self.calls.once(endpoint, request, tries=tries, access=access)

        answer = await self.calls.retry(once)
        if answer.status in _GONE:
            return True
        error = answer.error(endpoint)
        if answer.status in _UNABLE or _UNSUPPORTED in error.codes:
            return False
        raise error

    async def head_blob(self, endpoint: Endpoint, digest: Digest) -> int | None:
        """The size in bytes of a blob, None if the repository has no such blob.

        A registry that does not tell the size answers -1.

        Raises:
            RegistryError: Anything but "here it is" and "no such blob".
        """
        request = request_to(endpoint, "HEAD", _blob_path(endpoint, digest), {})
        answer = await self.calls.repeated(endpoint, request)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status != HTTPStatus.OK:
            raise answer.error(endpoint)
        return answer.announced

    async def get_blob(self, endpoint: Endpoint, blob: Descriptor, limit: int) -> bytes:
        """A small blob, whole and hashed.

        Args:
            endpoint: Where it is.
            blob: Which one.
            limit: Bytes above which it is refused.

        Raises:
            RegistryError: It could not be had, or is not what its descriptor says.
        """
        request = request_to(endpoint, "GET", _blob_path(endpoint, blob.digest), {})
        answer = await self._right(
            endpoint, request, min(limit, blob.size), lambda a: _wrong_blob(endpoint, blob, a)
        )
        return answer.body

    async def _right(
        self,
        endpoint: Endpoint,
        request: Request,
        limit: int,
        wrong: Callable[[Answer], RegistryError | None],
    ) -> Answer:
        """The answer with nothing wrong about it; asked for once more where that may mend it."""
        answer = await self.calls.repeated(endpoint, request, limit)
        error = wrong(answer)
        if error and error.kind in _AFRESH:
            answer = await self.calls.repeated(endpoint, request, limit)
            error = wrong(answer)
        if error:
            raise error
        return answer

    async def _names(self, endpoint: Endpoint, path: str, digest: Digest, tries: int) -> bool:
        """Whether a registry has a manifest under a name after all; False if it does not say."""
        request = request_to(endpoint, "HEAD", path, _ACCEPT_MANIFEST)
        try:
            answer = await self.calls.once(endpoint, request, tries=tries)
        except RegistryError:
            return False  # nothing is settled, and the PUT is repeated
        return answer.status == HTTPStatus.OK and answer.digest == digest


def _wrong_manifest(
    endpoint: Endpoint, reference: Reference, answer: Answer
) -> RegistryError | None:
    if answer.status != HTTPStatus.OK:
        return answer.error(endpoint)
    wanted = reference.digest
    if wanted and not wanted.matches(answer.body):
        found = Digest.of(answer.body, wanted.algorithm)
        return answer.lie(endpoint, f"{reference} was answered with other bytes: {found}")
    return None


def _wrong_blob(endpoint: Endpoint, blob: Descriptor, answer: Answer) -> RegistryError | None:
    name = f"{endpoint.repository}@{blob.digest}"
    if answer.status == HTTPStatus.NOT_FOUND:
        return answer.lie(endpoint, f"the blob {name} is missing", ErrorKind.BLOB_MISSING)
    if answer.status != HTTPStatus.OK:
        return answer.error(endpoint)
    if len(answer.body) < blob.size:
        # Without a Content-Length nobody else can tell (fault row 23).
        length = f"{len(answer.body)} bytes of {blob.size}"
        return answer.lie(endpoint, f"{name} ended after {length}", ErrorKind.TRUNCATED)
    if not blob.digest.matches(answer.body):
        return answer.lie(endpoint, f"{name} was answered with other bytes")
    return None


def _manifest_path(reference: Reference) -> str:
    return f"/v2/{reference.repository.path}/manifests/{reference.selector}"


def _blob_path(endpoint: Endpoint, digest: Digest) -> str:
    return f"/v2/{endpoint.repository.path}/blobs/{digest}"
