"""Bearer tokens: asked for once, kept while they last, renewed once, never for more than needed."""

import json
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import anyio
import pytest

from image_sync.credentials import Credential
from image_sync.errors import ErrorKind
from image_sync.oci import Digest
from tests.hostile import (
    Answer,
    Bearer,
    Fault,
    Gate,
    Held,
    HostileRegistry,
    HtmlPage,
    Redirect,
    Refusal,
    Reset,
    Sink,
    TokenServer,
    TooManyRequests,
    Unauthorized,
)
from tests.registry.asking import (
    CANARY,
    OPERATOR,
    REPOSITORY,
    Wallet,
    asking,
    failure,
    source,
    target,
    texts,
)

pytestmark = pytest.mark.anyio


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def tokens() -> AsyncIterator[TokenServer]:
    """Gives tokens to the operator."""
    async with TokenServer(accounts={OPERATOR.username: OPERATOR.secret}) as running:
        yield running


@pytest.fixture
async def registry(tokens: TokenServer) -> AsyncIterator[HostileRegistry]:
    """Wants those tokens; holds one image."""
    async with HostileRegistry(authorization=Bearer(tokens)) as running:
        running.store.put_image(REPOSITORY, "1")
        yield running


async def test_a_registry_that_asks_gets_a_token(
    registry: HostileRegistry, tokens: TokenServer
) -> None:
    """One request, one token for pull alone, the request again; then no more asking (row 1)."""
    endpoint = source(registry.host)
    async with asking(OPERATOR) as client:
        for _ in range(3):
            assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
    assert len(tokens.requests) == 1
    assert tokens.requests[0].parameters == {
        "service": "hostile",
        "scope": f"repository:{REPOSITORY}:pull",
    }
    sent = [request.headers.get("Authorization") for request in registry.requests]
    assert sent[0] is None
    assert len(set(sent[1:])) == 1
    assert len(sent) == 4


async def test_a_writer_asks_for_pull_and_push(
    registry: HostileRegistry, tokens: TokenServer
) -> None:
    """The scope is ours, by side and repository, not what the challenge says."""
    tokens.inject(Fault("GET", "/token", Answer(200, b'{"token":"x"}')))
    endpoint = target(registry.host, "other/repo")
    registry.inject(
        Fault(
            "HEAD", "*", Unauthorized(f'Bearer realm="{tokens.realm}",scope="registry:catalog:*"')
        )
    )
    async with asking(OPERATOR) as client:
        await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
    assert parse_qs(tokens.requests[0].query) == {"scope": ["repository:other/repo:pull,push"]}


async def test_a_hundred_requests_share_one_token(
    registry: HostileRegistry, tokens: TokenServer
) -> None:
    """However many ask at the same time for the same scope, the token server is asked once."""
    gate = Gate()
    tokens.inject(Fault("GET", "/token", Held(gate)))
    endpoint = source(registry.host)
    found: list[object] = []

    async with asking(OPERATOR) as client, anyio.create_task_group() as tasks:

        async def ask() -> None:
            found.append(await client.head_manifest(endpoint, endpoint.repository.tag("1")))

        for _ in range(100):
            tasks.start_soon(ask)
        with anyio.fail_after(30):
            await gate.reached(1)
            await anyio.wait_all_tasks_blocked()
            gate.open()
    assert len(found) == 100
    assert all(found)
    assert len(tokens.requests) == 1


async def test_everybody_who_waits_shares_a_failure(
    registry: HostileRegistry, tokens: TokenServer
) -> None:
    """A token server that refuses is not asked again by each of those who waited for it."""
    gate = Gate()
    tokens.inject(Fault("GET", "/token", Held(gate), times=1))
    tokens.accounts.clear()
    tokens.accounts["somebody"] = "else"
    endpoint = source(registry.host)
    kinds: list[ErrorKind] = []

    async with asking(OPERATOR) as client, anyio.create_task_group() as tasks:

        async def ask() -> None:
            asked = client.head_manifest(endpoint, endpoint.repository.tag("1"))
            kinds.append((await failure(asked)).kind)

        for _ in range(20):
            tasks.start_soon(ask)
        with anyio.fail_after(30):
            await gate.reached(1)
            await anyio.wait_all_tasks_blocked()
            gate.open()
    assert kinds == [ErrorKind.UNAUTHORIZED] * 20
    assert len(tokens.requests) == 1


