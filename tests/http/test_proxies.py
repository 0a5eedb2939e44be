"""HTTP proxies: who goes through one, and what it learns."""

import pytest

from image_sync.errors import ErrorKind, Side
from image_sync.http import Http
from image_sync.model import HostPolicy, TlsPolicy
from tests.hostile import Fault, HostileRegistry, Redirect, Sink, closed_port
from tests.http.asking import CANARY, body_of, failure_of, get, nothing
from tests.http.proxy import Proxy
from tests.real.tls import Authority

pytestmark = pytest.mark.anyio


async def test_the_source_proxy_serves_the_source_side_only() -> None:
    """What is for the cache stays in the cluster."""
    async with (
        HostileRegistry() as registry,
        Proxy() as proxy,
        Http(policies={}, emit=nothing, source_proxy=f"http://{proxy.host}") as http,
    ):
        assert (await body_of(http, get(registry.host, side=Side.TARGET)))[0] == 200
        assert proxy.heads == []
        assert (await body_of(http, get(registry.host)))[0] == 200
        assert len(proxy.heads) == 1
        assert proxy.heads[0].startswith(f"GET http://{registry.host}/v2/ ".encode())


async def test_https_goes_through_a_tunnel(authority: Authority) -> None:
    """The proxy of a host serves both sides, and sees neither path nor credentials."""
    async with (
        HostileRegistry(tls=authority.issue().server_context()) as registry,
        Proxy() as proxy,
    ):
        policy = HostPolicy(proxy=f"http://{proxy.host}", ca_file=str(authority.ca_file))
        async with Http(policies={registry.host: policy}, emit=nothing) as http:
            for side in Side:
                asked = get(
                    registry.host,
                    side=side,
                    tls=TlsPolicy.VERIFY,
                    headers={"Authorization": f"Bearer {CANARY}"},
                )
                assert (await body_of(http, asked))[0] == 200
        assert all(head.startswith(f"CONNECT {registry.host} ".encode()) for head in proxy.heads)
        assert CANARY.encode() not in b"".join(proxy.heads)


@pytest.mark.parametrize("tls", [TlsPolicy.VERIFY, TlsPolicy.PLAIN])
async def test_a_proxy_gets_its_own_password_and_the_registry_does_not(
    authority: Authority, tls: TlsPolicy
) -> None:
    """User information in the proxy's URL goes to the proxy alone."""
    context = authority.issue().server_context() if tls is TlsPolicy.VERIFY else None
    async with HostileRegistry(tls=context) as registry, Proxy() as proxy:
        policy = HostPolicy(proxy=f"http://me:pw@{proxy.host}", ca_file=str(authority.ca_file))
        async with Http(policies={registry.host: policy}, emit=nothing) as http:
            assert (await body_of(http, get(registry.host, tls=tls)))[0] == 200
        assert b"Proxy-Authorization: Basic bWU6cHc=" in proxy.heads[0]
        assert "Authorization" not in registry.requests[0].headers


async def test_redirects_go_through_the_proxy_and_it_judges_their_addresses() -> None:
    """Names may resolve only there; the address rule cannot apply."""
    async with HostileRegistry() as registry, Sink() as cdn, Proxy() as proxy:
        registry.inject(Fault("GET", "*", Redirect(cdn.url)))
        policies = {registry.host: HostPolicy(proxy=f"http://{proxy.host}")}
        async with Http(policies=policies, emit=nothing) as http:
            assert (await body_of(http, get(registry.host)))[0] == 404
        assert len(proxy.heads) == 2
        async with Http(policies={}, emit=nothing, source_proxy=f"http://{proxy.host}") as http:
            asked = get("registry.example", f"{cdn.url}/token")
            assert (await body_of(http, asked))[0] == 404


@pytest.mark.parametrize("tls", [TlsPolicy.VERIFY, TlsPolicy.LENIENT])
async def test_a_proxy_that_refuses_is_named_without_its_password(tls: TlsPolicy) -> None:
    """Refused with a status, or not there at all."""
    async with Proxy(refuse=True) as proxy:
        for host in (proxy.host, closed_port()):
            url = f"http://me:{CANARY}@{host}"
            async with Http(policies={}, emit=nothing, source_proxy=url) as http:
                error = await failure_of(http, get("r.example", tls=tls))
            assert error.kind is ErrorKind.NETWORK
            assert "proxy" in error.message
            text = f"{error!r} {error} {vars(error)} {error.__cause__!r} {error.__cause__}"
            assert CANARY not in text
