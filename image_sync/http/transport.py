"""httpx's requests and responses over aiohttp: the seam through which all HTTP goes.

`handle_async_request` is called directly, without `httpx.AsyncClient`: redirects, authorization
and cookies are ours (`client.py`), and that client costs more CPU than the request itself. What
may be asked, of whom and how often is decided above; nothing here retries, follows, decompresses,
keeps a cookie or reads the environment.

Four extensions of a request are understood: `target`, path and query exactly as they are to
stand on the wire; `ssl`, the context for https; `proxy`, the URL of an HTTP proxy; `patience`,
seconds that it may be silent for beyond the usual. A response has two: `headers`, its fields,
names compared without case; `release`, which ends it at once.
"""

from collections.abc import AsyncIterator

import aiohttp
import httpx
from yarl import URL

from image_sync.http.deadlines import Deadlines

_HEADER_LINE = 16 * 1024
"""Bytes of one header line of an answer; signed Location URLs have a few thousand."""
_HEADER_LINES = 128  # of one answer; registries send at most 30
_UNSENT = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")  # aiohttp's own defaults

ERRORS: dict[type[BaseException], type[httpx.TransportError]] = {
    aiohttp.ClientError: httpx.TransportError,
    aiohttp.ClientConnectionError: httpx.NetworkError,
    aiohttp.ClientConnectionResetError: httpx.WriteError,
    aiohttp.ClientOSError: httpx.ReadError,
    aiohttp.ClientConnectorError: httpx.ConnectError,
    aiohttp.ClientProxyConnectionError: httpx.ProxyError,
    aiohttp.ClientHttpProxyError: httpx.ProxyError,
    aiohttp.ServerConnectionError: httpx.ReadError,
    aiohttp.ServerTimeoutError: httpx.ReadTimeout,
    aiohttp.ConnectionTimeoutError: httpx.ConnectTimeout,
    aiohttp.ServerFingerprintMismatch: httpx.ConnectError,
    aiohttp.ClientPayloadError: httpx.RemoteProtocolError,
    aiohttp.UploadAbortedError: httpx.WriteError,
    aiohttp.ClientResponseError: httpx.RemoteProtocolError,
    aiohttp.InvalidURL: httpx.UnsupportedProtocol,
    aiohttp.RedirectClientError: httpx.UnsupportedProtocol,
    aiohttp.NonHttpUrlClientError: httpx.UnsupportedProtocol,
}
"""What aiohttp raises, in httpx's words; the nearest class of an error's MRO counts."""

_CARRIES_URL = (
    aiohttp.ClientResponseError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)
"""Errors whose text has the whole URL, signature and all: they are not chained."""


class IncompleteBody(httpx.RemoteProtocolError):
    """A body ended before its announced end."""


class AiohttpTransport(httpx.AsyncBaseTransport):
    """One pool of connections; must be made and closed inside of a running event loop."""

    def __init__(self, connector: aiohttp.TCPConnector, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_UNSENT,
            max_line_size=_HEADER_LINE,
            max_field_size=_HEADER_LINE,
            max_headers=_HEADER_LINES,
            timeout=self._timeout(0.0),
        )
        # aiohttp repeats idempotent requests whose connection broke; repeating is counted and
        # bounded above, by one policy.
        self._session._retry_connection = False  # noqa: SLF001 - there is no public switch

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer to one request, its body not read yet.

        Raises:
            httpx.TransportError: There is none, chained from aiohttp's error.
        """
        extensions = request.extensions
        patience: float = extensions.get("patience", 0.0)
        try:
            answer = await self._session.request(
                request.method,
                _url(request),
                headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
                data=_content(request),
                allow_redirects=False,
                ssl=extensions.get("ssl", True),
                proxy=extensions.get("proxy"),
                timeout=self._timeout(patience),
            )
        except aiohttp.ClientError as error:
            raise translate(error) from _cause(error)
        except ValueError:  # a line break in a header, a host that is none; may hold a secret
            raise httpx.LocalProtocolError("cannot be sent") from None
        return httpx.Response(
            answer.status,
            stream=_Body(answer),
            extensions={"headers": answer.headers, "release": answer.release},
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()

    def _timeout(self, patience: float) -> aiohttp.ClientTimeout:
        # `connect` covers DNS to TLS; `sock_read` runs only while we wait for the peer.
        deadlines = self._deadlines
        idle = deadlines.idle + patience
        return aiohttp.ClientTimeout(total=None, connect=deadlines.connect, sock_read=idle)


class _Body(httpx.AsyncByteStream):
    """The raw bytes of an answer as they come."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_any():
                yield chunk
        except aiohttp.ClientPayloadError as error:
            raise IncompleteBody("the body is not complete") from error
        except aiohttp.ClientError as error:
            raise translate(error) from _cause(error)

    async def aclose(self) -> None:
        # Gives the connection back if the body has arrived, and closes it otherwise.
        self._answer.release()


def translate(error: aiohttp.ClientError) -> httpx.TransportError:
    """What httpx calls an error of aiohttp."""
    found = next(ERRORS[base] for base in type(error).__mro__ if base in ERRORS)
    status = f" {error.status}" if isinstance(error, aiohttp.ClientResponseError) else ""
    return found(f"{type(error).__name__}{status}")


def _cause(error: aiohttp.ClientError) -> BaseException | None:
    if isinstance(error, _CARRIES_URL):
        return error.__cause__ if isinstance(error, aiohttp.ClientResponseError) else None
    return error


def _url(request: httpx.Request) -> URL:
    target = request.extensions.get("target")
    if target is None:
        return URL(str(request.url), encoded=True)
    origin = f"{request.url.scheme}://{request.url.netloc.decode()}"
    return URL(origin + target.decode(), encoded=True)


def _content(request: httpx.Request) -> bytes | AsyncIterator[bytes] | None:
    stream = request.stream
    if isinstance(stream, httpx.ByteStream):
        return b"".join(stream) or None
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("the content of an asynchronous request streams asynchronously")
    return aiter(stream)
