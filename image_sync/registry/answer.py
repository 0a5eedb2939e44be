"""One answer of a registry, and the errors that it can mean."""

import re
from collections.abc import AsyncGenerator
from http import HTTPStatus

from image_sync.errors import ErrorKind, RegistryError
from image_sync.http import Response, redacted_url
from image_sync.model import Endpoint
from image_sync.oci import Digest
from image_sync.registry.errors import RefusedRequest, error_from

_LENGTH = re.compile(r"[0-9]{1,18}")  # of a body: far beyond any disk


class Answer:
    """One answer of a registry: read whole, or open if a blob follows.

    Attributes:
        url: The URL that answered, absolute and whole: relative references start from it. It can
            carry signatures: `error` and `lie` leave its query out.
        redirected: True if another origin answered than the one that was asked.
        body: Empty if it is still to come.
        advice: What to do about a refusal, where more is known than the answer itself says.
    """

    __slots__ = ("_response", "advice", "body", "method", "redirected", "status", "url")

    def __init__(self, method: str, response: Response, body: bytes) -> None:
        self.method = method
        self.status = response.status
        self.redirected = response.redirected
        self.url = response.url
        self.body = body
        self.advice: str | None = None
        self._response = response  # closed if the body was read: its headers remain

    @classmethod
    async def read(cls, method: str, response: Response, limit: int) -> "Answer":
        """An answer with its body; any other than 200 means what its status says.

        Args:
            method: What was asked.
            response: The answer, still open.
            limit: Bytes of a good answer above which it is refused.

        Raises:
            RegistryError: The body of a good answer is too long, or breaks off.
        """
        if method == "HEAD":
            return cls(method, response, b"")
        good = response.status == HTTPStatus.OK
        body = await (response.read(limit) if good else response.start())
        return cls(method, response, body)

    def header(self, name: str) -> str:
        """A header field, its first line; empty if absent."""
        return self._response.headers.get(name, "")

    def header_lines(self, name: str) -> str:
        """A list-valued header field, its lines joined (RFC 9110, section 5.3); empty if absent."""
        wanted = name.lower()
        return ", ".join(
            line for key, line in self._response.headers.items() if key.lower() == wanted
        )

    @property
    def announced(self) -> int:
        """Bytes of the body as it announces them, -1 if it does not."""
        length = self.header("Content-Length")
        return int(length) if _LENGTH.fullmatch(length) else -1

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """The raw bytes of a body that was not read, as they come, once.

        Raises:
            RegistryError: It broke off, or stalled.
        """
        return self._response.chunks()

    @property
    def digest(self) -> Digest | None:
        """What the registry says the digest is (`Docker-Content-Digest`), None if it does not."""
        try:
            return Digest.parse(self.header("Docker-Content-Digest"))
        except ValueError:
            return None

    def error(self, endpoint: Endpoint) -> RegistryError:
        """The error that this answer means."""
        unavailable = self.status == HTTPStatus.SERVICE_UNAVAILABLE
        refused = RefusedRequest(
            self.method,
            redacted_url(self.url),
            self.status,
            self.body,
            self.advice,
            retry_after=self._response.retry_after if unavailable else None,
        )
        return error_from(endpoint, refused)

    def lie(
        self, endpoint: Endpoint, message: str, kind: ErrorKind = ErrorKind.BAD_CONTENT
    ) -> RegistryError:
        """The error for an answer whose content is not what it must be."""
        return RegistryError(
            message,
            kind,
            side=endpoint.side,
            method=self.method,
            url=redacted_url(self.url),
            status=self.status,
        )
