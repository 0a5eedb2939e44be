"""The registry's API: OCI distribution spec 1.1, as an ASGI application.

What is refused says why with the specification's codes. Errors of ours, and disks that fail, are
told as events and answered without details. Nothing of a request is trusted before it is parsed:
the path (`calls.py`), ranges (`ranges.py`), digests.
"""

import errno
from collections.abc import Awaitable, Callable

import anyio
import msgspec
from anyio import to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from image_sync.embedded.accounts import Accounts
from image_sync.embedded.answers import (
    Sent,
    accepted,
    content_headers,
    created,
    etag,
    is_known,
    is_own_name,
    json_of,
    page_of,
    refused,
    unsupported,
)
from image_sync.embedded.calls import (
    Base,
    Catalog,
    NewUpload,
    OneBlob,
    OneManifest,
    OneUpload,
    Referrers,
    Tags,
    parse_call,
    parse_digest,
    parse_tags,
)
from image_sync.embedded.ranges import parse_range
from image_sync.embedded.reading import OpenBlob, Reading
from image_sync.embedded.receiving import receive_blob, receive_whole
from image_sync.embedded.refusal import Code, RefusedError
from image_sync.embedded.repository import Repository
from image_sync.embedded.store import Store
from image_sync.embedded.uploads import Upload, Uploads
from image_sync.events import Emit, Warned
from image_sync.oci import Digest, mediatypes
from image_sync.oci.manifest import MAX_MANIFEST
from image_sync.oci.mediatypes import essence
from image_sync.oci.strictjson import JSON
from image_sync.runtime.unforeseen import place_of

_READS = frozenset({"GET", "HEAD"})
_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
"""By which Docker tells a registry from other servers."""
_TELL_EVERY = 60.0
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


class Access(msgspec.Struct, frozen=True):
    """Who may do what.

    Attributes:
        accounts: Who may do anything; everybody if None.
        read_only: Nothing may be changed.
        local: Only this machine can reach it.
    """

    accounts: Accounts | None = None
    read_only: bool = False
    local: bool = False


