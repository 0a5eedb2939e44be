"""Upload sessions of the honest registry: OCI distribution spec 1.1, section Push.

Not here: routing and authorization (`registry.py`).
"""

import re
from enum import StrEnum
from itertools import count

import msgspec

from tests.hostile.message import Request
from tests.hostile.response import Response, error, response
from tests.hostile.store import Repository, Store, digest_of


class LocationForm(StrEnum):
    """How a registry may write the Location of an upload (fault row 46)."""

    PATH = "path"  # /v2/NAME/blobs/uploads/ID, as Zot does
    ABSOLUTE = "absolute"  # with scheme and authority
    QUERY = "query"  # absolute with ?_state=..., as distribution does; demanded back
    RELATIVE = "relative"  # relative to the request's own URL: RFC 9110, section 10.2.2
    ELSEWHERE = "elsewhere"  # absolute, on `location_origin`


class Session(msgspec.Struct):
    """One upload that is under way."""

    repository: str
    state: str  # what a Location of the form QUERY carries
    received: bytearray = msgspec.field(default_factory=bytearray)
    ends: bool = False  # True: the last chunk was a short one, which only the last may be


class Uploads:
    """The open sessions of one registry."""

    def __init__(self, store: Store) -> None:
        self.location_form = LocationForm.PATH
        self.location_origin = ""  # scheme and authority for ELSEWHERE
        self.least_chunk = 0  # bytes of every PATCH but the last (row 47)
        self.mounts_unnamed = False  # True: a mount finds the blob in any repository, as at Zot
        self.sessions: dict[str, Session] = {}
        self._store = store
        self._numbers = count(1)

    def forget(self) -> None:
        """Lose every session, as a restart without a shared secret does (fault row 44)."""
        self.sessions.clear()

    def start(self, request: Request, repository: str, origin: str) -> Response:
        """The answer to a POST: mounted, finished in one go, or a session to go on with."""
        query = request.parameters
        if "mount" in query and self._mounted(repository, query["mount"], query.get("from")):
            return _created(repository, query["mount"])
        if "digest" in query:
            return self._keep(repository, bytes(request.body), query["digest"])
        number = f"upload-{next(self._numbers)}"
        self.sessions[number] = Session(repository, state=f"state-of-{number}")
        least = ("OCI-Chunk-Min-Length", str(self.least_chunk))
        return self._progress(202, number, origin, *([least] if self.least_chunk else []))

    def step(self, request: Request, repository: str, number: str, origin: str) -> Response:
        """The answer to GET, PATCH, PUT or DELETE on a session."""
        session = self.sessions.get(number)
        if session is None or session.repository != repository:
            return error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        form_demands_state = self.location_form is LocationForm.QUERY
        if form_demands_state and request.parameters.get("_state") != session.state:
            return error(404, "BLOB_UPLOAD_INVALID", "the state in the Location is missing")
        if request.method == "GET":
            return self._progress(204, number, origin)
        if request.method == "DELETE":
            del self.sessions[number]
            return response(204)
        return self._receive(request, number, origin)

    def keep_part(self, repository: str, number: str, part: bytes) -> None:
        """Take bytes whose request broke off, as distribution does."""
        session = self.sessions[number]
        assert session.repository == repository
        session.received += part

    def _receive(self, request: Request, number: str, origin: str) -> Response:
        session = self.sessions[number]
        if not _continues(request, session):
            return self._progress(416, number, origin)
        if session.ends and request.body:
            return error(400, "SIZE_INVALID", "only the last chunk may be that short")
        session.received += request.body
        if request.method == "PATCH":
            session.ends = len(request.body) < self.least_chunk
            return self._progress(202, number, origin)
        return self._finish(request, number, session)

    def _finish(self, request: Request, number: str, session: Session) -> Response:
        digest = request.parameters.get("digest")
        if digest is None:
            return error(400, "DIGEST_INVALID", "digest parameter missing")
        del self.sessions[number]
        return self._keep(session.repository, bytes(session.received), digest)

    def _keep(self, repository: str, content: bytes, digest: str) -> Response:
        algorithm = digest.partition(":")[0]
        if algorithm not in {"sha256", "sha512"} or digest_of(content, algorithm) != digest:
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self._store.repository(repository).blobs[digest] = content
        return _created(repository, digest)

    def _mounted(self, repository: str, digest: str, source: str | None) -> bool:
        held = self._store.repositories
        searched = [held.get(source, Repository())] if source else []
        if self.mounts_unnamed:
            searched += held.values()
        found = next((each.blobs[digest] for each in searched if digest in each.blobs), None)
        if found is not None:
            self._store.repository(repository).blobs[digest] = found
        return found is not None

    def _progress(
        self, status: int, number: str, origin: str, *fields: tuple[str, str]
    ) -> Response:
        session = self.sessions[number]
        last = max(0, len(session.received) - 1)  # `0-0` also before the first byte
        return response(
            status,
            b"",
            ("Location", self._location(number, session, origin)),
            ("Range", f"0-{last}"),
            ("Docker-Upload-UUID", number),
            *fields,
        )

    def _location(self, number: str, session: Session, origin: str) -> str:
        path = f"/v2/{session.repository}/blobs/uploads/{number}"
        match self.location_form:
            case LocationForm.PATH:
                return path
            case LocationForm.ABSOLUTE:
                return origin + path
            case LocationForm.QUERY:
                return f"{origin}{path}?_state={session.state}"
            case LocationForm.ELSEWHERE:
                return self.location_origin + path
            case LocationForm.RELATIVE:
                return number


def _continues(request: Request, session: Session) -> bool:
    span = re.fullmatch(r"(?:bytes )?(\d+)-\d+(?:/.*)?", request.headers.get("Content-Range") or "")
    return span is None or int(span[1]) == len(session.received)


def _created(repository: str, digest: str) -> Response:
    return response(
        201,
        b"",
        ("Location", f"/v2/{repository}/blobs/{digest}"),
        ("Docker-Content-Digest", digest),
    )