async def test_the_next_in_line_takes_over_from_one_who_was_cancelled(
    registry: HostileRegistry, tokens: TokenServer
) -> None:
    """A cancelled request takes its token request along, and nobody waits for it for ever."""
    gate = Gate()
    tokens.inject(Fault("GET", "/token", Held(gate), times=1))
    endpoint = source(registry.host)
    found: list[object] = []

    async with asking(OPERATOR) as client, anyio.create_task_group() as tasks:

        async def ask(scope: anyio.CancelScope) -> None:
            with scope:
                found.append(await client.head_manifest(endpoint, endpoint.repository.tag("1")))

        first = anyio.CancelScope()
        with anyio.fail_after(30):
            tasks.start_soon(ask, first)
            await gate.reached(1)
            tasks.start_soon(ask, anyio.CancelScope())
            await anyio.wait_all_tasks_blocked()
            first.cancel()
    assert len(found) == 1
    assert len(tokens.requests) == 2


async def test_each_repository_has_a_token_of_its_own(
    registry: HostileRegistry, tokens: TokenServer
) -> None:
    """No token is sent where it was not asked for, reading and writing included."""
    registry.store.put_image("b", "1")
    async with asking(OPERATOR) as client:
        for endpoint in (source(registry.host), source(registry.host, "b"), target(registry.host)):
            assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
    scopes = [request.parameters["scope"] for request in tokens.requests]
    assert scopes == [
        f"repository:{REPOSITORY}:pull",
        "repository:b:pull",
        f"repository:{REPOSITORY}:pull,push",
    ]


@pytest.mark.parametrize(
    ("told", "life"),
    [
        pytest.param('"expires_in":300', 300.0, id="as the server says"),
        pytest.param('"expires_in":"300"', 300.0, id="as text"),
        pytest.param('"expires_in":300,"issued_at":"2031-01-01T00:00:00Z"', 300.0, id="row 58"),
        pytest.param('"x":1', 60.0, id="60 s if it does not say"),
        pytest.param('"expires_in":null', 60.0, id="60 s for null"),
        pytest.param('"expires_in":"soon"', 60.0, id="60 s for nonsense"),
        pytest.param('"expires_in":-5', 1.0, id="hardly ever for less than nothing"),
        pytest.param('"expires_in":"nan"', 1.0, id="nor for what is no number"),
    ],
)
async def test_a_token_is_used_for_four_fifths_of_its_life(told: str, life: float) -> None:
    """Renewed before it dies in the middle of something, by a clock that never jumps (row 2)."""
    clock = Clock()
    async with TokenServer() as tokens, HostileRegistry() as registry:
        tokens.inject(Fault("*", "*", Answer(200, f'{{"token":"t",{told}}}'.encode())))
        registry.store.put_image(REPOSITORY, "1")
        challenge = Unauthorized(f'Bearer realm="{tokens.realm}"')
        registry.inject(Fault("HEAD", "*", challenge, times=1))
        endpoint = source(registry.host)
        async with asking(clock=clock) as client:
            for now, asked in ((0.0, 1), (0.79 * life, 1), (0.81 * life, 2)):
                clock.now = 1000.0 + now
                await client.head_manifest(endpoint, endpoint.repository.tag("1"))
                assert len(tokens.requests) == asked


async def test_tokens_that_ran_out_are_not_kept(
    registry: HostileRegistry, tokens: TokenServer
) -> None:
    """Thousands of repositories do not make thousands of dead tokens stay in memory."""
    clock = Clock()
    tokens.expires_in = 10
    async with asking(OPERATOR, clock=clock) as client:
        for number in range(1100):
            clock.now += 1
            endpoint = source(registry.host, f"r{number}")
            await client.head_manifest(endpoint, endpoint.repository.tag("1"))
        kept = client.calls._auth._tokens._kept
    assert len(tokens.requests) == 1100
    assert len(kept) < 200


