"""An OCI registry that behaves, until faults are injected: OCI distribution spec 1.1.

Covered: pull, push (monolithic, streamed, chunked, mounted), tags, delete; the referrers API where
`referrers` is set, and 404 otherwise, which sends clients to the tag schema. Uploads belong in
`uploads.py`.
"""

import json
import re
import ssl
from email.utils import formatdate

import msgspec
from typing_extensions import override

from tests.hostile.authorization import Access, Authorization
from tests.hostile.message import Request
from tests.hostile.referrers import ReferrersApi, subject_of
from tests.hostile.response import Response, error, response
from tests.hostile.server import Server
from tests.hostile.store import Repository, Store, StoredManifest, digest_of
from tests.hostile.uploads import Uploads

_MANIFEST_BYTES = 4 * 1024 * 1024  # refused above: OCI distribution spec 1.1, Pushing Manifests
_ROUTES = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("upload", r"/v2/(?P<name>.+)/blobs/uploads/(?P<reference>[^/]*)"),
        ("blob", r"/v2/(?P<name>.+)/blobs/(?P<reference>[^/]+)"),
        ("manifest", r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)"),
        ("tags", r"/v2/(?P<name>.+)/tags/(?P<reference>list)"),
        ("referrers", r"/v2/(?P<name>.+)/referrers/(?P<reference>[^/]+)"),
    )
)


class HostileRegistry(Server):
    """The honest registry over `store`; everything hostile about it is injected."""

    def __init__(
        self,
        address: str = "127.0.0.1",
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        authorization: Authorization | None = None,
    ) -> None:
        super().__init__(address, port=port, tls=tls)
        self.store = Store()
        self.uploads = Uploads(self.store)
        self.authorization = authorization
        self.referrers: ReferrersApi | None = None

    @override
    def answer(self, request: Request) -> Response:
        kind, name, reference = _route(request.path)
        access = _needed(request, kind, name)
        refusal = self.authorization and self.authorization.refuse(request, access)
        answer = refusal or self._allowed(request, kind, name, reference)
        headers = answer.headers.adding("Date", formatdate(usegmt=True))
        return msgspec.structs.replace(answer, headers=headers)

    def _allowed(self, request: Request, kind: str, name: str, reference: str) -> Response:
        match kind, request.method:
            case "ping", "GET" | "HEAD":
                return response(200, b"{}", media_type="application/json")
            case "upload", "POST":
                return self.uploads.start(request, name, self.url)
            case "upload", "GET" | "PATCH" | "PUT" | "DELETE":
                return self.uploads.step(request, name, reference, self.url)
            case "manifest", "PUT":
                return self._put_manifest(request, name, reference)
            case (("blob" | "manifest" | "tags"), _):
                held = self.store.repositories.get(name)
                if held is None:
                    return error(404, "NAME_UNKNOWN", "repository name not known to registry")
                return _read(request, kind, held, reference)
            case "referrers", "GET" if self.referrers:
                held = self.store.repository(name)
                return self.referrers.answer(request, held, name, reference)
            case (("none" | "referrers"), _):
                return response(404, b"404 page not found\n", media_type="text/plain")
            case _:
                return error(405, "UNSUPPORTED", "the operation is unsupported")

    def _put_manifest(self, request: Request, name: str, reference: str) -> Response:
        content = bytes(request.body)
        digest = digest_of(content, "sha512" if reference.startswith("sha512:") else "sha256")
        refusal = self._manifest_refusal(content, name)
        if refusal is not None:
            return refusal
        if ":" in reference and reference != digest:
            return error(400, "DIGEST_INVALID", "provided digest did not match the manifest")
        media_type = request.headers.get("Content-Type") or ""
        held = self.store.repository(name)
        held.manifests[digest] = StoredManifest(content, media_type)
        if ":" not in reference:
            held.tags[reference] = digest
        location = ("Location", f"/v2/{name}/manifests/{digest}")
        subject = subject_of(held.manifests[digest]) if self.referrers else None
        about = (("OCI-Subject", subject),) if subject else ()
        return response(201, b"", location, ("Docker-Content-Digest", digest), *about)

    def _manifest_refusal(self, content: bytes, name: str) -> Response | None:
        if len(content) > _MANIFEST_BYTES:
            return error(413, "MANIFEST_INVALID", "manifest too large")
        try:
            children, blobs = _references(content)
        except (ValueError, TypeError, KeyError, AttributeError):
            return error(400, "MANIFEST_INVALID", "manifest invalid")
        held = self.store.repository(name)
        if set(children) <= set(held.manifests) and set(blobs) <= set(held.blobs):
            return None
        return error(400, "MANIFEST_BLOB_UNKNOWN", "manifest references an unknown blob")


