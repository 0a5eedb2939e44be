"""Redirects and named URLs on the wire: what is followed, what arrives there, what is refused."""

import pytest

from image_sync.errors import ErrorKind
from image_sync.http import Http
from image_sync.model import HostPolicy, TlsPolicy
from tests.hostile import (
    Answer,
    Composed,
    Drip,
    Fault,
    HostileRegistry,
    Redirect,
    RedirectChain,
    RedirectLoop,
    RedirectWithoutLocation,
    Sink,
    closed_port,
)
from tests.http.asking import CANARY, Names, body_of, failure_of, get, kind_of, nothing, streamed
from tests.real.tls import Authority

pytestmark = pytest.mark.anyio

SECRETS = {"Authorization": f"Bearer {CANARY}", "Cookie": CANARY, "X-Custom": CANARY}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_cdn_gets_the_request_and_nothing_else(method: str, status: int) -> None:
    """Fault row 33: 0 canary bytes, the method kept, the query untouched."""
    async with (
        HostileRegistry() as registry,
        Sink() as cdn,
        Http(policies={}, emit=nothing) as http,
    ):
        registry.inject(Fault("*", "*", Redirect(cdn.url, status=status, signed="sig=%2Fa+b")))
        asked = get(registry.host, "/v2/x", method=method, headers={**SECRETS, "Range": "bytes=1-"})
        async with http.send(asked) as response:
            assert response.status == 404
            assert response.redirected
            assert response.url == f"{cdn.url}/v2/x?sig=%2Fa+b"
        assert not cdn.saw(CANARY)
        assert [request.target for request in cdn.requests] == ["/v2/x?sig=%2Fa+b"]
        assert cdn.requests[0].method == method
        assert cdn.requests[0].headers.get("Range") == "bytes=1-"
        assert cdn.requests[0].headers.get("Accept-Encoding") == "identity"


async def test_a_redirect_within_the_registry_keeps_everything() -> None:
    """Same scheme, host and port; its connection is used again."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        moved = Answer(307, b"moved, byte by byte", ("Location", "/v2/"))
        registry.inject(Fault("GET", "/v2/x", Composed(Drip(0.001), moved)))
        async with http.send(get(registry.host, "/v2/x", headers=SECRETS)) as response:
            assert response.status == 200
            assert not response.redirected
        assert registry.requests[1].headers.get("Authorization") == f"Bearer {CANARY}"
        assert {request.connection for request in registry.requests} == {1}


async def test_five_redirects_are_followed_and_six_are_not() -> None:
    """Fault row 35."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        registry.inject(Fault("GET", "/v2/", RedirectChain(5)))
        assert (await body_of(http, get(registry.host)))[0] == 200
        registry.inject(Fault("GET", "/v2/x", RedirectLoop()))
        error = await failure_of(http, get(registry.host, "/v2/x"))
        assert error.kind is ErrorKind.UNSAFE
        assert len(registry.asked("GET", "/v2/x")) == 6


async def test_a_redirect_to_nowhere_is_an_answer() -> None:
    """Without Location there is nothing to follow."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        registry.inject(Fault("GET", "*", RedirectWithoutLocation()))
        assert (await body_of(http, get(registry.host)))[0] == 307


async def test_https_never_leads_to_http(authority: Authority) -> None:
    """Fault row 34: neither by redirect nor by a named URL."""
    tls = authority.issue().server_context()
    async with HostileRegistry(tls=tls) as registry, Sink() as sink:
        registry.inject(Fault("GET", "*", Redirect(sink.url)))
        policies = {registry.host: HostPolicy(ca_file=str(authority.ca_file))}
        async with Http(policies=policies, emit=nothing) as http:
            for target in ("/v2/", f"{sink.url}/token"):
                asked = get(registry.host, target, tls=TlsPolicy.VERIFY, headers=SECRETS)
                assert await kind_of(http, asked) is ErrorKind.UNSAFE
            for tls_policy in (TlsPolicy.VERIFY, TlsPolicy.LENIENT):
                asked = get(registry.host, f"http://{registry.host}/v2/", tls=tls_policy)
                assert await kind_of(http, asked) is ErrorKind.UNSAFE
        assert sink.received == b""


async def test_a_token_server_answers_by_itself() -> None:
    """A realm's redirect is not followed: it would carry the request for a token elsewhere."""
    async with HostileRegistry() as registry, Sink() as realm, Sink("127.0.0.2") as other:
        realm.inject(Fault("GET", "*", Redirect(other.url)))
        async with Http(policies={}, emit=nothing) as http:
            await body_of(http, get(registry.host))
            asked = get(registry.host, f"{realm.url}/token?scope=x", headers=SECRETS)
            assert await kind_of(http, asked) is ErrorKind.UNSAFE
        assert realm.saw(CANARY)  # the caller decided that
        assert other.received == b""


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
async def test_an_upload_leaves_its_origin_with_nothing(method: str) -> None:
    """Content and credentials stay; within the origin a 307 is followed."""
    async with (
        HostileRegistry() as registry,
        Sink() as sink,
        Http(policies={}, emit=nothing) as http,
    ):
        registry.inject(Fault(method, "/v2/away", Redirect(sink.url)))
        registry.inject(Fault(method, "/v2/near", Redirect(location="/v2/")))
        asked = get(registry.host, "/v2/away", method=method, content=b"abc", headers=SECRETS)
        assert await kind_of(http, asked) is ErrorKind.UNSAFE
        assert sink.received == b""
        near = get(registry.host, "/v2/near", method=method, content=b"abc", headers=SECRETS)
        await body_of(http, near)
        assert bytes(registry.requests[-1].body) == b"abc"


