"""Faults: which requests are answered wrongly, how often, and by what behaviour.

The behaviours themselves belong in `behaviours/`, one noun per file.
"""

from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from typing import Protocol

import msgspec

from tests.hostile.connection import Connection
from tests.hostile.message import Request
from tests.hostile.response import Response


class Exchange:
    """One request that waits for its answer."""

    def __init__(
        self,
        request: Request,
        connection: Connection,
        inner: Callable[[Request], Awaitable[Response]],
    ) -> None:
        self.request = request
        self.connection = connection
        self._inner = inner

    async def proceed(self, request: Request | None = None) -> Response:
        """What the server would have answered, to this request or to another in its place.

        The request's body is read and its effect has happened when this returns.
        """
        return await self._inner(request or self.request)

    def around(self, behaviour: "Behaviour") -> "Exchange":
        """The exchange as seen from outside of a behaviour: `proceed` gives that one's answer."""

        async def inner(request: Request) -> Response:
            return await behaviour(Exchange(request, self.connection, self._inner))

        return Exchange(self.request, self.connection, inner)


class Behaviour(Protocol):
    """A way to answer a request. Calling `exchange.proceed` is up to it."""

    async def __call__(self, exchange: Exchange) -> Response:
        """The answer, with its delivery."""


class Composed:
    """Several behaviours around each other, the outermost first.

    `Composed(Truncated(10), Answer(200, body=b"..."))` truncates that answer.
    """

    def __init__(self, *behaviours: Behaviour) -> None:
        self._behaviours = behaviours

    async def __call__(self, exchange: Exchange) -> Response:
        """The outermost behaviour's answer."""
        for behaviour in reversed(self._behaviours):
            exchange = exchange.around(behaviour)
        return await exchange.proceed()


def matches(request: Request, method: str, path: str, query: str = "*") -> bool:
    """Whether a request fits the patterns of a `Fault`."""
    return (
        (method == "*" or request.method in method.split("|"))
        and fnmatchcase(request.path, path)
        and fnmatchcase(request.query, query)
    )


class Fault(msgspec.Struct, frozen=True):
    """Requests that match get `behaviour`.

    Patterns are those of fnmatch on the raw text, `*` crosses slashes; methods are separated
    by `|`, `*` is every method.
    """

    method: str
    path: str
    behaviour: Behaviour
    times: int | None = None  # matches that get it; None: all
    after: int = 0  # matches that are answered honestly first
    query: str = "*"

    def matches(self, request: Request) -> bool:
        """Whether it concerns a request."""
        return matches(request, self.method, self.path, self.query)


class Injected:
    """A fault at work in a server."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.hits = 0  # how often it was used
        self._seen = 0

    def take(self, request: Request) -> Behaviour | None:
        """Its behaviour, if this request's turn has come."""
        times = self.fault.times
        if (times is not None and self.hits >= times) or not self.fault.matches(request):
            return None
        self._seen += 1
        if self._seen <= self.fault.after:
            return None
        self.hits += 1
        return self.fault.behaviour
