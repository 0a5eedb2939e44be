"""A way for crane to a cache without TLS: a TCP forwarder on 127.0.0.1.

crane speaks plain HTTP without its `--insecure`, which would switch off verification at the source
as well, only to hosts it takes for local. Bytes pass through unread. Where the cache stands behind
routing by name, it sees the wrong Host header: that copy fails and is another engine's.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.stapled import MultiListener

Listener = MultiListener[SocketStream]

_CONNECT_SECONDS = 10.0
"""As for every connection of ours: docs/design.md, section Registry client."""
_CONNECTIONS = 64
"""At once: crane opens at most a few per layer; a run-away one waits."""


class Relay:
    """A running relay.

    Attributes:
        port: Where it listens on 127.0.0.1.
        sent: Bytes that went to the cache.
        failure: Why the cache could not be reached last, None if it could.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.sent = 0
        self.failure: str | None = None
        self._goal = (host, port)
        self._slots = anyio.CapacityLimiter(_CONNECTIONS)

    @property
    def host(self) -> str:
        """How a tool names the cache behind it."""
        return f"127.0.0.1:{self.port}"

    async def forward(self, client: SocketStream) -> None:
        """Join one connection to the cache until both sides are done."""
        async with self._slots, client:
            try:
                with anyio.fail_after(_CONNECT_SECONDS):
                    cache = await anyio.connect_tcp(*self._goal)
            except TimeoutError:
                self.failure = f"no connection within {_CONNECT_SECONDS:g} s"
            except OSError as error:
                self.failure = str(error.__cause__ or error)  # anyio's own words name no cause
            else:
                self.failure = None
                async with cache, anyio.create_task_group() as directions:
                    directions.start_soon(_pump, client, cache, self._count)
                    directions.start_soon(_pump, cache, client)

    def _count(self, size: int) -> None:
        self.sent += size


async def _pump(
    source: SocketStream, sink: SocketStream, moved: Callable[[int], None] = lambda _: None
) -> None:
    """Move bytes one way until that way ends; a broken way ends the other one, too."""
    try:
        async for chunk in source:
            await sink.send(chunk)
            moved(len(chunk))
        await sink.send_eof()
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        await anyio.aclose_forcefully(source)
        await anyio.aclose_forcefully(sink)


async def listen() -> Listener:
    """A port on 127.0.0.1.

    Raises:
        OSError: None could be opened.
    """
    return await anyio.create_tcp_listener(local_host="127.0.0.1")


@asynccontextmanager
async def relaying(listener: Listener, host: str, port: int) -> AsyncIterator[Relay]:
    """A relay to a plain-HTTP cache for as long as the block lasts; closes the listener."""
    relay = Relay(host, port)
    failure: Exception | None = None
    async with listener:
        relay.port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's
        async with anyio.create_task_group() as connections:
            connections.start_soon(partial(listener.serve, relay.forward, connections))
            try:
                yield relay
            except Exception as error:  # noqa: BLE001 - taken out of the task group, as it is
                failure = error
            connections.cancel_scope.cancel()
    if failure is not None:
        raise failure
