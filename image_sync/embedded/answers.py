"""Answers of the registry, and what requests ask of answers: pages, and what is known already.

Not here: what is answered (`app.py`).
"""

from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from urllib.parse import quote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from image_sync.embedded.ranges import Part
from image_sync.embedded.reading import DamagedBlobError, OpenBlob, Reading
from image_sync.embedded.refusal import Code, RefusedError
from image_sync.embedded.uploads import Upload
from image_sync.oci import Digest
from image_sync.oci.reference import host_name, parse_host

_PAGE = 1_000
"""Entries of one answer at most, and where nothing is said."""


class Sent(StreamingResponse):
    """Bytes of a blob; broken off without a sign of success if they are damaged.

    Args:
        reading: What reads it.
        blob: The blob, which is closed at the end, whatever the end is.
        part: Which of its bytes; all of them if None.
        headers: Of the answer.
    """

    def __init__(
        self, reading: Reading, blob: OpenBlob, part: Part | None, headers: dict[str, str]
    ) -> None:
        self._blob = blob
        self._pieces = reading.send(blob, part)
        super().__init__(self._pieces, 206 if part else 200, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, until the client goes away."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._blob.close()

    async def stream_response(self, send: Send) -> None:
        """Send it; the server breaks an answer off that is too short."""
        async with aclosing(self._pieces):
            with suppress(DamagedBlobError):
                await super().stream_response(send)


def page_of(request: Request, entries: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The entries that are asked for, and the header that says where there are more.

    Args:
        request: May say `n` and `last`.
        entries: All there are, sorted.

    Raises:
        RefusedError: The number asked for is none.
    """
    last, told = request.query_params.get("last"), request.query_params.get("n")
    if told is not None and not (told.isascii() and told.isdigit()):
        raise RefusedError(Code.UNSUPPORTED, "n must be a whole number", status=400)
    count = min(int(told[:9]), _PAGE) if told else _PAGE
    rest = [entry for entry in entries if last is None or entry > last]
    page = rest[:count]
    if not page or len(rest) == len(page):
        return page, {}
    query = urlencode({"n": count, "last": page[-1]})
    return page, {"Link": f'<{quote(request.scope["path"])}?{query}>; rel="next"'}


def json_of(document: Mapping[str, object], headers: dict[str, str] | None = None) -> Response:
    """A document."""
    content = msgspec.json.encode(document)
    return Response(content, 200, headers, media_type="application/json")


def refused(refusal: RefusedError) -> Response:
    """Why something is not done."""
    return Response(refusal.body(), refusal.status, refusal.headers, media_type="application/json")


def etag(digest: Digest) -> str:
    """The entity tag of content, which never changes."""
    return f'"{digest}"'


def content_headers(digest: Digest) -> dict[str, str]:
    """Which content an answer has."""
    return {"Docker-Content-Digest": str(digest), "ETag": etag(digest)}


def is_known(request: Request, digest: Digest) -> bool:
    """True if the client has it: RFC 9110, section 13.1.2."""
    told = request.headers.get("If-None-Match", "")
    known = {tag.strip().removeprefix("W/") for tag in told.split(",")}
    return bool({etag(digest), "*"} & known)


def is_own_name(host: str) -> bool:
    """True if a Host is this machine's: no page from elsewhere can have a browser send it.

    A name that somebody may have rented (DNS rebinding) has a dot, and none of the endings that
    nobody can rent: `.localhost` (RFC 6761, section 6.3) and `.internal` (ICANN's resolution
    2024.07.29.06), which Docker and podman use for the machine that containers run on.

    Args:
        host: The field; empty for a client that sends none, as no browser does.
    """
    if not host:
        return True
    try:
        name = host_name(parse_host(host))
    except ValueError:
        return False
    is_address = name.startswith("[") or name.replace(".", "").isdigit()
    return is_address or "." not in name or name.endswith((".localhost", ".internal"))


def whereabouts(upload: Upload) -> dict[str, str]:
    """Where an upload goes on, and how much of it came."""
    return {
        "Location": f"/v2/{upload.repository.name}/blobs/uploads/{upload.id}",
        "Range": f"0-{max(0, upload.size - 1)}",
        "Docker-Upload-UUID": upload.id,
    }


def accepted(upload: Upload, status: int = 202) -> Response:
    """An upload that may go on."""
    return Response(status_code=status, headers=whereabouts(upload))


def created(name: str, digest: Digest) -> Response:
    """A blob that is here now."""
    headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": str(digest)}
    return Response(status_code=201, headers=headers)


def unsupported(method: str) -> RefusedError:
    """The refusal of a method that a call does not have."""
    return RefusedError(Code.UNSUPPORTED, f"{method} is not supported here")
