"""Where an upload session is, as its registry's last answer says: fault row 46.

OCI distribution spec 1.1, section Pushing a blob in chunks: `Location` and `Range`.
"""

import re
from collections.abc import AsyncIterable, Mapping
from urllib.parse import urlsplit

from image_sync.errors import ErrorKind, RegistryError
from image_sync.http import RefusedUrl, Request, join, redacted_url
from image_sync.model import Endpoint
from image_sync.oci import Digest
from image_sync.registry.answer import Answer
from image_sync.registry.calls import request_to

_OCTETS = {"Content-Type": "application/octet-stream"}
_REREADING = 32 * 1024 * 1024
"""Bytes per second with which a registry reads a blob again before it answers the last request, on
a slow disk or within its object store: Zot does so always, distribution for sha512."""
_RANGE = re.compile(r"(?:bytes[= ])?0-([0-9]{1,18})")
_NUMBER = re.compile(r"[0-9]{1,18}")


class Place:
    """The URL of a session, which may change with every answer."""

    def __init__(self, endpoint: Endpoint, opened: Answer) -> None:
        """The place that the answer to a POST names.

        Raises:
            RegistryError: It names none.
        """
        self._endpoint = endpoint
        self._url = ""
        self.move(opened)

    def move(self, answer: Answer) -> None:
        """Go where an answer says that the session is; stay where it does not say.

        Raises:
            RegistryError: It names no place.
        """
        location = answer.header("Location")
        if self._url and not location:
            return
        try:
            self._url = join(answer.url, location)
        except RefusedUrl as error:
            message = f"{self._endpoint.repository}: an upload without a usable Location: {error}"
            raise answer.lie(self._endpoint, message) from None

    def request(self, method: str) -> Request:
        """A request about the session that carries nothing."""
        return request_to(self._endpoint, method, self._url, {})

    def patch(
        self, content: bytes | AsyncIterable[bytes], headers: Mapping[str, str] | None = None
    ) -> Request:
        """A request that brings bytes."""
        fields = {**_OCTETS, **(headers or {})}
        return request_to(self._endpoint, "PATCH", self._url, fields, content)

    def put(
        self,
        digest: Digest,
        content: bytes | AsyncIterable[bytes],
        *,
        size: int,
        length: int | None = None,
    ) -> Request:
        """The request that ends the session, with its last bytes.

        Args:
            digest: Of the blob.
            content: The bytes.
            size: Bytes of the blob.
            length: Bytes of the content if it is a stream.
        """
        joint = "&" if urlsplit(self._url).query else "?"
        target = f"{self._url}{joint}digest={digest}"
        headers = _OCTETS if content else {}
        patience = size / _REREADING
        return request_to(
            self._endpoint, "PUT", target, headers, content, length=length, patience=patience
        )

    def error(self, what: str, kind: ErrorKind, *codes: str) -> RegistryError:
        """The error for something that is wrong with the session."""
        return RegistryError(
            f"{self._endpoint.repository}: {what}",
            kind,
            side=self._endpoint.side,
            method="PATCH",
            url=redacted_url(self._url),
            codes=codes,
        )


def told(answer: Answer) -> int | None:
    """Bytes that a registry says it has of an upload, None if it does not say.

    Some say `0-0` for none at all, as for the first byte.
    """
    found = _RANGE.fullmatch(answer.header("Range").strip())
    return int(found[1]) + 1 if found else None


def least_chunk(opened: Answer) -> int:
    """Bytes that a chunk must have unless it is the last one: `OCI-Chunk-Min-Length` (row 47)."""
    found = _NUMBER.fullmatch(opened.header("OCI-Chunk-Min-Length").strip())
    return int(found[0]) if found else 0
