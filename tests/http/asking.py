"""Short ways to ask, so that tests read as what they promise."""

import socket
from collections.abc import AsyncIterator, Mapping

from aiohttp.abc import AbstractResolver, ResolveResult

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.events import Event, RequestFinished
from image_sync.http import Deadlines, Http, Request
from image_sync.model import TlsPolicy

CANARY = "canary-7f3a"
HASTY = Deadlines(connect=0.5, headers=0.5, idle=0.3, floor_rate=1000.0, floor_window=0.3)
"""Deadlines that a test can wait for."""
REFUSING = Deadlines(connect=5.0, headers=5.0, idle=5.0)


def get(host: str, target: str = "/v2/", **changes: object) -> Request:
    """A GET at the source over plain HTTP, changed as wanted."""
    fields: dict[str, object] = {
        "side": Side.SOURCE,
        "host": host,
        "tls": TlsPolicy.PLAIN,
        "method": "GET",
        "target": target,
    }
    return Request(**(fields | changes))  # type: ignore[arg-type]  # fields of Request by name


async def body_of(http: Http, request: Request, limit: int = 1 << 20) -> tuple[int, bytes]:
    """Status and body of an answer."""
    async with http.send(request) as response:
        return response.status, await response.read(limit)


async def failure_of(http: Http, request: Request, limit: int = 1 << 20) -> RegistryError:
    """The error that a request ends in, sent or read."""
    try:
        status, body = await body_of(http, request, limit)
    except RegistryError as error:
        return error
    raise AssertionError(f"it was answered: {status} {body[:100]!r}")


async def kind_of(http: Http, request: Request, limit: int = 1 << 20) -> ErrorKind:
    """The kind of that error."""
    return (await failure_of(http, request, limit)).kind


def statuses(events: list[Event]) -> list[int | None]:
    """What `RequestFinished` told."""
    return [event.status for event in events if isinstance(event, RequestFinished)]


def nothing(event: Event) -> None:
    """Nobody listens."""


async def streamed(*pieces: bytes) -> AsyncIterator[bytes]:
    """Content that comes in pieces."""
    for piece in pieces:
        yield piece


class Names(AbstractResolver):
    """A resolver that knows a few names and no network."""

    def __init__(self, addresses: Mapping[str, tuple[str, ...]]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: int = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if host not in self._addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses[host]
        ]

    async def close(self) -> None:
        pass
