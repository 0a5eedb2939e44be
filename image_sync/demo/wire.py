"""What goes over the wire to a registry, counted; and a registry that asks to be left alone.

An ASGI layer before the registry's application, so that what it counts is what came and went, and
not what somebody says of it.
"""

import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from enum import Enum, auto

import msgspec

from image_sync.runtime.serve import App

_Message = MutableMapping[str, object]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

_LIMITED = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"too many requests"}]}'
"""The specification's code for a 429: OCI distribution spec 1.1, section Error Codes."""


class Kind(Enum):
    """What a request is, as far as it matters here."""

    HEAD = auto()
    """Of a manifest; costs no pull."""
    PULL = auto()
    """GET of a manifest, which is what Docker Hub counts:
    https://docs.docker.com/docker-hub/usage/pulls/."""
    BLOB = auto()
    """GET of a blob."""
    OTHER = auto()


class Traffic(msgspec.Struct):
    """What a registry was asked and what went to and fro.

    Attributes:
        heads: HEADs of manifests.
        pulls: GETs of manifests.
        blobs: GETs of blobs.
        others: Other requests.
        refused: Requests answered with 429; they count nowhere else.
        blob_bytes: Bytes of blobs that were sent.
        sent: Bytes of all answers, their headers left out.
        received: Bytes of all requests, their headers left out.
    """

    heads: int = 0
    pulls: int = 0
    blobs: int = 0
    others: int = 0
    refused: int = 0
    blob_bytes: int = 0
    sent: int = 0
    received: int = 0

    @property
    def requests(self) -> int:
        """All that were answered with something else than 429."""
        return self.heads + self.pulls + self.blobs + self.others

    def count(self, kind: Kind) -> None:
        """Count a request."""
        match kind:
            case Kind.HEAD:
                self.heads += 1
            case Kind.PULL:
                self.pulls += 1
            case Kind.BLOB:
                self.blobs += 1
            case Kind.OTHER:
                self.others += 1


class Wire:
    """The wire to one registry.

    Args:
        clock: Seconds.

    Attributes:
        silence: Seconds from the last 429 to the next request; None if there was none yet.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.silence: float | None = None
        self._clock = clock
        self._traffic = Traffic()
        self._limit: float | None = None
        self._until = -math.inf
        self._refused: float | None = None

    def take(self) -> Traffic:
        """What went over it since the last time."""
        taken, self._traffic = self._traffic, Traffic()
        return taken

    def limit(self, seconds: int) -> None:
        """Answer the next request, and all within some seconds of it, with 429 and Retry-After."""
        self._limit, self.silence, self._refused = seconds, None, None

    def around(self, app: App) -> App:
        """An application that is this one with the wire before it."""

        async def answer(scope: _Message, receive: _Receive, send: _Send) -> None:
            if self._refuses():
                await _refuse(send, self._until - self._clock())
                self._refused = self._clock()
                return
            kind = _kind_of(str(scope["method"]), str(scope["path"]))
            self._traffic.count(kind)
            await app(scope, self._receiving(receive), self._sending(send, kind))

        return answer

    def _refuses(self) -> bool:
        now = self._clock()
        if self._refused is not None and self.silence is None and now >= self._until:
            self.silence = now - self._refused
        if self._limit is not None:
            self._until, self._limit = now + self._limit, None
        if now >= self._until:
            return False
        self._traffic.refused += 1
        return True

    def _receiving(self, receive: _Receive) -> _Receive:
        async def counted() -> _Message:
            message = await receive()
            self._traffic.received += _size(message)
            return message

        return counted

    def _sending(self, send: _Send, kind: Kind) -> _Send:
        async def counted(message: _Message) -> None:
            await send(message)
            if kind is not Kind.HEAD:  # whose body stays here
                self._traffic.sent += _size(message)
            if kind is Kind.BLOB:
                self._traffic.blob_bytes += _size(message)

        return counted


def _kind_of(method: str, path: str) -> Kind:
    match method, "/manifests/" in path, "/blobs/" in path:
        case "HEAD", True, _:
            return Kind.HEAD
        case "GET", True, _:
            return Kind.PULL
        case "GET", _, True:
            return Kind.BLOB
        case _:
            return Kind.OTHER


def _size(message: _Message) -> int:
    body = message.get("body", b"")
    return len(body) if isinstance(body, bytes) else 0


async def _refuse(send: _Send, seconds: float) -> None:
    """Answer with 429: RFC 6585, section 4, and RFC 9110, section 10.2.3."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(_LIMITED)).encode()),
        (b"retry-after", str(max(1, math.ceil(seconds))).encode()),
    ]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": _LIMITED})
