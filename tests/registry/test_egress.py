"""Credentials go to the origin they belong to and nowhere else: a matrix of traps and sinks.

The trap is a place that a registry names (realm, redirect, Location, Link); the sink at the other
end keeps every byte that arrives. Advisories of the last years are one such hop each (fault rows
33, 34, 46, 80).
"""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from image_sync.credentials import Credential
from image_sync.errors import ErrorKind, RegistryError
from image_sync.model import Endpoint, HostPolicy, TlsPolicy
from image_sync.oci import Descriptor, Digest
from image_sync.registry import RegistryClient, list_tags, push_blob
from image_sync.registry.credentials import basic
from tests.hostile import (
    Basic,
    Bearer,
    Fault,
    HostileRegistry,
    LocationForm,
    Redirect,
    Sink,
    TokenServer,
    Unauthorized,
    WithField,
    digest_of,
    response,
)
from tests.real.tls import Authority
from tests.registry.asking import (
    CANARY,
    OPERATOR,
    REPOSITORY,
    asking,
    target,
    texts,
)

pytestmark = pytest.mark.anyio

BLOB = b"a small layer"
TOKEN = "-of-127.0.0.1:"  # part of every token that the honest token server gives
IDENTITY = Credential("", "", identity_token=CANARY)


class Stage(msgspec.Struct):
    """An honest registry with one image, and somebody who should learn nothing."""

    registry: HostileRegistry
    tokens: TokenServer
    sink: Sink
    client: RegistryClient
    endpoint: Endpoint

    def leaked(self) -> list[str]:
        """The secrets that reached the sink."""
        return [secret for secret in (CANARY, TOKEN) if self.sink.saw(secret)]


SINKS = {
    "another address": ("127.0.0.3", True),
    "another port": ("127.0.0.1", True),
    "clear text": ("127.0.0.3", False),
}
LOGINS = ["basic", "bearer", "identity token"]


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ssl.SSLContext:
    """What servers show."""
    return authority.issue().server_context()


@asynccontextmanager
async def staged(
    authority: Authority, tls: ssl.SSLContext, login: str, where: str
) -> AsyncIterator[Stage]:
    """A stage whose client is logged in already."""
    address, encrypted = SINKS[where]
    account = IDENTITY if login == "identity token" else OPERATOR
    async with (
        TokenServer(tls=tls, accounts={OPERATOR.username: OPERATOR.secret}) as tokens,
        HostileRegistry(tls=tls) as registry,
        Sink(address, tls=tls if encrypted else None) as sink,
    ):
        tokens.refresh_tokens.add(CANARY)
        registry.authorization = (
            Basic({OPERATOR.username: OPERATOR.secret}) if login == "basic" else Bearer(tokens)
        )
        registry.store.put_image(REPOSITORY, "1")
        registry.store.put_blob(REPOSITORY, BLOB)
        policies = {registry.host: HostPolicy(ca_file=str(authority.ca_file))}
        endpoint = target(registry.host, tls=TlsPolicy.VERIFY)
        async with asking(account, policies=policies) as client:
            assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
            yield Stage(registry, tokens, sink, client, endpoint)


async def _head(stage: Stage) -> None:
    await stage.client.head_manifest(stage.endpoint, stage.endpoint.repository.tag("1"))


async def _get(stage: Stage) -> None:
    await stage.client.get_manifest(stage.endpoint, stage.endpoint.repository.tag("1"))


async def _get_blob(stage: Stage) -> None:
    blob = Descriptor("a/b", Digest.parse(digest_of(BLOB)), len(BLOB))
    await stage.client.get_blob(stage.endpoint, blob, 100)


async def _head_blob(stage: Stage) -> None:
    await stage.client.head_blob(stage.endpoint, Digest.parse(digest_of(BLOB)))


async def _put(stage: Stage) -> None:
    reference = stage.endpoint.repository.tag("2")
    await stage.client.put_manifest(stage.endpoint, reference, b"{}", "a/b")


async def _push(stage: Stage) -> None:
    await push_blob(stage.client, stage.endpoint, b"new content")


async def _tags(stage: Stage) -> None:
    await list_tags(stage.client, stage.endpoint)


async def _shown(acting: Awaitable[None]) -> str:
    """What people get to see of it."""
    try:
        await acting
    except RegistryError as error:
        return texts(error)
    return ""


def _redirects(stage: Stage) -> None:
    stage.registry.inject(Fault("*", "*", Redirect(stage.sink.url)))


def _redirects_permanently(stage: Stage) -> None:
    stage.registry.inject(Fault("*", "*", Redirect(stage.sink.url, status=301)))


