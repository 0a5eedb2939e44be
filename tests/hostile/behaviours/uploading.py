"""A cache that loses uploads, takes them in one way only, or will not mount (rows 44 to 48).

Least sizes of chunks are `registry.uploads.least_chunk` (row 47), forms of Location
`registry.uploads.location_form` (row 46), refusals are `Refusal`.
"""

import msgspec

from tests.hostile.connection import Connection
from tests.hostile.fault import Exchange
from tests.hostile.response import Response, error, response
from tests.hostile.uploads import Uploads


class UploadLost:
    """Every open session is forgotten before the request is answered, honestly (row 44)."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    async def __call__(self, exchange: Exchange) -> Response:
        """404 BLOB_UPLOAD_UNKNOWN, from the honest registry."""
        self._uploads.forget()
        return await exchange.proceed()


class MountIgnored:
    """A mount is answered with a session, as if the blob were not there (row 48)."""

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer to the same POST without its query."""
        return await exchange.proceed(msgspec.structs.replace(exchange.request, query=""))


class Torn:
    """RST after `after` bytes of the body; the session keeps them, as distribution does (row 45).

    Where the client has no more to send, it has arrived all the same.
    """

    def __init__(self, uploads: Uploads, after: int) -> None:
        self._uploads = uploads
        self._after = after

    async def __call__(self, exchange: Exchange) -> Response:
        """An answer that is never sent."""
        request = exchange.request
        await exchange.connection.read_body(request, self._after)
        name, _, number = request.path.removeprefix("/v2/").partition("/blobs/uploads/")
        self._uploads.keep_part(name, number, bytes(request.body))
        return Response(0, delivery=self)

    async def deliver(self, answer: Response, connection: Connection) -> None:
        """Cut the connection."""
        connection.reset()


class StreamsRefused:
    """411 at once to a body without a length: RFC 9110, section 15.5.12."""

    async def __call__(self, exchange: Exchange) -> Response:
        """The refusal; what has a length is answered honestly."""
        if "Content-Length" in exchange.request.headers:
            return await exchange.proceed()
        return response(411, b"length required\n", media_type="text/plain")


class LargeRefused:
    """413 at once to a body of more than `most` bytes, or without a length, as of a proxy."""

    def __init__(self, most: int) -> None:
        self._most = most

    async def __call__(self, exchange: Exchange) -> Response:
        """The refusal; what is small enough is answered honestly."""
        length = exchange.request.headers.get("Content-Length")
        if length is not None and int(length) <= self._most:
            return await exchange.proceed()
        return error(413, "SIZE_INVALID", "request entity too large")
