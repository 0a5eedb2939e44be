"""`Http`: one request to a registry under all the rules that hold for it.

In this order: admission (`admission.py`), then hop by hop (`exchange.py`), each hop judged before
it is followed (`redirects.py`). Nothing here retries, and nothing adds credentials: both are the
caller's (`registry/`).
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib import metadata
from types import TracebackType
from typing import Self

import httpx
from aiohttp.abc import AbstractResolver

from image_sync.errors import ErrorKind, RegistryError
from image_sync.events import Emit
from image_sync.http.admission import Admission
from image_sync.http.clock import Clock
from image_sync.http.deadlines import DEFAULTS, Deadlines
from image_sync.http.errors import Asked, is_not_tls
from image_sync.http.exchange import Exchanges
from image_sync.http.memory import Memory
from image_sync.http.message import MAX_ASIDE, Request, Response
from image_sync.http.pools import Pools
from image_sync.http.quota import Quota
from image_sync.http.redirects import MAX_HOPS, STATUSES, Hop, follow
from image_sync.http.routes import Routes
from image_sync.http.security import Securities
from image_sync.http.tls import Contexts
from image_sync.http.urls import RefusedUrl
from image_sync.model import HostPolicy, Security, TlsPolicy
from image_sync.oci.quoting import printable

_LIMITED = HTTPStatus.TOO_MANY_REQUESTS  # looked up once: Python 3.11's enums are slow at it
_READING = frozenset({"GET", "HEAD"})
FIELDS = {
    "Accept-Encoding": "identity",
    "User-Agent": f"image-sync/{metadata.version('image-sync')}",
}
"""What every request carries: RFC 9110, sections 12.5.3 and 10.1.5."""


class Http:
    """All HTTP of the process; an `async with`, entered and left in the same event loop."""

    def __init__(
        self,
        *,
        policies: Mapping[str, HostPolicy],
        emit: Emit,
        source_proxy: str | None = None,
        deadlines: Deadlines = DEFAULTS,
        clock: Clock | None = None,
        memory: Memory | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Nothing happens before the first request.

        Args:
            policies: What the operator says, by canonical host; rates are this process's share.
            emit: Takes the events.
            source_proxy: URL of the proxy for requests on the source side.
            deadlines: Seconds that the outside world may take.
            clock: Where time comes from; the machine's by default, or the memory's.
            memory: What is known of hosts already.
            resolver: Where addresses come from; the system's by default.
        """
        memory = memory or Memory(emit, clock)
        memory.adopt(policies)
        clock = memory.clock
        self._clock = clock
        self._deadlines = deadlines
        circuits = memory.circuits
        self._admission = Admission(memory.limits, memory.pauses, circuits, emit)
        self._quotas = memory.quotas
        self._securities = Securities(emit)
        self._pools = Pools(deadlines, resolver)
        self._routes = Routes(
            policies, source_proxy, self._pools, Contexts(clock), self._securities
        )
        self._exchanges = Exchanges(
            self._routes,
            deadlines,
            clock,
            emit,
            circuits=circuits,
            quotas=self._quotas,
            securities=self._securities,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._pools.aclose()

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncGenerator[Response, None]:
        """The answer to a request, open as long as the `async with`.

        Its slot at the host is held as long, so read and leave. A status is never an error,
        except 429.

        Raises:
            RegistryError: There is no answer, or none that may be used.
        """
        async with self._admission.admit(request):
            response = await self._ask(request)
            try:
                yield response
            finally:
                await response.aclose()

    def quota(self, host: str) -> Quota | None:
        """The pull quota that a host told last, less what was charged since."""
        return self._quotas.get(host)

    def charge(self, host: str, pulls: int) -> None:
        """Count pulls that something else spends at a host; its next answer corrects the count.

        Args:
            host: Canonical host.
            pulls: Manifest GETs.
        """
        self._quotas.charge(host, pulls)

    def paused(self, host: str, *, pulls: bool = False) -> float:
        """Seconds that a host asked to be left alone for, 0.0 if it did not.

        Args:
            host: Canonical host.
            pulls: True to ask for requests that spend pulls.
        """
        return self._admission.paused(host, pulls=pulls)

    def pause(
        self, host: str, seconds: float | None, why: str, *, pulls_only: bool = False
    ) -> None:
        """Leave a host alone because something else was told to.

        Args:
            host: Canonical host.
            seconds: What it asked for; None for 60 s, doubling each time up to 1 h.
            why: Its words.
            pulls_only: True if only a pull quota is used up.
        """
        self._admission.pause(host, seconds, printable(why), pulls_only=pulls_only)

    def security(self, host: str, tls: TlsPolicy) -> Security | None:
        """How connections to a host turned out; None for a lenient one before its first answer."""
        return self._securities.get(host, tls)

    async def _ask(self, request: Request) -> Response:
        """The last answer of a chain of redirects."""
        hop = self._first(request)
        raw, hop = await self._begin(request, hop)
        origin = hop.origin
        for left in range(MAX_HOPS, -1, -1):
            asked = Asked(request.side, request.method, hop.url)
            response = Response(
                raw,
                asked,
                redirected=hop.origin != origin,
                deadlines=self._deadlines,
                clock=self._clock,
            )
            try:
                onward = await self._judge(request, hop, response, asked, left)
                if onward is None:
                    return response
                await _finish(response)
            except BaseException:
                await response.aclose()
                raise
            await response.aclose()
            hop = onward
            raw = await self._exchanges.send(request, hop)
        raise AssertionError("the last hop was returned or refused")

    def _first(self, request: Request) -> Hop:
        try:
            return self._routes.first(request, {**request.headers, **FIELDS})
        except RefusedUrl as error:
            raise _refused(Asked(request.side, request.method, request.target), error) from None

    async def _begin(self, request: Request, hop: Hop) -> tuple[httpx.Response, Hop]:
        """The first hop's answer; in clear if a lenient registry speaks no TLS."""
        try:
            return await self._exchanges.send(request, hop), hop
        except RegistryError as error:
            lenient = self._securities.may_fall_back(request.host, request.tls)
            if not (lenient and request.target.startswith("/") and is_not_tls(error)):
                raise
        hop = self._routes.in_clear(request, hop)
        return await self._exchanges.send(request, hop), hop

    async def _judge(
        self, request: Request, hop: Hop, response: Response, asked: Asked, left: int
    ) -> Hop | None:
        """Where an answer sends the request; None if it is the last one."""
        if response.status == _LIMITED:
            raise await self._admission.limited(request, asked, response)
        self._admission.answered(request)
        if response.status not in STATUSES:
            return None
        location = response.headers.get("Location")
        if location is None:
            return None
        if not left:
            raise _refused(asked, f"more than {MAX_HOPS} redirects", response.status)
        try:
            return _follow(request, hop, response.status, location)
        except RefusedUrl as error:
            raise _refused(asked, f"a redirect: {error}", response.status) from None


def _follow(request: Request, hop: Hop, status: int, location: str) -> Hop:
    if not request.target.startswith("/") and request.method in _READING:
        raise RefusedUrl("a token server or a next page has to answer by itself")
    if request.is_stream:
        raise RefusedUrl("the content is a stream and cannot be sent twice")
    return follow(request.method, status, location, hop)


def _refused(asked: Asked, why: object, status: int | None = None) -> RegistryError:
    return asked.error(ErrorKind.UNSAFE, f"refused: {why}", status=status)


async def _finish(response: Response) -> None:
    """Read a redirect's short body to its end, so that its connection can be used again."""
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and len(length) <= len(str(MAX_ASIDE)) and int(length) <= MAX_ASIDE:
        await response.start()
