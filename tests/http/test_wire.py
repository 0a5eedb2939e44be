"""What goes over the wire, and what does not."""

from importlib import metadata

import pytest

from image_sync.errors import ErrorKind, Side
from image_sync.events import Event, RequestFinished
from image_sync.http import Http
from tests.hostile import Answer, Fault, Gzipped, HostileRegistry, WithExtraField, closed_port
from tests.http.asking import CANARY, Names, body_of, failure_of, get, nothing, statuses, streamed

pytestmark = pytest.mark.anyio


async def test_a_request_carries_what_it_was_given_and_little_else() -> None:
    """Host, identity encoding, name and version; no Accept, cookie or type of a library."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        await body_of(http, get(registry.host, headers={"Accept": "a/b", "accept-encoding": "br"}))
        fields = {name.lower(): value for name, value in registry.requests[0].headers.fields}
    assert fields == {
        "host": registry.host,
        "accept": "a/b",
        "accept-encoding": "identity",
        "user-agent": f"image-sync/{metadata.version('image-sync')}",
    }


@pytest.mark.parametrize(
    "target",
    [
        "/v2/a/blobs/sha256:../../x",
        "/v2/a/%2e%2e/x?from=%2Fv2%2f&n=1+2&e=",
        "/v2/a/tags/list?last=a%26b",
    ],
)
async def test_a_target_arrives_byte_for_byte(target: str) -> None:
    """No client normalises dots or escapes: signatures and digests depend on them."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        await body_of(http, get(registry.host, target))
        assert [request.target for request in registry.requests] == [target]


async def test_an_ipv6_registry_is_reached() -> None:
    """Brackets in the host, none in the address."""
    async with HostileRegistry("::1") as registry, Http(policies={}, emit=nothing) as http:
        host = f"[::1]:{registry.host.rpartition(':')[2]}"
        assert (await body_of(http, get(host)))[0] == 200
        assert registry.requests[0].headers.get("Host") == host


async def test_cookies_are_not_kept() -> None:
    """What a registry sets is not sent to anyone, itself included."""
    names = Names({"r.example": ("127.0.0.1",)})  # jars ignore cookies of bare addresses
    async with (
        HostileRegistry() as registry,
        Http(policies={}, emit=nothing, resolver=names) as http,
    ):
        host = f"r.example:{registry.host.rpartition(':')[2]}"
        registry.inject(Fault("GET", "*", WithExtraField("Set-Cookie", f"s={CANARY}; Path=/")))
        for _ in range(2):
            await body_of(http, get(host))
        assert all("Cookie" not in request.headers for request in registry.requests)


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault row 60: cache traffic must not leave the cluster because of a variable."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://{closed_port()}")
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        assert (await body_of(http, get(registry.host)))[0] == 200


async def test_encoded_bodies_stay_encoded() -> None:
    """Fault row 28: the bytes that are hashed are the bytes that came."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        digest = registry.store.put_blob("a", b"content")
        registry.inject(Fault("GET", "*", Gzipped()))
        _, body = await body_of(http, get(registry.host, f"/v2/a/blobs/{digest}"))
    assert body.startswith(b"\x1f\x8b")


async def test_connections_are_used_again() -> None:
    """Also after a HEAD, an unread error body and a 404."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        for method, target in (("HEAD", "/v2/"), ("GET", "/v2/a/manifests/none"), ("GET", "/v2/")):
            async with http.send(get(registry.host, target, method=method)):
                pass
        assert {request.connection for request in registry.requests} == {1}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"x", id="small"),
        pytest.param(b"x" * 300_000, id="large"),
        pytest.param(b"", id="empty"),
    ],
)
async def test_bytes_are_sent_with_their_length(content: bytes) -> None:
    """Whole, whatever the size, and never chunked."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        registry.inject(Fault("PUT", "*", Answer(201)))
        await body_of(http, get(registry.host, "/v2/x", method="PUT", content=content))
        request = registry.requests[0]
        assert bytes(request.body) == content
        assert request.headers.all("Content-Length") == (str(len(content)),)
        assert "Transfer-Encoding" not in request.headers


@pytest.mark.parametrize("length", [None, 6])
async def test_streams_are_sent_with_their_length_where_it_is_known(length: int | None) -> None:
    """Chunked otherwise."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        registry.inject(Fault("PATCH", "*", Answer(202)))
        content = streamed(b"abc", b"", b"def")
        asked = get(registry.host, method="PATCH", content=content, content_length=length)
        await body_of(http, asked)
        request = registry.requests[0]
        assert bytes(request.body) == b"abcdef"
        assert request.headers.get("Content-Length") == (str(length) if length else None)


async def test_every_answer_is_told_once_without_its_query() -> None:
    """`RequestFinished` has what logs and metrics need and no signature."""
    events: list[Event] = []
    async with HostileRegistry() as registry, Http(policies={}, emit=events.append) as http:
        await body_of(http, get(registry.host, f"/v2/?sig={CANARY}", tries=3))
        refused = get(closed_port(), f"/v2/?sig={CANARY}")
        await failure_of(http, refused)
    first = events[0]
    assert isinstance(first, RequestFinished)
    assert (first.side, first.host, first.method, first.path, first.status, first.tries) == (
        Side.SOURCE,
        registry.host,
        "GET",
        "/v2/",
        200,
        3,
    )
    assert first.duration > 0.0
    assert statuses(events) == [200, None]
    assert CANARY not in repr(events)


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nb", "\u00e4", "a\x00b"])
async def test_a_header_that_cannot_be_sent_is_our_error(value: str) -> None:
    """A token from a hostile server neither smuggles a field nor shows in the error."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        token = f"Bearer {CANARY}{value}"
        error = await failure_of(http, get(registry.host, headers={"Authorization": token}))
        assert error.kind is ErrorKind.BAD_CONTENT
        assert CANARY not in f"{error} {error.__cause__!r} {error.__context__!r}"
        assert registry.requests == []


async def test_no_representation_shows_a_secret() -> None:
    """Requests and responses can go into any log."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        request = get(
            registry.host,
            f"/v2/?sig={CANARY}",
            headers={"Authorization": CANARY},
            content=CANARY.encode(),
            method="POST",
        )
        async with http.send(request) as response:
            assert CANARY not in f"{request!r} {request} {response!r} {response}"
