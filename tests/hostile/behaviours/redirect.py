"""Redirects to where a client may go and to where it must not (rows 6 and 33-36)."""

from tests.hostile.fault import Exchange
from tests.hostile.response import Response, response

# Addresses that no registry on the internet may send us to (row 36): metadata and link-local,
# private, loopback and unspecified, each also wrapped in IPv6. For use as an authority.
FORBIDDEN_AUTHORITIES = (
    "169.254.169.254",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
)


class Redirect:
    """A redirect to the same path and query on another origin, or to any `location`.

    To another registry, a CDN or a sink (row 33), from https to http (row 34), to a forbidden
    address (row 36). `signed` is added to the query, as CDNs do with their signatures.
    """

    def __init__(
        self, origin: str = "", *, location: str = "", status: int = 307, signed: str = ""
    ) -> None:
        self._origin, self._location = origin, location
        self._status, self._signed = status, signed

    async def __call__(self, exchange: Exchange) -> Response:
        """The redirect."""
        await exchange.connection.read_body(exchange.request)
        location = self._location or self._origin + exchange.request.target
        if self._signed:
            location += f"{'&' if '?' in location else '?'}{self._signed}"
        return response(self._status, b"", ("Location", location))


class RedirectWithoutLocation:
    """A 3xx without a Location (row 35)."""

    async def __call__(self, exchange: Exchange) -> Response:
        """The redirect to nowhere."""
        return response(307)


class RedirectChain:
    """`hops` relative redirects on this server, then the honest answer (row 35).

    `hops=None` never ends.
    """

    def __init__(self, hops: int | None = None) -> None:
        self._hops = hops

    async def __call__(self, exchange: Exchange) -> Response:
        """The next hop."""
        done = int(exchange.request.parameters.get("hop", "0"))
        if self._hops is not None and done >= self._hops:
            return await exchange.proceed()
        await exchange.connection.read_body(exchange.request)
        return response(307, b"", ("Location", f"{exchange.request.path}?hop={done + 1}"))


class RedirectLoop:
    """A redirect to itself (row 35)."""

    async def __call__(self, exchange: Exchange) -> Response:
        """The same place again."""
        await exchange.connection.read_body(exchange.request)
        return response(307, b"", ("Location", exchange.request.target))