async def test_a_token_that_died_early_is_renewed_once(
    registry: HostileRegistry, tokens: TokenServer
) -> None:
    """A 401 in the middle costs one token and one repetition, nothing else (row 2)."""
    tokens.uses_per_token = 2
    endpoint = source(registry.host)
    async with asking(OPERATOR) as client:
        for _ in range(4):
            assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
    assert len(tokens.requests) == 2
    assert len(registry.requests) == 1 + 4 + 1


async def test_a_revoked_token_is_renewed_once_for_all(
    registry: HostileRegistry, tokens: TokenServer
) -> None:
    """Everybody who held the old one gets the new one by one request (row 2)."""
    endpoint = source(registry.host)
    async with asking(OPERATOR) as client:
        assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
        tokens.revoke()
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(client.head_manifest, endpoint, endpoint.repository.tag("1"))
    assert len(tokens.requests) == 2


async def test_a_token_without_the_scope_ends_in_a_word_about_it(
    registry: HostileRegistry, tokens: TokenServer
) -> None:
    """A credential that lacks push is refetched once, then says what it lacks (row 3)."""
    tokens.withheld = frozenset({"push"})
    endpoint = target(registry.host)
    async with asking(OPERATOR) as client:
        head = await client.head_manifest(endpoint, endpoint.repository.tag("1"))
        assert head
        asked = len(registry.requests)
        error = await failure(
            client.put_manifest(endpoint, endpoint.repository.tag("2"), b"{}", "a/b")
        )
    assert error.kind is ErrorKind.UNAUTHORIZED
    assert "lack pull,push" in error.hint
    assert len(registry.requests) - asked == 2
    assert len(tokens.requests) == 2


async def test_without_credentials_the_token_is_anonymous() -> None:
    """Public images need no account."""
    async with TokenServer() as tokens, HostileRegistry(authorization=Bearer(tokens)) as registry:
        registry.store.put_image(REPOSITORY, "1")
        endpoint = source(registry.host)
        async with asking() as client:
            assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
        assert tokens.requests[0].headers.get("Authorization") is None


async def test_an_identity_token_is_posted(registry: HostileRegistry, tokens: TokenServer) -> None:
    """As OAuth 2 has it: in the body of a POST, where no URL and no log sees it."""
    tokens.refresh_tokens.add(CANARY)
    endpoint = source(registry.host)
    async with asking(Credential("", "", identity_token=CANARY)) as client:
        assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
    (asked,) = tokens.requests
    assert (asked.method, asked.query) == ("POST", "")
    assert asked.headers.get("Content-Type") == "application/x-www-form-urlencoded"
    assert asked.headers.get("Authorization") is None
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": [CANARY],
        "client_id": ["image-sync"],
        "service": ["hostile"],
        "scope": [f"repository:{REPOSITORY}:pull"],
    }


async def test_a_realm_keeps_its_own_query(registry: HostileRegistry, tokens: TokenServer) -> None:
    """Ours is added to it; a fragment is not sent."""
    registry.inject(
        Fault(
            "HEAD", "*", Unauthorized(f'Bearer realm="{tokens.realm}?a=b#c",service="s"'), times=1
        )
    )
    endpoint = source(registry.host)
    async with asking(OPERATOR) as client:
        assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
    assert tokens.requests[0].target.startswith("/token?a=b&scope=")


