"""The servers beside the registry: tokens, TLS, sinks, raw ports, and documents to plant."""

import asyncio
import base64
import json
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec
import pytest

from tests.hostile import (
    Answer,
    Bearer,
    Fault,
    HostileRegistry,
    Manner,
    RawPort,
    Sink,
    TokenServer,
    closed_port,
    digest_of,
    documents,
    response,
)
from tests.hostile.connection import Connection
from tests.hostile.listener import Listener
from tests.hostile.rawclient import Ending, ask, dial, get, hear
from tests.hostile.store import Store

pytestmark = pytest.mark.anyio

PULL = "repository:a:pull"


async def token_of(server: TokenServer, scope: str, user: str = "", password: str = "") -> str:
    """A token from a GET with Basic credentials."""
    account = base64.b64encode(f"{user}:{password}".encode()).decode()
    fields = {"Authorization": f"Basic {account}"} if user else {}
    answer = await ask(server.host, "GET", f"/token?service=hostile&scope={scope}", fields=fields)
    return str(json.loads(answer.body)["token"])


async def test_a_token_opens_what_its_scope_names() -> None:
    """The challenge names the scope that is needed; less is insufficient."""
    async with (
        TokenServer("127.0.0.2") as tokens,
        HostileRegistry(authorization=Bearer(tokens)) as registry,
    ):
        registry.store.put_image("a", "1")
        refused = await ask(registry.host, "GET", "/v2/a/manifests/1")
        assert refused.status == 401
        assert refused["WWW-Authenticate"] == (
            f'Bearer realm="http://{tokens.host}/token",service="hostile",scope="{PULL}"'
        )
        bearer = {"Authorization": f"Bearer {await token_of(tokens, PULL)}"}
        assert (await ask(registry.host, "GET", "/v2/a/manifests/1", fields=bearer)).status == 200
        push = await ask(registry.host, "POST", "/v2/a/blobs/uploads/", fields=bearer)
        assert push.status == 401
        assert (
            'scope="repository:a:pull,push",error="insufficient_scope"'
            in (push["WWW-Authenticate"])
        )


async def test_a_mount_needs_pull_on_the_other_repository() -> None:
    """Two scopes stand in the challenge."""
    async with TokenServer() as tokens, HostileRegistry(authorization=Bearer(tokens)) as registry:
        target = f"/v2/a/blobs/uploads/?mount={digest_of(b'')}&from=b"
        challenge = (await ask(registry.host, "POST", target))["WWW-Authenticate"]
        assert 'scope="repository:a:pull,push",scope="repository:b:pull"' in challenge


async def test_tokens_wear_out_and_are_revoked() -> None:
    """A token works so many times, and never after it was revoked (fault row 2)."""
    async with TokenServer() as tokens, HostileRegistry(authorization=Bearer(tokens)) as registry:
        registry.store.put_image("a", "1")
        tokens.uses_per_token = 2
        bearer = {"Authorization": f"Bearer {await token_of(tokens, PULL)}"}
        answers = [
            await ask(registry.host, "HEAD", "/v2/a/manifests/1", fields=bearer) for _ in range(3)
        ]
        assert [answer.status for answer in answers] == [200, 200, 401]
        assert 'error="invalid_token"' in answers[2]["WWW-Authenticate"]
        fresh = {"Authorization": f"Bearer {await token_of(tokens, PULL)}"}
        tokens.revoke()
        revoked = await ask(registry.host, "HEAD", "/v2/a/manifests/1", fields=fresh)
        assert revoked.status == 401


async def test_accounts_and_withheld_actions_decide_what_a_token_may() -> None:
    """Wrong passwords get 401 (fault row 4); a token may hold less than was asked (row 3)."""
    async with TokenServer(accounts={"ann": "secret"}) as tokens:
        assert (await ask(tokens.host, "GET", f"/token?scope={PULL}")).status == 401
        with pytest.raises(KeyError):
            await token_of(tokens, PULL, "ann", "wrong")
        tokens.withheld = frozenset({"push"})
        token = await token_of(tokens, "repository:a:pull,push", "ann", "secret")
        assert tokens.tokens[token].access == {("a", "pull")}