def _redirects_to_a_challenge(stage: Stage) -> None:
    challenge = f'Bearer realm="{stage.sink.url}/token", Basic realm="x"'
    stage.sink.reply = response(401, b"", ("WWW-Authenticate", challenge))
    _redirects(stage)


def _redirects_to_a_basic_challenge(stage: Stage) -> None:
    stage.sink.reply = response(401, b"", ("WWW-Authenticate", 'Basic realm="x"'))
    _redirects(stage)


def _locates_uploads_elsewhere(stage: Stage) -> None:
    stage.registry.uploads.location_form = LocationForm.ELSEWHERE
    stage.registry.uploads.location_origin = stage.sink.url


def _locates_uploads_elsewhere_with_a_challenge(stage: Stage) -> None:
    stage.sink.reply = response(401, b"", ("WWW-Authenticate", 'Basic realm="x"'))
    _locates_uploads_elsewhere(stage)


def _links_elsewhere(stage: Stage) -> None:
    link = f'<{stage.sink.url}/v2/{REPOSITORY}/tags/list?last=1>; rel="next"'
    stage.registry.inject(Fault("GET", "*", WithField("Link", link)))


TRAPS: list[tuple[str, Callable[[Stage], None], Callable[[Stage], Awaitable[None]], bool]] = [
    # what it is, how it is set, how one steps into it, whether the sink is reached at all
    ("HEAD is redirected", _redirects, _head, True),
    ("GET is redirected", _redirects, _get, True),
    ("GET is redirected for good", _redirects_permanently, _get, True),
    ("GET of a blob is redirected", _redirects, _get_blob, True),
    ("HEAD of a blob is redirected", _redirects, _head_blob, True),
    ("PUT is redirected", _redirects, _put, False),
    ("a push is redirected", _redirects, _push, True),
    ("tags are redirected", _redirects, _tags, True),
    ("a redirect ends in a challenge", _redirects_to_a_challenge, _get, True),
    ("a redirect ends in a Basic challenge", _redirects_to_a_basic_challenge, _get, True),
    ("an upload goes elsewhere", _locates_uploads_elsewhere, _push, True),
    ("an upload elsewhere asks back", _locates_uploads_elsewhere_with_a_challenge, _push, True),
    ("the next page is elsewhere", _links_elsewhere, _tags, False),
]


@pytest.mark.parametrize("where", SINKS)
@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize(
    ("spring", "act", "reached"), [pytest.param(*trap, id=name) for name, *trap in TRAPS]
)
async def test_nothing_secret_leaves_its_origin(
    authority: Authority,
    tls: ssl.SSLContext,
    spring: Callable[[Stage], None],
    act: Callable[[Stage], Awaitable[None]],
    reached: bool,  # noqa: FBT001
    login: str,
    where: str,
) -> None:
    """Neither password nor token reaches a place that the registry only named."""
    async with staged(authority, tls, login, where) as stage:
        spring(stage)
        shown = await _shown(act(stage))
        assert CANARY not in shown
        assert TOKEN not in shown
        assert stage.leaked() == []
        if where == "clear text":  # https never leads to http (row 34)
            assert stage.sink.received == b""
        else:
            assert bool(stage.sink.requests) is reached


@pytest.mark.parametrize("where", SINKS)
@pytest.mark.parametrize("login", ["bearer", "identity token"])
async def test_a_realm_elsewhere_sees_no_credentials(
    authority: Authority, tls: ssl.SSLContext, login: str, where: str
) -> None:
    """A token server that is not the registry's own is asked anonymously, in clear not at all."""
    async with staged(authority, tls, login, where) as stage:
        challenge = f'Bearer realm="{stage.sink.url}/token",service="x"'
        stage.registry.inject(Fault("*", "*", Unauthorized(challenge)))
        with pytest.raises(RegistryError) as caught:
            await _head(stage)
        assert CANARY not in texts(caught.value)
        match where:
            case "another address":
                assert stage.leaked() == []
                assert len(stage.sink.requests) == 1
                assert f"add {stage.sink.host} to" in caught.value.hint
            case "another port":  # the same host by name: trusted, as GitLab needs it
                assert stage.sink.saw(CANARY)
            case _:
                assert caught.value.kind is ErrorKind.UNSAFE
                assert "no token server that is safe" in caught.value.message
                assert stage.sink.received == b""