@pytest.mark.parametrize(
    ("status", "kind", "times"),
    [
        pytest.param(400, ErrorKind.UNAUTHORIZED, 1, id="400"),
        pytest.param(401, ErrorKind.UNAUTHORIZED, 1, id="401, row 4"),
        pytest.param(403, ErrorKind.DENIED, 1, id="403"),
        pytest.param(404, ErrorKind.UNAUTHORIZED, 1, id="404 says nothing about the image"),
        pytest.param(500, ErrorKind.UNAVAILABLE, 4, id="500, row 16"),
        pytest.param(503, ErrorKind.UNAVAILABLE, 4, id="503, row 16"),
    ],
)
async def test_a_token_servers_refusal_is_told_as_one(
    registry: HostileRegistry, tokens: TokenServer, status: int, kind: ErrorKind, times: int
) -> None:
    """It names the token server, hides the query, and never reads as "no such image"."""
    tokens.inject(Fault("*", "*", HtmlPage(status)))
    endpoint = source(registry.host)
    async with asking(OPERATOR) as client:
        error = await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
    assert (error.kind, error.status, error.url) == (kind, status, tokens.realm)
    assert "token server" in error.message
    assert len(tokens.requests) == times
    assert CANARY not in texts(error)


async def test_a_limited_token_server_pauses_its_registry(
    registry: HostileRegistry, tokens: TokenServer
) -> None:
    """429 at the realm: neither is asked again before the time it gives (row 11)."""
    tokens.inject(Fault("*", "*", TooManyRequests(120)))
    endpoint = source(registry.host)
    async with asking(OPERATOR) as client:
        for _ in range(2):
            error = await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
            assert error.kind is ErrorKind.RATE_LIMITED
            assert error.retry_after == pytest.approx(120, abs=5)
    assert (len(tokens.requests), len(registry.requests)) == (1, 1)


async def test_a_broken_connection_to_the_realm_is_tried_again(
    registry: HostileRegistry, tokens: TokenServer
) -> None:
    """It is as transient as one to the registry (row 19)."""
    tokens.inject(Fault("*", "*", Reset(), times=2))
    endpoint = source(registry.host)
    async with asking(OPERATOR) as client:
        assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
    assert len(tokens.requests) == 3


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>log in</html>", id="a login page"),
        pytest.param(b"{}", id="no token"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"token":5}', id="a number"),
        pytest.param(b'{"token":""}', id="an empty one"),
        pytest.param(rb'{"token":"a\r\nX-Evil: 1"}', id="a header in it"),
        pytest.param(b'{"token":"a b"}', id="two words"),
        pytest.param('{"token":"é"}'.encode(), id="not ASCII"),
        pytest.param(b'{"token":"\xff"}', id="not UTF-8"),
    ],
)
async def test_an_answer_without_a_token_is_an_error(
    registry: HostileRegistry, tokens: TokenServer, body: bytes
) -> None:
    """Whatever a token server says in place of a token, it is not sent to the registry."""
    tokens.inject(Fault("*", "*", Answer(200, body)))
    endpoint = source(registry.host)
    async with asking(OPERATOR) as client:
        error = await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
    assert error.kind is ErrorKind.UNAUTHORIZED
    assert "without a token" in error.message
    assert len(registry.requests) == 1


@pytest.mark.parametrize("key", ["token", "access_token"])
async def test_both_names_of_a_token_are_known(key: str) -> None:
    """Docker's and OAuth's; the other may be missing, empty or null."""
    body = {"token": None, "access_token": ""} | {key: "given"}
    async with TokenServer() as tokens, HostileRegistry() as registry:
        tokens.inject(Fault("*", "*", Answer(200, json.dumps(body).encode())))
        registry.store.put_image(REPOSITORY, "1")
        challenge = Unauthorized(f'Bearer realm="{tokens.realm}"')
        registry.inject(Fault("HEAD", "*", challenge, times=1))
        endpoint = source(registry.host)
        async with asking() as client:
            assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
        assert registry.requests[1].headers.get("Authorization") == "Bearer given"


async def test_a_huge_token_answer_is_not_read(
    registry: HostileRegistry, tokens: TokenServer
) -> None:
    """64 KiB are the cap."""
    tokens.inject(Fault("*", "*", Answer(200, b'{"token":"' + b"x" * 70_000 + b'"}')))
    endpoint = source(registry.host)
    async with asking(OPERATOR) as client:
        error = await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
    assert error.kind is ErrorKind.BAD_CONTENT


