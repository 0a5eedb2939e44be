"""Large blobs on their way in: OCI distribution spec 1.1, section Pulling blobs.

The rest of one is asked for by RFC 9110, section 14. One try each: whoever wants the rest of a
blob that broke off asks from where it stopped. Here the bytes are counted, and not hashed: that is
done by whoever has seen those before. Small blobs, read whole, are `RegistryClient.get_blob`'s.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from http import HTTPStatus

from image_sync.errors import ErrorKind, RegistryError
from image_sync.http import Request
from image_sync.model import Endpoint
from image_sync.oci import Descriptor
from image_sync.registry.answer import Answer
from image_sync.registry.calls import request_to
from image_sync.registry.client import RegistryClient

_UNUSABLE = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE})
"""What places answer that do not do ranges (fault row 21)."""
_PART = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


class Download:
    """A blob on its way, or the rest of one; open as long as the `async with` that gave it.

    Attributes:
        skips: Bytes that are read and thrown away before the first one that was asked for.
    """

    def __init__(
        self, endpoint: Endpoint, blob: Descriptor, answer: Answer | None, offset: int
    ) -> None:
        partial = answer is None or answer.status == HTTPStatus.PARTIAL_CONTENT
        self.skips = 0 if partial else offset
        self._endpoint = endpoint
        self._blob = blob
        self._answer = answer
        self._length = blob.size - (offset if partial else 0)  # of the body, in bytes

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The bytes from the offset on, as many as the descriptor says, once.

        Raises:
            RegistryError: There are more of them (BAD_CONTENT) or fewer (TRUNCATED), or it broke.
        """
        answer, left, skips = self._answer, self._length, self.skips
        if answer is None:
            return
        async with aclosing(answer.chunks()) as chunks:
            async for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    raise _too_long(self._endpoint, self._blob, answer)
                if skips:
                    wanted = chunk[skips:]
                    skips -= len(chunk) - len(wanted)
                    if wanted:
                        yield wanted
                else:
                    yield chunk
        if left:
            # Without a Content-Length nobody else can tell (fault row 23).
            arrived = f"{self._blob.size - left} bytes of {self._blob.size}"
            message = f"{_name(self._endpoint, self._blob)} ended after {arrived}"
            raise answer.lie(self._endpoint, message, ErrorKind.TRUNCATED)


@asynccontextmanager
async def open_blob(
    client: RegistryClient, endpoint: Endpoint, blob: Descriptor, offset: int = 0
) -> AsyncGenerator[Download, None]:
    """A blob from some byte on, its bytes not hashed.

    A place that does not do ranges is asked for all of it (fault row 21). That a whole blob is at
    hand already asks nothing.

    Args:
        client: For the requests.
        endpoint: Where it is.
        blob: Which one.
        offset: Bytes of it that are at hand.

    Raises:
        RegistryError: It is missing (BLOB_MISSING), longer than it should be (BAD_CONTENT), or
            cannot be had.
    """
    if 0 < offset == blob.size:
        yield Download(endpoint, blob, None, offset)
        return
    opened = client.calls.opened
    async with AsyncExitStack() as opening:
        request = _request(endpoint, blob, offset)
        answer = await opening.enter_async_context(opened(endpoint, request))
        if offset and not _usable(answer, blob, offset):
            await opening.aclose()
            request = _request(endpoint, blob, 0)
            answer = await opening.enter_async_context(opened(endpoint, request))
        error = _wrong(endpoint, blob, answer, offset if request.headers else 0)
        if error:
            raise error
        yield Download(endpoint, blob, answer, offset)


def _request(endpoint: Endpoint, blob: Descriptor, offset: int) -> Request:
    path = f"/v2/{endpoint.repository.path}/blobs/{blob.digest}"
    return request_to(endpoint, "GET", path, {"Range": f"bytes={offset}-"} if offset else {})


def _usable(answer: Answer, blob: Descriptor, offset: int) -> bool:
    """False if an answer to a request for a range is no answer to any other."""
    if answer.status != HTTPStatus.PARTIAL_CONTENT:
        return answer.status not in _UNUSABLE
    part = _PART.fullmatch(answer.header("Content-Range").strip())
    return (
        part is not None
        and (int(part[1]), int(part[2])) == (offset, blob.size - 1)
        and part[3] in {"*", str(blob.size)}
    )


def _wrong(
    endpoint: Endpoint, blob: Descriptor, answer: Answer, offset: int
) -> RegistryError | None:
    if answer.status == HTTPStatus.NOT_FOUND:
        message = f"the blob {_name(endpoint, blob)} is missing"
        return answer.lie(endpoint, message, ErrorKind.BLOB_MISSING)
    partial = offset > 0 and answer.status == HTTPStatus.PARTIAL_CONTENT
    if answer.status != HTTPStatus.OK and not partial:
        return answer.error(endpoint)
    if answer.announced > blob.size - (offset if partial else 0):
        return _too_long(endpoint, blob, answer)
    return None


def _too_long(endpoint: Endpoint, blob: Descriptor, answer: Answer) -> RegistryError:
    message = f"{_name(endpoint, blob)} has more than the {blob.size} bytes of its descriptor"
    return answer.lie(endpoint, message)


def _name(endpoint: Endpoint, blob: Descriptor) -> str:
    return f"{endpoint.repository}@{blob.digest}"
