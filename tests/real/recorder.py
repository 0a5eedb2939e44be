"""A reverse proxy that remembers each request, and can answer some of them itself.

It stands in front of a real registry, ends TLS where there is a certificate, and runs on
a thread of its own, so that tests may block. Connections of clients are kept alive; each
request goes upstream on a connection of its own, so that a registry that was restarted
in between is met fresh. Bodies stream.
"""

import re
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Final, Self

import anyio
import msgspec
from anyio.abc import ByteStream, Listener, SocketAttribute, TaskStatus
from anyio.from_thread import start_blocking_portal
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSListener

from tests.real.http1 import Framing, Head, NotHttpError, Sink, discard, pump_body, read_head
from tests.real.rules import PATIENCE, Hold, Rule, Rules, Scripted
from tests.real.tls import ServerCertificate

# What a connection that broke, or a peer that went away, looks like here.
_GONE: Final = (
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
    anyio.IncompleteRead,
    anyio.DelimiterNotFound,
    OSError,
)


class Recorded(msgspec.Struct, frozen=True):
    """One request as the registry saw it, and what was answered.

    `path` has the query; header names are lower case; `status` 0 means no answer came.
    """

    method: str
    path: str
    status: int
    headers: Mapping[str, str]


class Recorder:
    """Listens on `host` for a registry at `upstream` (`HOST:PORT`, plain HTTP)."""

    def __init__(
        self, upstream: str, *, address: str = "127.0.0.1", tls: ServerCertificate | None = None
    ) -> None:
        """`address` is where it listens, on a port of its own choice; `tls` what it shows."""
        self._address = address
        self._port = 0
        self._tls = tls
        self._routes = [(re.compile(""), upstream)]
        self._lock = threading.Lock()
        self._requests: list[Recorded] = []
        self._rules = Rules()
        self._stack = ExitStack()
        self._stop_listening: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        self._portal = self._stack.enter_context(start_blocking_portal())
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_away()
        self._stack.close()

    @property
    def host(self) -> str:
        """`HOST:PORT` for clients."""
        return f"{self._address}:{self._port}"

    @property
    def scheme(self) -> str:
        """`https` with a certificate, else `http`."""
        return "https" if self._tls else "http"

    @property
    def requests(self) -> list[Recorded]:
        """Every request answered since the start or `clear`, in order of the answers."""
        with self._lock:
            return list(self._requests)

    def matching(self, method: str | None, path_regex: str) -> list[Recorded]:
        """Those with that method (None: any) whose path contains a match."""
        path = re.compile(path_regex)
        return [r for r in self.requests if method in {None, r.method} and path.search(r.path)]

    def manifest_gets(self) -> list[Recorded]:
        """The GETs of manifests: what a registry may count as pulls."""
        return self.matching("GET", r"/manifests/")

    def clear(self) -> None:
        """Forget the requests; the rules stay."""
        with self._lock:
            self._requests.clear()

    def answer(
        self,
        method: str | None,
        path_regex: str,
        status: int,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        times: int | None = None,
    ) -> None:
        """Answer such requests in the registry's place; `times` None is for ever.

        The newest rule that fits is used. The request's body is read and dropped.
        """
        scripted = Scripted(status, dict(headers or {}), body)
        self._rules.add(Rule(method, re.compile(path_regex), scripted, times))

    def hold(self, method: str | None, path_regex: str, *, after_bytes: int = 0) -> Hold:
        """Hold such requests once that many bytes of the answer's body have gone out.

        With 0 they reach the registry on release only, even if their client is gone by
        then; `go_away` drops them.
        """
        held = Hold()
        self._rules.add(Rule(method, re.compile(path_regex), held, after_bytes=after_bytes))
        return held

    def stop_answering(self) -> None:
        """Drop all rules; what is held goes on."""
        self._rules.drop_all()

    def route(self, path_regex: str, upstream: str) -> None:
        """Send paths that match from their start to another plain-HTTP `HOST:PORT`."""
        self._routes.insert(0, (re.compile(path_regex), upstream))

    def listen(self) -> None:
        """Accept connections, again on the same port after `go_away`."""
        if self._stop_listening is not None:
            return
        served, (cancel, port) = self._portal.start_task(self._serve)
        self._port = port

        def stop() -> None:
            self._portal.call(cancel)
            served.result(PATIENCE)

        self._stop_listening = stop

    def go_away(self) -> None:
        """Close the port and every connection: clients are refused."""
        stop, self._stop_listening = self._stop_listening, None
        if stop is not None:
            stop()

    def _record(self, head: Head, status: int) -> None:
        recorded = Recorded(head.method, head.target, status, head.headers())
        with self._lock:
            self._requests.append(recorded)

    async def _serve(self, *, task_status: TaskStatus[tuple[Callable[[], None], int]]) -> None:
        tcp = await anyio.create_tcp_listener(local_host=self._address, local_port=self._port)
        listener: Listener[ByteStream] = tcp
        if self._tls is not None:
            listener = TLSListener(tcp, self._tls.server_context(), standard_compatible=False)
        async with tcp, anyio.create_task_group() as group:
            port = tcp.extra(SocketAttribute.local_port)
            task_status.started((group.cancel_scope.cancel, port))
            await listener.serve(self._connection)

    async def _connection(self, client: ByteStream) -> None:
        try:
            with suppress(*_GONE):
                reader = BufferedByteReceiveStream(client)
                while await self._exchange(client, reader):
                    pass
        except NotHttpError:
            # As Go's server does: clients that try https first see at once that it is not.
            with suppress(*_GONE):
                await client.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        finally:
            await anyio.aclose_forcefully(client)

    async def _exchange(self, client: ByteStream, reader: BufferedByteReceiveStream) -> bool:
        """One request and its answer; whether the connection may be used again."""
        head = await read_head(reader)
        rule = self._rules.take(head.method, head.target)
        if head.get("expect"):
            await client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if rule is None:
            return await self._forward(client, reader, head, client.send)
        if isinstance(rule.action, Scripted):
            await pump_body(reader, head.request_body(), discard)
            self._record(head, rule.action.status)
            await client.send(rule.action.encode(head.method))
            return not head.closes()
        if rule.after_bytes == 0:
            await rule.action.pass_through()
            return await self._forward(client, reader, head, client.send)
        sink = _held(client.send, rule.action, rule.after_bytes)
        return await self._forward(client, reader, head, sink)

    async def _forward(
        self, client: ByteStream, reader: BufferedByteReceiveStream, head: Head, body_sink: Sink
    ) -> bool:
        host, _, port = self._upstream(head.target).rpartition(":")
        try:
            upstream = await anyio.connect_tcp(host, int(port))
        except OSError:
            self._record(head, 0)
            return False
        exchange = _Forwarded(client, reader, upstream, head)
        async with upstream, anyio.create_task_group() as group:
            group.start_soon(exchange.send_request, self._rewritten(head))
            reusable = False
            try:
                answer = await exchange.receive_head()
                self._record(head, answer.status)
                await client.send(answer.encode())
                reusable = await exchange.relay_body(answer, body_sink)
            except _GONE:
                if not exchange.answered:
                    self._record(head, 0)
            group.cancel_scope.cancel()
        return reusable

    def _upstream(self, target: str) -> str:
        return next(upstream for path, upstream in self._routes if path.match(target))

    def _rewritten(self, head: Head) -> Head:
        """Without Expect, which was answered here, and with the scheme clients used."""
        fields = tuple(field for field in head.fields if field[0].lower() != "expect")
        return Head(head.start, (*fields, ("X-Forwarded-Proto", self.scheme)))