async def test_a_realm_may_not_redirect(registry: HostileRegistry, tokens: TokenServer) -> None:
    """A token server answers by itself, or not at all."""
    async with Sink() as sink:
        tokens.inject(Fault("*", "*", Redirect(sink.url)))
        endpoint = source(registry.host)
        async with asking(OPERATOR) as client:
            error = await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
        assert error.kind is ErrorKind.UNSAFE
        assert sink.received == b""


@pytest.mark.parametrize(
    "challenge",
    [
        pytest.param("Bearer", id="no realm"),
        pytest.param('Bearer realm=""', id="an empty realm"),
        pytest.param('Bearer realm="/token"', id="a path"),
        pytest.param('Bearer realm="https://[::1/token"', id="no URL"),
        pytest.param('Bearer realm="https://a:b@c/token"', id="user information"),
        pytest.param('Bearer realm="file:///etc/passwd"', id="another scheme"),
        pytest.param('Bearer realm="https://x y/token"', id="a space"),
    ],
)
async def test_a_realm_that_is_no_url_is_refused(challenge: str) -> None:
    """Nothing is sent anywhere, and the error says why."""
    async with HostileRegistry() as registry:
        registry.inject(Fault("*", "*", Unauthorized(challenge)))
        endpoint = source(registry.host)
        async with asking(OPERATOR) as client:
            error = await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
        assert error.kind is ErrorKind.UNSAFE
        assert "token server" in error.message
        assert len(registry.requests) == 1


@pytest.mark.parametrize(
    "challenge",
    [pytest.param(None, id="no challenge"), pytest.param("Negotiate", id="a scheme we lack")],
)
async def test_a_401_that_asks_for_nothing_we_have_is_final(challenge: str | None) -> None:
    """It is an error with advice, after one request."""
    async with HostileRegistry() as registry:
        registry.inject(Fault("*", "*", Unauthorized(challenge)))
        endpoint = source(registry.host)
        async with asking(OPERATOR) as client:
            error = await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
        assert error.kind is ErrorKind.UNAUTHORIZED
        assert "add credentials" in error.hint
        assert len(registry.requests) == 1


async def test_two_challenge_headers_are_one_list(
    registry: HostileRegistry, tokens: TokenServer
) -> None:
    """Bearer is taken where a registry offers Basic first, on a line of its own."""
    challenges = (
        ("WWW-Authenticate", 'Basic realm="x"'),
        ("WWW-Authenticate", f'Bearer realm="{tokens.realm}",service="s"'),
    )
    registry.inject(Fault("HEAD", "*", Answer(401, b"", *challenges), times=1))
    endpoint = source(registry.host)
    async with asking(OPERATOR) as client:
        assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
    assert len(tokens.requests) == 1


async def test_a_403_after_new_credentials_came_is_asked_again(tokens: TokenServer) -> None:
    """Credentials are read once more; new ones get a new token and another try (row 5)."""
    tokens.accounts["rotated"] = "new-secret"
    async with HostileRegistry(authorization=Bearer(tokens)) as registry:
        registry.store.put_image(REPOSITORY, "1")
        denied = Fault("HEAD", "*", Refusal(403, "DENIED"), after=1, times=1)
        registry.inject(denied)
        wallet = Wallet(OPERATOR, renewed=Credential("rotated", "new-secret"))
        endpoint = source(registry.host)
        async with asking(wallet) as client:
            assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
        assert len(tokens.requests) == 2
        assert len(registry.requests) == 3


async def test_a_403_with_the_same_credentials_is_final(
    registry: HostileRegistry, tokens: TokenServer
) -> None:
    """They are read once more, and there is nothing new to try (row 5)."""
    registry.inject(Fault("GET", "*", Refusal(403, "DENIED", "not yours")))
    wallet = Wallet(OPERATOR)
    endpoint = source(registry.host)
    async with asking(wallet) as client:
        assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
        digest = Digest.of(b"x")
        asked = client.get_manifest(endpoint, endpoint.repository.digest(digest))
        error = await failure(asked)
    assert error.kind is ErrorKind.DENIED
    assert error.message == f"{endpoint.repository}: not yours"
    assert wallet.rereads == 1
    assert len(registry.asked("GET")) == 1
    assert len(tokens.requests) == 1