def _route(path: str) -> tuple[str, str, str]:
    """What a path names: kind, repository, reference."""
    if path in {"/v2", "/v2/"}:
        return "ping", "", ""
    for kind, pattern in _ROUTES:
        if found := pattern.fullmatch(path):
            return kind, found["name"], found["reference"]
    return "none", "", ""


def _needed(request: Request, kind: str, name: str) -> Access:
    if kind in {"ping", "none"}:
        return frozenset()
    if request.method in {"GET", "HEAD"} and kind != "upload":
        return frozenset({(name, "pull")})
    if request.method == "DELETE" and kind != "upload":
        return frozenset({(name, "delete")})
    source = request.parameters.get("from") if request.method == "POST" else None
    mount = {(source, "pull")} if source else set()
    return frozenset({(name, "pull"), (name, "push")} | mount)


def _references(content: bytes) -> tuple[list[str], list[str]]:
    """The digests of children and of blobs that a registry insists on."""
    parsed = json.loads(content)
    children = [entry["digest"] for entry in parsed.get("manifests", [])]
    blobs = [entry["digest"] for entry in parsed.get("layers", []) if "urls" not in entry]
    config = [parsed["config"]["digest"]] if "config" in parsed else []
    return children, config + blobs


def _read(request: Request, kind: str, held: Repository, reference: str) -> Response:
    match kind, request.method:
        case "manifest", "GET" | "HEAD":
            return _manifest(request, held, reference)
        case "manifest", "DELETE":
            return _delete_manifest(held, reference)
        case "blob", "GET" | "HEAD":
            return _blob(request, held, reference)
        case "blob", "DELETE":
            gone = held.blobs.pop(reference, None) is None
            return error(404, "BLOB_UNKNOWN") if gone else response(202)
        case "tags", "GET":
            return _tags(request, held)
        case _:
            return error(405, "UNSUPPORTED", "the operation is unsupported")


def _manifest(request: Request, held: Repository, reference: str) -> Response:
    found = held.manifest(reference)
    accepted = ",".join(request.headers.all("Accept")) or "*/*"
    if found is None or not (found[1].media_type in accepted or "*/*" in accepted):
        return error(404, "MANIFEST_UNKNOWN", "manifest unknown")
    digest, manifest = found
    named = ("Docker-Content-Digest", digest)
    return response(200, manifest.content, named, media_type=manifest.media_type)


def _delete_manifest(held: Repository, reference: str) -> Response:
    if ":" not in reference:
        gone = held.tags.pop(reference, None) is None
    else:
        gone = held.manifests.pop(reference, None) is None
        held.tags = {tag: digest for tag, digest in held.tags.items() if digest != reference}
    return error(404, "MANIFEST_UNKNOWN") if gone else response(202)


def _blob(request: Request, held: Repository, digest: str) -> Response:
    content = held.blobs.get(digest)
    if content is None:
        return error(404, "BLOB_UNKNOWN", "blob unknown to registry")
    fields = (("Docker-Content-Digest", digest), ("Accept-Ranges", "bytes"))
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range") or "")
    if asked is None or request.method == "HEAD":
        return response(200, content, *fields, media_type="application/octet-stream")
    first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
    if first > last:
        total = ("Content-Range", f"bytes */{len(content)}")
        return response(416, b"", total)
    part = content[first : last + 1]
    span = ("Content-Range", f"bytes {first}-{last}/{len(content)}")
    return response(206, part, *fields, span, media_type="application/octet-stream")


def _tags(request: Request, held: Repository) -> Response:
    name = _route(request.path)[1]
    query = request.parameters
    rest = sorted(tag for tag in held.tags if tag > query.get("last", ""))
    page = rest[: int(query.get("n", len(rest)))]
    body = json.dumps({"name": name, "tags": page}).encode()
    more = len(page) < len(rest) and page
    following = f"</v2/{name}/tags/list?n={len(page)}&last={page[-1]}>" if more else ""
    link = (("Link", f'{following}; rel="next"'),) if following else ()
    return response(200, body, *link, media_type="application/json")
