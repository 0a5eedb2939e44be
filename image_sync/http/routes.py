"""Which way a hop takes: scheme, pool, TLS context, proxy.

What a registry's policy says holds for the registry itself. Hosts it sends us to get none of our
identity, and must prove theirs even to a lenient registry, unless the operator named them.
"""

import ssl
from collections.abc import Mapping
from typing import NamedTuple

from image_sync.errors import Side
from image_sync.http.message import Request
from image_sync.http.pools import Pools, Standing
from image_sync.http.redirects import Hop
from image_sync.http.security import Securities
from image_sync.http.tls import Contexts, Trust
from image_sync.http.transport import AiohttpTransport
from image_sync.http.urls import Origin, RefusedUrl, parse_origin, registry_origin
from image_sync.model import HostPolicy, Security, TlsPolicy
from image_sync.oci.reference import api_host

_NOTHING_SAID = HostPolicy()


class Route(NamedTuple):
    """How a hop gets to its origin."""

    transport: AiohttpTransport
    context: ssl.SSLContext | None  # None: clear text
    proxy: str | None
    own: bool  # True: the registry itself
    excused: bool  # True: a certificate that does not verify is no end

    @property
    def security(self) -> Security:
        """What an answer on this way says of its peer."""
        if self.context is None:
            return Security.CLEAR
        unproven = self.context.verify_mode is ssl.CERT_NONE
        return Security.UNVERIFIED if unproven else Security.VERIFIED


class Routes:
    """The ways to every host."""

    def __init__(
        self,
        policies: Mapping[str, HostPolicy],
        source_proxy: str | None,
        pools: Pools,
        contexts: Contexts,
        securities: Securities,
    ) -> None:
        self._policies = policies
        self._source_proxy = source_proxy
        self._pools = pools
        self._contexts = contexts
        self._securities = securities

    def first(self, request: Request, headers: Mapping[str, str]) -> Hop:
        """Where a request goes first.

        Raises:
            RefusedUrl: Its target is an absolute URL that must not be followed.
        """
        scheme = self._securities.scheme(request.host, request.tls)
        if request.target.startswith("/"):
            origin = registry_origin(scheme, request.host)
            return Hop(f"{scheme}://{api_host(request.host)}{request.target}", origin, headers)
        origin = parse_origin(request.target)
        if scheme == "https" and origin.scheme == "http":
            raise RefusedUrl(
                "the registry is spoken to over https and names an http URL; behind a proxy it "
                "needs the X-Forwarded-Proto header, or relative URLs"
            )
        return Hop(request.target.partition("#")[0], origin, headers)

    def in_clear(self, request: Request, hop: Hop) -> Hop:
        """A registry's own hop over plain HTTP, for a registry that speaks no TLS."""
        origin = registry_origin("http", request.host)
        return Hop(f"http://{api_host(request.host)}{request.target}", origin, hop.headers)

    def find(self, request: Request, hop: Hop) -> Route:
        """The way of a hop.

        Raises:
            TrustError: A certificate file of the registry cannot be used.
        """
        policy = self._policies.get(request.host, _NOTHING_SAID)
        proxy = policy.proxy or (self._source_proxy if request.side is Side.SOURCE else None)
        standing = _standing(request.host, hop.origin, policy)
        own = standing is Standing.OWN
        pool = self._pools.get(request.host, standing, proxied=proxy is not None)
        if hop.origin.scheme != "https":
            return Route(pool, None, proxy, own, excused=False)
        trust = Trust.of(policy) if own else Trust.of(policy).foreign
        excused = request.tls is TlsPolicy.LENIENT and _believed(request, hop, standing)
        verify = not excused or self._securities.proves(request.host, hop.origin)
        context = self._contexts.get(trust, verify=verify)
        return Route(pool, context, proxy, own, excused)


def _standing(host: str, origin: Origin, policy: HostPolicy) -> Standing:
    if origin == registry_origin(origin.scheme, host):
        return Standing.OWN
    names = (*policy.redirect_hosts, *policy.realm_hosts)
    return Standing.NAMED if {origin.host, origin.authority} & {*names} else Standing.STRANGER


def _believed(request: Request, hop: Hop, standing: Standing) -> bool:
    same_name = hop.origin.host == registry_origin(hop.origin.scheme, request.host).host
    return same_name or standing is not Standing.STRANGER