async def test_a_stream_cannot_be_sent_twice() -> None:
    """A redirected stream is an error, not an empty upload."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        registry.inject(Fault("PUT", "/v2/near", Redirect(location="/v2/")))
        asked = get(registry.host, "/v2/near", method="PUT", content=streamed(b"abc"))
        assert await kind_of(http, asked) is ErrorKind.UNSAFE
        assert len(registry.requests) == 1


@pytest.mark.parametrize(
    "authority",
    [
        "169.254.169.254",
        "0.0.0.0:1",
        "[::]:1",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::1]",
        "[::ffff:169.254.169.254]",
    ],
)
async def test_even_a_loopback_registry_does_not_send_us_everywhere(authority: str) -> None:
    """Fault row 36: literals are judged like names."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        registry.inject(Fault("GET", "*", Redirect(f"http://{authority}")))
        error = await failure_of(http, get(registry.host))
        assert error.kind is ErrorKind.UNSAFE
        assert "may not send us there" in error.message


@pytest.mark.parametrize(
    "name", ["127.0.0.3", "inner.example", "mixed.example", "[::ffff:127.0.0.3]"]
)
async def test_a_registry_on_the_internet_reaches_nothing_inside(name: str) -> None:
    """By address, by a name that resolves there, or by one of several addresses."""
    names = Names(
        {"inner.example": ("127.0.0.3",), "mixed.example": ("10.255.255.1", "127.0.0.3", "::1")}
    )
    async with Sink() as sink, Http(policies={}, emit=nothing, resolver=names) as http:
        target = f"http://{name}:{sink.host.rpartition(':')[2]}/x"
        error = await failure_of(http, get("registry.example", target, headers=SECRETS))
        assert error.kind is ErrorKind.UNSAFE
        assert sink.received == b""


async def test_an_operator_can_name_hosts_inside() -> None:
    """`redirect_hosts` and `realm_hosts`: with or without the port."""
    names = Names({"inner.example": ("127.0.0.3",)})
    async with Sink() as sink:
        authority = f"inner.example:{sink.host.rpartition(':')[2]}"
        for policy in (
            HostPolicy(redirect_hosts=("inner.example",)),
            HostPolicy(redirect_hosts=(authority,)),
            HostPolicy(realm_hosts=("inner.example",)),
        ):
            policies = {"registry.example": policy}
            async with Http(policies=policies, emit=nothing, resolver=names) as http:
                asked = get("registry.example", f"http://{authority}/x")
                assert (await body_of(http, asked))[0] == 404


async def test_a_connection_of_one_rule_is_not_used_under_another() -> None:
    """A registry that is reached directly opens no way for the one that names it."""
    async with Sink() as sink, Http(policies={}, emit=nothing) as http:
        assert (await body_of(http, get(sink.host)))[0] == 404
        asked = get("registry.example", f"{sink.url}/x")
        assert await kind_of(http, asked) is ErrorKind.UNSAFE
        assert len(sink.requests) == 1


async def test_a_failing_token_server_does_not_open_the_circuit_of_its_registry() -> None:
    """What the registry sends us to is not the registry."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        assert (await body_of(http, get(registry.host)))[0] == 200
        realm = f"http://{closed_port()}/token"
        for name in "abcd":
            asked = get(registry.host, realm, repository=name)
            assert await kind_of(http, asked) is ErrorKind.NETWORK
        assert (await body_of(http, get(registry.host)))[0] == 200