async def test_a_refresh_token_is_taken_by_post() -> None:
    """The OAuth2 form of Docker's token flow; several scopes come as one text."""
    async with TokenServer(accounts={"ann": "secret"}) as tokens:
        tokens.refresh_tokens.add("keep")
        scopes = quote("repository:a:pull repository:b:pull,push")
        form = f"grant_type=refresh_token&refresh_token=keep&scope={scopes}"
        answer = await ask(tokens.host, "POST", "/token", form.encode())
        token = tokens.tokens[json.loads(answer.body)["access_token"]]
        assert token.access == {("a", "pull"), ("b", "pull"), ("b", "push")}
        other = form.replace("keep", "stolen")
        assert (await ask(tokens.host, "POST", "/token", other.encode())).status == 401


async def test_a_token_server_takes_faults() -> None:
    """429 from the realm is a fault like any other (fault row 11)."""
    async with TokenServer() as tokens:
        tokens.inject(Fault("GET", "/token", Answer(429)))
        assert (await ask(tokens.host, "GET", "/token")).status == 429


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(get("/", "Authorization: Bearer s3cr3t/+x"), id="header"),
        pytest.param(get("/?q=" + quote("s3cr3t/+x", safe="")), id="percent"),
        pytest.param(
            get("/", "Authorization: Basic " + base64.b64encode(b"u:s3cr3t/+x").decode()),
            id="basic",
        ),
        pytest.param(
            get("/", "X: " + base64.urlsafe_b64encode(b"~~~:s3cr3t/+x").decode().rstrip("=")),
            id="url-safe base64",
        ),
        pytest.param(b"not HTTP: s3cr3t/+x\r\n\r\n", id="no http"),
    ],
)
async def test_a_sink_sees_a_secret_in_every_spelling(sent: bytes) -> None:
    """Credential-egress tests look here; what is not seen here was not sent."""
    async with Sink() as sink:
        await hear(sink.host, get("/harmless"))
        assert not sink.saw("s3cr3t/+x")
        await hear(sink.host, sent)
        assert sink.saw("s3cr3t/+x")
        assert b"/harmless" in sink.received


async def test_a_sink_answers_as_told() -> None:
    """A sink may lure, with a challenge of its own for example."""
    async with Sink() as sink:
        assert (await ask(sink.host, "GET", "/")).status == 404
        sink.reply = response(401, b"", ("WWW-Authenticate", "Basic realm=x"))
        assert (await ask(sink.host, "GET", "/"))["WWW-Authenticate"] == "Basic realm=x"


async def test_a_plain_registry_answers_tls_in_clear() -> None:
    """A client that tries https first learns that the peer speaks plain HTTP."""
    context = ssl.create_default_context()

    def shake(host: str) -> None:
        with dial(host) as connection:
            context.wrap_socket(connection, server_hostname="localhost")

    async with HostileRegistry() as registry:
        with pytest.raises(ssl.SSLError, match=r"(?i)wrong.version.number|record layer"):
            await anyio.to_thread.run_sync(shake, registry.host)


async def test_raw_ports_reply_stay_silent_or_reset() -> None:
    """What happens below HTTP (fault rows 19 and 25)."""
    async with RawPort() as replying:
        heard = await hear(replying.host, get("/v2/"))
        assert heard.data.startswith(b"HTTP/1.0 400 Bad Request")
        assert replying.received.startswith(b"GET /v2/")
    async with RawPort(manner=Manner.RESET) as resetting:
        assert (await hear(resetting.host, b"\x16\x03\x01")).ending is Ending.RST
    async with RawPort(manner=Manner.SILENT) as silent:
        with dial(silent.host) as connection:
            connection.sendall(b"\x16\x03\x01")
            await silent.gate.reached()
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1)


async def test_a_closed_port_refuses() -> None:
    """Nothing listens there (fault row 19)."""
    with pytest.raises(ConnectionRefusedError):
        await hear(closed_port(), b"")