class _Forwarded:
    """One request on its way through, and its answer on the way back."""

    def __init__(
        self,
        client: ByteStream,
        client_reader: BufferedByteReceiveStream,
        upstream: ByteStream,
        head: Head,
    ) -> None:
        self.answered = False
        self._client = client
        self._client_reader = client_reader
        self._upstream = upstream
        self._upstream_reader = BufferedByteReceiveStream(upstream)
        self._head = head
        self._sent = False

    async def send_request(self, head: Head) -> None:
        """Pass the request on; a client that goes away takes the connection along."""
        try:
            await self._to_upstream(head.encode())
            await pump_body(self._client_reader, head.request_body(), self._to_upstream)
            self._sent = True
        except _GONE:
            await anyio.aclose_forcefully(self._upstream)

    async def receive_head(self) -> Head:
        """The head of the final answer."""
        head = await read_head(self._upstream_reader)
        while head.is_interim():
            head = await read_head(self._upstream_reader)
        self.answered = True
        return head

    async def relay_body(self, answer: Head, sink: Sink) -> bool:
        """Pass the answer's body on; whether the client's connection may be used again."""
        length = answer.response_body(self._head.method)
        await pump_body(self._upstream_reader, length, sink)
        last = length is Framing.UNTIL_CLOSE or answer.closes() or self._head.closes()
        return self._sent and not last

    async def _to_upstream(self, data: bytes) -> None:
        # A registry may answer and hang up before it has read everything.
        with suppress(*_GONE):
            await self._upstream.send(data)


def _held(sink: Sink, hold: Hold, after_bytes: int) -> Sink:
    passed = 0

    async def counting(piece: bytes) -> None:
        nonlocal passed
        head, tail = piece[: after_bytes - passed], piece[max(0, after_bytes - passed) :]
        if passed < after_bytes:
            await sink(head)
            passed += len(head)
        if tail:
            await hold.pass_through()
            await sink(tail)

    return counting
