"""One hop: a request to one place, until the headers of its answer are there.

What is learnt about the registry on the way goes to its circuit, its quota and its security, and
out as one `RequestFinished`. Following redirects and judging statuses is `client.py`'s.
"""

from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus

import anyio
import httpx

from image_sync.errors import ErrorKind
from image_sync.events import CircuitOpened, Emit, RequestFinished
from image_sync.http.circuit import FAILING_STATUSES, FIRST_PAUSE, Cause, Circuits
from image_sync.http.clock import Clock
from image_sync.http.deadlines import Deadlines
from image_sync.http.errors import Asked, NoAnswer, explain, is_unproven, is_unreachable
from image_sync.http.message import Request
from image_sync.http.quota import Quotas
from image_sync.http.redirects import Hop
from image_sync.http.routes import Route, Routes
from image_sync.http.security import Securities
from image_sync.http.tls import TrustError
from image_sync.http.upload import PIECE, Upload
from image_sync.http.urls import Origin
from image_sync.model import Security, TlsPolicy

_NO_CONTENT = httpx.ByteStream(b"")
_BAD_REQUEST = HTTPStatus.BAD_REQUEST
"""What servers that learnt TLS answer to clear text, Go's for one."""


class Exchanges:
    """Sends single hops."""

    def __init__(
        self,
        routes: Routes,
        deadlines: Deadlines,
        clock: Clock,
        emit: Emit,
        *,
        circuits: Circuits,
        quotas: Quotas,
        securities: Securities,
    ) -> None:
        self._routes = routes
        self._deadlines = deadlines
        self._clock = clock
        self._emit = emit
        self._circuits = circuits
        self._quotas = quotas
        self._securities = securities

    async def send(self, request: Request, hop: Hop) -> httpx.Response:
        """The answer to one hop, its body not read yet.

        Raises:
            RegistryError: There is none; chained from the transport's error.
        """
        asked = Asked(request.side, request.method, hop.url)
        while True:
            try:
                route = self._routes.find(request, hop)
            except TrustError as error:
                raise asked.error(ErrorKind.CONFIG, str(error)) from error
            began = self._clock.monotonic()
            try:
                answer = await self._travel(request, hop, route)
            except httpx.TransportError as error:
                self._finished(request, hop, None, began)
                self._failed(request, route, error)
                if self._doubts(request, hop, route, error):
                    continue
                raise asked.failure(error) from error
            self._finished(request, hop, answer.status_code, began)
            self._answered(request, hop, route, answer)
            return answer

    async def _travel(self, request: Request, hop: Hop, route: Route) -> httpx.Response:
        limit = self._deadlines.connect + self._deadlines.headers + request.patience
        with anyio.move_on_after(limit) as scope:
            stream = _stream(request, self._deadlines, scope)
            try:
                packed = _packed(request, hop, route, stream)
                answer = await route.transport.handle_async_request(packed)
            except BaseException as error:
                if isinstance(stream, Upload):
                    await stream.aclose()
                    if stream.failure and isinstance(error, httpx.TransportError):
                        raise stream.failure from None
                raise
            answer.extensions["content"] = stream
            return answer
        raise NoAnswer("no complete answer in time")

    def _failed(self, request: Request, route: Route, error: httpx.TransportError) -> None:
        if not route.own:
            return
        host = request.host
        if route.context is None and request.tls is TlsPolicy.LENIENT:
            self._securities.failed(host)
        if is_unreachable(error) and self._circuits.failed(
            host, request.path, Cause(*explain(error))
        ):
            self._emit(CircuitOpened(host=host, seconds=FIRST_PAUSE))

    def _doubts(
        self, request: Request, hop: Hop, route: Route, error: httpx.TransportError
    ) -> bool:
        """Whether only the certificate did not verify, and need not; the next route asks less."""
        asked = route.excused and route.security is Security.VERIFIED
        if not (asked and is_unproven(error)):
            return False
        self._securities.doubt(request.host, hop.origin, own=route.own)
        return True

    def _answered(self, request: Request, hop: Hop, route: Route, answer: httpx.Response) -> None:
        if not route.own:
            return
        host = request.host
        if request.tls is not TlsPolicy.VERIFY:
            credentials = "Authorization" in hop.headers
            self._securities.answered(host, request.tls, route.security, credentials=credentials)
            if route.context is None and answer.status_code == _BAD_REQUEST:
                self._securities.failed(host)
        if answer.status_code not in FAILING_STATUSES:
            self._circuits.succeeded(host)
        elif self._circuits.failed(host, request.repository, _gateway(answer.status_code)):
            self._emit(CircuitOpened(host=host, seconds=FIRST_PAUSE))
        headers: Mapping[str, str] = answer.extensions["headers"]
        limit = headers.get("ratelimit-limit")
        if limit is not None:
            self._quotas.read(host, limit, headers.get("ratelimit-remaining", ""))

    def _finished(self, request: Request, hop: Hop, status: int | None, began: float) -> None:
        start = len(hop.origin.scheme) + len("://")
        path = hop.url[hop.url.find("/", start) :].partition("?")[0]
        self._emit(
            RequestFinished(
                side=request.side,
                host=request.host,
                method=request.method,
                path=path,
                status=status,
                duration=self._clock.monotonic() - began,
                tries=request.tries,
            )
        )


def _gateway(status: int) -> Cause:
    return Cause(ErrorKind.UNAVAILABLE, f"it answers {status}")


def _stream(
    request: Request, deadlines: Deadlines, scope: anyio.CancelScope
) -> httpx.ByteStream | Upload:
    if request.content is None:
        return _NO_CONTENT
    if isinstance(request.content, bytes) and len(request.content) <= PIECE:
        return httpx.ByteStream(request.content)

    def extend(deadline: float) -> None:
        scope.deadline = deadline

    return Upload(request.content, deadlines.with_patience(request.patience), extend)


def _packed(
    request: Request, hop: Hop, route: Route, stream: httpx.ByteStream | Upload
) -> httpx.Request:
    headers = list(hop.headers.items())
    content = request.content
    length = len(content) if isinstance(content, bytes) else request.content_length
    if length is not None:
        headers.append(("Content-Length", str(length)))
    url = _origin_url(hop.origin)
    prefix = len(hop.origin.scheme) + len("://")
    start = hop.url.find("/", prefix)
    try:
        return httpx.Request(
            request.method,
            url,
            headers=headers,
            stream=stream,
            extensions={
                "target": hop.url[start:].encode("ascii"),
                "ssl": route.context,
                "proxy": route.proxy,
                "patience": request.patience,
            },
        )
    except ValueError:  # its text could hold a credential
        raise httpx.LocalProtocolError("not ASCII") from None


@lru_cache(maxsize=1024)  # a few per registry
def _origin_url(origin: Origin) -> httpx.URL:
    return httpx.URL(f"{origin.scheme}://{origin.authority}")