async def test_a_handler_that_does_not_end_is_left_behind() -> None:
    """The test that is to blame fails, instead of hanging with all that come after it."""
    begun, released = anyio.Event(), anyio.Event()

    async def stubborn(connection: Connection) -> None:
        begun.set()
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await released.wait()

    listener = Listener(stubborn, "127.0.0.1", patience=0.05)
    await listener.start()
    with dial(listener.host):
        await begun.wait()
        with pytest.raises(TimeoutError, match=listener.host):
            await listener.stop()
    released.set()
    while listener.connections:
        await anyio.lowlevel.checkpoint()


async def test_a_registry_speaks_tls_with_a_context(tmp_path: Path) -> None:
    """Certificates are the caller's; resets and truncations work below TLS too."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    await anyio.to_thread.run_sync(lambda: subprocess.run(command, check=True, capture_output=True))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=str(certificate))

    def fetch(host: str) -> bytes:
        with (
            dial(host) as connection,
            client.wrap_socket(connection, server_hostname="127.0.0.1") as secured,
        ):
            secured.sendall(get("/v2/"))
            return secured.recv(65536)

    async with HostileRegistry(tls=server) as registry:
        assert registry.url == f"https://{registry.host}"
        assert (await anyio.to_thread.run_sync(fetch, registry.host)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(documents.duplicate_keys(), id="duplicate"),
        pytest.param(documents.case_variant_keys(), id="case"),
        pytest.param(documents.folded_keys(), id="long s"),
    ],
)
def test_hostile_documents_name_two_layers(content: bytes) -> None:
    """Each document holds a good and an evil layer under keys that some parser confuses (32)."""
    pairs: list[str] = []

    def keep(found: list[tuple[str, object]]) -> None:
        pairs.extend(name for name, _ in found)

    json.loads(content, object_pairs_hook=keep)
    folded = [name.lower().replace("\N{LATIN SMALL LETTER LONG S}", "s") for name in pairs]
    assert folded.count("layers") == 2
    assert digest_of(b"good").encode() in content
    assert digest_of(b"evil").encode() in content


def test_documents_that_a_lax_parser_takes() -> None:
    """NaN, integers beyond 2^53, and both kinds of list in one (fault rows 31 and 32)."""
    assert json.loads(documents.huge_integer())["config"]["size"] > 2**53
    assert json.loads(documents.not_a_number())["config"]["size"] != 0
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(documents.not_a_number())
    assert {"layers", "manifests"} <= json.loads(documents.ambiguous()).keys()
    with pytest.raises(RecursionError):
        json.loads(documents.nested_json())


def paths(store: Store, digest: str) -> int:
    """How many ways lead through an index to an image."""
    children = json.loads(store.content("a", digest)).get("manifests", [])
    return sum(paths(store, child["digest"]) for child in children) if children else 1


def test_graphs_have_the_shape_they_promise() -> None:
    """Depth, width, 2^n paths, and one child that is missing (fault rows 38 and 43)."""
    store = Store()
    digest = documents.put_nested_indexes(store, "a", "deep", 7)
    depth = 0
    while children := json.loads(store.content("a", digest)).get("manifests"):
        digest, depth = children[0]["digest"], depth + 1
    assert depth == 7
    wide = documents.put_wide_index(store, "a", "wide", 50)
    entries = json.loads(store.content("a", wide))["manifests"]
    assert len({entry["digest"] for entry in entries}) == 50
    assert paths(store, documents.put_diamond(store, "a", "diamond", 6)) == 2**6
    sparse = documents.put_sparse_index(store, "a", "sparse")
    children = json.loads(store.content("a", sparse))["manifests"]
    held = store.repository("a").manifests
    assert [entry["digest"] in held for entry in children] == [True, False]
    foreign = documents.put_foreign_layer(store, "a", "foreign", "http://127.0.0.3/layer")
    layer = json.loads(store.content("a", foreign))["layers"][0]
    assert layer["urls"] == ["http://127.0.0.3/layer"]
    assert layer["digest"] not in store.repository("a").blobs
