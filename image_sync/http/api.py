"""A small JSON API that is no registry: one origin, one CA, one answer at a time.

Nothing that holds for registries holds here: no limits, pauses, proxies, redirects or system
roots. What is asked, by whose token, and what a status means is the caller's (`kubernetes/`).
"""

import ssl
from types import TracebackType
from typing import NamedTuple, Self

import aiohttp
import anyio
import httpx

from image_sync.errors import ApiError, ErrorKind
from image_sync.http.client import FIELDS
from image_sync.http.deadlines import DEFAULTS, Deadlines
from image_sync.http.errors import explain
from image_sync.http.message import MAX_ASIDE
from image_sync.http.tls import TrustError, believing
from image_sync.http.transport import AiohttpTransport

_CONNECTIONS = 2  # at once: one caller asks one thing after the other
_FAREWELL = 1.0  # seconds for connections to end in order, as in `pools.py`


class Answer(NamedTuple):
    """What came back: HTTP status, and the whole body."""

    status: int
    body: bytes


class ApiClient:
    """Asks one API; an `async with`, entered and left in the same event loop.

    Args:
        url: Its `https://HOST[:PORT]`.
        ca_file: The CA that signed its certificate; nobody else is believed. Read again when a
            certificate does not verify, because CAs rotate.
        deadlines: Seconds that it may take; an answer and its body together have `connect` and
            `headers`.
    """

    def __init__(self, url: str, ca_file: str, deadlines: Deadlines = DEFAULTS) -> None:
        self._url = url
        self._ca_file = ca_file
        self._deadlines = deadlines
        self._context: ssl.SSLContext | None = None
        self._transport: AiohttpTransport | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
        self._transport = AiohttpTransport(connector, self._deadlines)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            with anyio.move_on_after(_FAREWELL, shield=True):
                await transport.aclose()

    async def ask(self, method: str, path: str, *, token: str, content: bytes = b"") -> Answer:
        """The answer, whatever its status; its body has at most 64 KiB.

        Args:
            method: HTTP method.
            path: From the first slash on, quoted.
            token: A bearer token; goes nowhere else.
            content: JSON.

        Raises:
            ApiError: There is no answer, or none that may be used.
        """
        request = self._request(method, path, token, content)
        limit = self._deadlines.connect + self._deadlines.headers
        with anyio.move_on_after(limit):
            try:
                return await self._exchange(request)
            except httpx.TransportError as error:
                kind, message = explain(error)
                if kind is ErrorKind.TLS:
                    self._context = None
                raise ApiError(message, kind) from error
        raise ApiError(f"no complete answer within {limit:g} s", ErrorKind.TIMEOUT)

    async def _exchange(self, request: httpx.Request) -> Answer:
        if self._transport is None:
            raise RuntimeError("the client is asked inside of its `async with`")
        response = await self._transport.handle_async_request(request)
        stream = response.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError("answers of the transport stream asynchronously")
        body = bytearray()
        try:
            async for chunk in stream:
                body += chunk
                if len(body) > MAX_ASIDE:
                    message = f"its answer has more than {MAX_ASIDE} bytes"
                    raise ApiError(message, ErrorKind.BAD_CONTENT, status=response.status_code)
        finally:
            await stream.aclose()
        return Answer(response.status_code, bytes(body))

    def _request(self, method: str, path: str, token: str, content: bytes) -> httpx.Request:
        headers = {**FIELDS, "Accept": "application/json", "Authorization": f"Bearer {token}"}
        if content:
            headers["Content-Type"] = "application/json"
        extensions = {"target": path.encode("ascii"), "ssl": self._trust()}
        try:
            return httpx.Request(
                method, self._url, headers=headers, content=content, extensions=extensions
            )
        except ValueError:  # its text could hold the token
            message = "the token cannot be sent: it is not ASCII"
            raise ApiError(message, ErrorKind.CONFIG) from None

    def _trust(self) -> ssl.SSLContext:
        if self._context is None:
            try:
                self._context = believing(self._ca_file)
            except TrustError as error:
                raise ApiError(str(error), ErrorKind.CONFIG) from error
        return self._context