def application(
    store: Store, uploads: Uploads, emit: Emit, access: Access | None = None
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The ASGI application.

    Args:
        store: Where everything is.
        uploads: What is on its way in.
        emit: Told of damaged blobs, disks that fail, and bugs of ours.
        access: Who may do what; everybody everything by default.
    """
    return _Registry(store, uploads, emit, access or Access())


class _Registry:
    def __init__(self, store: Store, uploads: Uploads, emit: Emit, access: Access) -> None:
        self._store = store
        self._uploads = uploads
        self._emit = emit
        self._access = access
        self._reading = Reading(self._tell_damage)
        self._told: dict[str, float] = {}  # when each warning was told last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
            response.headers.update(_VERSION)
            await response(scope, receive, send)
        except ClientDisconnect:
            pass  # nobody is there to be answered

    async def _answer(self, request: Request) -> Response:
        try:
            await self._admit(request)
            return await self._call(request)
        except RefusedError as refusal:
            return refused(refusal)
        except OSError as error:
            return self._failed(error)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - a bug must not end the server
            text = f"a request met a bug in image-sync: {type(error).__name__} at {place_of(error)}"
            self._emit(Warned("registry", f"{text}; please report it"))
            return Response(status_code=500)

    async def _admit(self, request: Request) -> None:
        # Only browsers send it: a page from anywhere may ask them to write to this machine.
        if "Origin" in request.headers:
            raise RefusedError(Code.DENIED, "web pages may not use this registry")
        accounts = self._access.accounts
        host = request.headers.get("Host", "")
        if self._access.local and not accounts and not is_own_name(host):
            text = f"{host} is no name of this machine: ask for its address"
            raise RefusedError(Code.DENIED, text)
        if accounts and not await accounts.admit(request.headers.get("Authorization", "")):
            headers = {"WWW-Authenticate": 'Basic realm="image-sync", charset="UTF-8"'}
            raise RefusedError(Code.UNAUTHORIZED, "name and password are needed", headers=headers)
        if self._access.read_only and request.method not in _READS:
            raise RefusedError(Code.UNSUPPORTED, "this registry is read-only")

    async def _call(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        # Not `request.url`, which is put together with the Host that a client says.
        match method, parse_call(request.scope["path"]):
            case "GET", Base():
                return json_of({})
            case "GET", Catalog():
                return self._catalog(request)
            case "GET", Tags(name=name):
                return self._tags(request, self._store.find(name))
            case "GET", Referrers(name=name, digest=digest):
                return await self._referrers(request, name, digest)
            case _, OneManifest(name=name, reference=reference):
                return await self._manifest(method, request, name, reference)
            case _, OneBlob(name=name, digest=digest):
                return await self._blob(method, request, name, digest)
            case "POST", NewUpload(name=name):
                return await self._begin(request, name)
            case _, OneUpload(name=name, upload=upload):
                return await self._upload(method, request, self._uploads.find(name, upload))
            case _:
                raise unsupported(request.method)

    # -- what there is --------------------------------------------------------------------------

    def _catalog(self, request: Request) -> Response:
        page, link = page_of(request, self._store.names())
        return json_of({"repositories": page}, link)

    def _tags(self, request: Request, repository: Repository) -> Response:
        page, link = page_of(request, repository.tags())
        return json_of({"name": repository.name, "tags": page}, link)

    async def _referrers(self, request: Request, name: str, subject: Digest) -> Response:
        """An empty list where nobody knows the subject, or the repository."""
        try:
            found = await to_thread.run_sync(self._store.find(name).referrers, subject)
        except RefusedError as refusal:
            if refusal.code is not Code.NAME_UNKNOWN:
                raise
            found = []
        headers = {}
        kind = request.query_params.get("artifactType")
        if kind:
            found = [
                each
                for each in found
                if isinstance(each, dict) and each.get("artifactType") == kind
            ]
            headers["OCI-Filters-Applied"] = "artifactType"
        index: JSON = {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": found}
        return Response(msgspec.json.encode(index), 200, headers, media_type=mediatypes.OCI_INDEX)

    # -- manifests ------------------------------------------------------------------------------

    async def _manifest(
        self, method: str, request: Request, name: str, reference: str | Digest
    ) -> Response:
        match method:
            case "GET":
                return self._get_manifest(request, self._store.find(name), reference)
            case "PUT":
                return await self._put_manifest(request, name, reference)
            case "DELETE":
                repository = self._store.find(name)
                await to_thread.run_sync(repository.delete, reference)
                return Response(status_code=202)
            case _:
                raise unsupported(method)

    def _get_manifest(
        self, request: Request, repository: Repository, reference: str | Digest
    ) -> Response:
        entry = repository.find(reference)
        content = entry and repository.blobs.read(entry.digest)
        if entry is None or content is None:
            if entry:
                self._tell_damage(repository.name, entry.digest)
            raise RefusedError(Code.MANIFEST_UNKNOWN, f"{repository.name} has no {reference}")
        if isinstance(reference, Digest):
            self._note(request, repository, reference)
        headers = content_headers(entry.digest)
        if is_known(request, entry.digest):
            return Response(status_code=304, headers=headers)
        return Response(content, 200, {**headers, "Content-Type": entry.media_type})

    async def _put_manifest(self, request: Request, name: str, reference: str | Digest) -> Response:
        content = await receive_whole(request, MAX_MANIFEST)
        media_type = essence(request.headers.get("Content-Type", ""))
        digest = reference if isinstance(reference, Digest) else None
        more = request.query_params.getlist("tag") if digest else []
        tags = parse_tags(more) if digest else [str(reference)]

        def store() -> Response:
            repository = self._store.ensure(name)
            stored = repository.put(content, media_type, digest, tags)
            headers = {
                "Location": f"/v2/{name}/manifests/{stored.digest}",
                "Docker-Content-Digest": str(stored.digest),
            }
            if stored.subject:
                headers["OCI-Subject"] = str(stored.subject)
            if more:
                headers["OCI-Tag"] = ", ".join(more)
            return Response(status_code=201, headers=headers)

        return await to_thread.run_sync(store)

    # -- blobs ----------------------------------------------------------------------------------

    async def _blob(self, method: str, request: Request, name: str, digest: Digest) -> Response:
        repository = self._store.find(name)
        match method:
            case "GET":
                return self._get_blob(request, repository, digest)
            case "DELETE":
                await to_thread.run_sync(repository.delete_blob, digest)
                return Response(status_code=202)
            case _:
                raise unsupported(method)

    def _get_blob(self, request: Request, repository: Repository, digest: Digest) -> Response:
        blob = self._reading.open(repository, digest)
        try:
            response = self._answer_blob(request, blob)
        except BaseException:
            blob.close()
            raise
        if not isinstance(response, Sent):
            blob.close()
        return response

    def _answer_blob(self, request: Request, blob: OpenBlob) -> Response:
        headers = {
            **content_headers(blob.digest),
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
            "Content-Length": str(blob.size),
        }
        if request.method == "HEAD":
            self._note(request, blob.repository, blob.digest)
            return Response(status_code=200, headers=headers)
        if is_known(request, blob.digest):
            return Response(status_code=304, headers=content_headers(blob.digest))
        wanted, tag = request.headers.get("Range"), etag(blob.digest)
        same = request.headers.get("If-Range", tag) == tag
        part = parse_range(wanted, blob.size) if wanted and same else None
        if part:
            headers["Content-Length"] = str(part.stop - part.start)
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{blob.size}"
        return Sent(self._reading, blob, part, headers)

    def _note(self, request: Request, repository: Repository, digest: Digest) -> None:
        """Whoever asks whether something is here is about to count on it."""
        if request.method == "HEAD" and not self._access.read_only:
            repository.blobs.touch(digest)

    # -- uploads --------------------------------------------------------------------------------

    async def _begin(self, request: Request, name: str) -> Response:
        """Begin an upload, take a whole one, or mount."""
        repository = await to_thread.run_sync(self._store.ensure, name)
        mounted = request.query_params.get("mount")
        if mounted:
            digest = parse_digest(mounted)
            origin = self._origin(digest, request.query_params.get("from"))
            if origin is not None and await to_thread.run_sync(_mount, digest, origin, repository):
                return created(name, digest)
        # In this thread: another could close one that a request has just gone on with.
        upload = self._uploads.begin(repository)
        if "digest" not in request.query_params or mounted:
            return accepted(upload)
        try:
            return await self._finish(request, upload)
        finally:
            self._uploads.end(upload)  # nobody was told where it could go on

    def _origin(self, digest: Digest, name: str | None) -> Repository | None:
        """The repository to mount a blob from, None if it cannot be had whole anywhere."""
        origin = self._store.holder(digest, name)
        if origin is not None:
            try:
                self._reading.open(origin, digest).close()
            except RefusedError:
                return None
        return origin

    async def _upload(self, method: str, request: Request, upload: Upload) -> Response:
        async with upload.turn:
            self._uploads.find(upload.repository.name, upload.id)  # another may have ended it
            try:
                return await self._go_on(method, request, upload)
            finally:
                self._uploads.note(upload)  # however long it took

    async def _go_on(self, method: str, request: Request, upload: Upload) -> Response:
        match method:
            case "GET":
                return accepted(upload, 204)
            case "PATCH":
                await receive_blob(request, upload, self._uploads)
                return accepted(upload)
            case "PUT":
                return await self._finish(request, upload)
            case "DELETE":
                self._uploads.end(upload)
                return Response(status_code=204)
            case _:
                raise unsupported(method)

    async def _finish(self, request: Request, upload: Upload) -> Response:
        """Take the rest of a blob, and keep it if it is what it should be."""
        digest = parse_digest(request.query_params.get("digest", ""))
        await receive_blob(request, upload, self._uploads)

        def keep() -> None:
            upload.finish(digest)
            self._store.share(digest, upload.repository)

        try:
            await to_thread.run_sync(keep)
        finally:
            self._uploads.end(upload)
        return created(upload.repository.name, digest)

    # -- failures -------------------------------------------------------------------------------

    def _failed(self, error: OSError) -> Response:
        full = error.errno in _NO_SPACE
        text = "no space left on device" if full else f"the disk failed: {error.strerror}"
        self._warn(f"{self._store.root}: {text}")
        return refused(RefusedError(Code.DENIED, text, status=507 if full else 500))

    def _tell_damage(self, name: str, digest: Digest) -> None:
        text = f"{name} has {digest} damaged on the disk: it is not served until it is pushed again"
        self._warn(text)

    def _warn(self, text: str) -> None:
        """Tell the same once a minute at most: who asks again and again could fill the log."""
        now = anyio.current_time()
        recent = {each: at for each, at in self._told.items() if now - at < _TELL_EVERY}
        if text not in recent:
            recent[text] = now
            self._emit(Warned("registry", text))
        self._told = recent


def _mount(digest: Digest, origin: Repository, target: Repository) -> bool:
    """Have one repository hold what another does; False if that is gone meanwhile."""
    if origin is target:
        target.blobs.touch(digest)
        return True
    try:
        target.blobs.link(digest, origin.blobs.path(digest))
    except FileNotFoundError:
        return False
    return True