@pytest.mark.parametrize("named", ["host", "host and port"])
async def test_a_realm_that_the_operator_named_gets_them(
    authority: Authority, tls: ssl.SSLContext, named: str
) -> None:
    """`realm_hosts` is the exception, and the proof that the sinks of this file can see."""
    async with (
        HostileRegistry(tls=tls) as registry,
        TokenServer("127.0.0.3", tls=tls, accounts={OPERATOR.username: CANARY}) as tokens,
    ):
        registry.authorization = Bearer(tokens)
        registry.store.put_image(REPOSITORY, "1")
        realm_hosts = (tokens.host if named == "host and port" else "127.0.0.3",)
        policy = HostPolicy(ca_file=str(authority.ca_file), realm_hosts=realm_hosts)
        endpoint = target(registry.host, tls=TlsPolicy.VERIFY)
        async with asking(OPERATOR, policies={registry.host: policy}) as client:
            assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))


@pytest.mark.parametrize(
    "realm",
    [
        pytest.param("https://127.0.0.1@{host}/token", id="user information"),
        pytest.param("https://127.0.0.1:1@{host}/token", id="user information with a port"),
        pytest.param("https://{host}/token?x=127.0.0.1", id="query"),
        pytest.param("https://{host}/127.0.0.1/token", id="path"),
        pytest.param("https://{host}\\@127.0.0.1/token", id="backslash"),
        pytest.param("http://{host}/token", id="clear text"),
        pytest.param("HTTPS://{host}/token", id="upper case"),
    ],
)
async def test_no_spelling_of_a_realm_gets_credentials(
    authority: Authority, tls: ssl.SSLContext, realm: str
) -> None:
    """A URL is trusted for the host that is connected to, not for how it reads."""
    async with staged(authority, tls, "bearer", "another address") as stage:
        challenge = Unauthorized(f'Bearer realm="{realm.format(host=stage.sink.host)}"')
        stage.registry.inject(Fault("*", "*", challenge))
        with pytest.raises(RegistryError):
            await _head(stage)
        assert stage.leaked() == []


async def test_a_registry_in_clear_may_have_a_realm_in_clear() -> None:
    """On its own host it gets the credentials; on another one it is asked anonymously."""
    async with (
        HostileRegistry() as registry,
        TokenServer(accounts={OPERATOR.username: CANARY}) as own,
        Sink("127.0.0.3") as sink,
    ):
        registry.store.put_image(REPOSITORY, "1")
        bearer = Bearer(own)
        registry.authorization = bearer
        endpoint = target(registry.host)
        async with asking(OPERATOR) as client:
            assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
            assert own.requests[0].headers.get("Authorization")
            bearer.realm = f"{sink.url}/token"
            own.revoke()
            with pytest.raises(RegistryError):
                await client.head_manifest(endpoint, endpoint.repository.tag("1"))
        assert len(sink.requests) == 1
        assert not sink.saw(CANARY)


async def test_a_challenge_of_another_origin_changes_nothing(
    authority: Authority, tls: ssl.SSLContext
) -> None:
    """What a CDN asks for is not what the registry asks for (row 33)."""
    async with staged(authority, tls, "bearer", "another address") as stage:
        stage.sink.reply = response(401, b"", ("WWW-Authenticate", 'Basic realm="x"'))
        fault = stage.registry.inject(Fault("GET", "*", Redirect(stage.sink.url)))
        with pytest.raises(RegistryError) as caught:
            await _get(stage)
        assert caught.value.kind is ErrorKind.UNAUTHORIZED
        assert fault.hits == 1
        stage.registry.remove(fault)
        await _get(stage)
        assert len(stage.tokens.requests) == 1
        schemes = {
            (request.headers.get("Authorization") or "none").split(" ")[0]
            for request in stage.registry.requests
        }
        assert schemes == {"none", "Bearer"}


async def test_two_registries_know_nothing_of_each_other() -> None:
    """The source's credentials never appear at the cache, nor the reverse."""

    class Wallets:
        async def find(self, host: str, path: str) -> Credential:
            return Credential("user", f"secret-of-{host}")

        refresh = find

    async with HostileRegistry() as one, HostileRegistry("127.0.0.2") as other:
        for registry in (one, other):
            registry.authorization = Basic({"user": f"secret-of-{registry.host}"})
            registry.store.put_image(REPOSITORY, "1")
        async with asking(Wallets()) as client:
            for registry in (one, other):
                endpoint = target(registry.host)
                assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
        for registry in (one, other):
            expected = Credential("user", f"secret-of-{registry.host}")
            sent = {request.headers.get("Authorization") for request in registry.requests}
            assert sent == {None, basic(expected)}
