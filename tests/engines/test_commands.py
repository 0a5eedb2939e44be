"""What the tools are told, word for word, and which copies they are never given."""

import base64
import json
import socket
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from image_sync.credentials import Credential
from image_sync.engines import Access, CopyRequest, Crane
from image_sync.engines.access import auth_file, operand_host
from image_sync.engines.crane import case_refusal, needs_relay
from image_sync.errors import EngineError, ErrorKind, Side
from image_sync.model import HostPolicy, Security
from image_sync.oci import Digest, Manifest, Repository
from tests.engines.fake import FakeTool
from tests.engines.support import DIGEST, Setup, Watch, request

MADE = Manifest(b"{}", DIGEST, "application/vnd.oci.image.index.v1+json")

pytestmark = pytest.mark.anyio

V, U, C = Security.VERIFIED, Security.UNVERIFIED, Security.CLEAR
SHA512 = Digest.of(b"an image", "sha512")


async def told(tool: FakeTool, asked: CopyRequest) -> list[str]:
    """The arguments that a tool got."""
    tool.install("exit 0", record=True)
    await tool.setup.engine(tool.name).copy(asked, Watch())
    return tool.lines("argv")


@pytest.mark.parametrize(
    ("security", "flags"),
    [((V, V), []), ((U, U), ["--insecure"]), ((C, C), ["--insecure"]), ((U, C), ["--insecure"])],
)
async def test_crane_is_insecure_only_where_nobody_is_verified(
    setup: Setup, security: tuple[Security, Security], flags: list[str]
) -> None:
    """Its one switch covers both registries; operands are digests, behind the end of the flags."""
    argv = await told(FakeTool(setup, "crane"), request(security=security))
    operands = [f"source.example/lab/app@{DIGEST}", f"cache.example:5000/lab/app@{DIGEST}"]
    assert argv == ["copy", *flags, "--", *operands]


async def test_crane_reaches_a_plain_cache_through_the_relay(setup: Setup) -> None:
    """Verification stays on at the source; the cache's account goes by the relay's name."""
    setup.accounts["cache.example:5000"] = Credential("me", "pass")
    tool = FakeTool(setup, "crane")
    argv = await told(tool, request(security=(V, C)))
    assert argv[:3] == ["copy", "--", f"source.example/lab/app@{DIGEST}"]
    relay, _, rest = argv[3].partition("/")
    assert relay.startswith("127.0.0.1:")
    assert rest == f"lab/app@{DIGEST}"
    assert json.loads(tool.files("config.json"))["auths"].keys() == {relay}


PROBE = """
exec {python} -c '
import socket, sys
host, _, port = sys.argv[1].partition("/")[0].partition(":")
with socket.create_connection((host, int(port))) as relay:
    relay.recv(1)
sys.exit(1)
' "$4"
"""
"""A crane that opens its target and waits for the end."""


@pytest.mark.parametrize("port", [None, 1])
async def test_the_relay_goes_to_port_80_of_a_cache_that_names_none(
    setup: Setup, port: int | None
) -> None:
    """As plain HTTP does: nobody is listening there, and the error says where."""
    with socket.socket() as client:
        if client.connect_ex(("127.0.0.9", port or 80)) == 0:
            pytest.skip("a server of this machine has that port")
    cache = f"127.0.0.9:{port}" if port else "127.0.0.9"
    FakeTool(setup, "crane").install(PROBE.format(python=sys.executable))
    with pytest.raises(EngineError) as failure:
        await setup.engine("crane").copy(request(target=cache, security=(V, C)), Watch())
    assert (failure.value.kind, failure.value.side) == (ErrorKind.NETWORK, Side.TARGET)
    assert f"no way to {cache}: " in failure.value.message
    assert f"('127.0.0.9', {port or 80})" in failure.value.message


async def test_skopeo_is_told_each_side_apart(setup: Setup, tmp_path: Path) -> None:
    """Policy, configuration, accounts, trust: given, never found; nothing converted or retried."""
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text(f"the {name}")
    setup.policies["source.example"] = HostPolicy(
        ca_file=str(tmp_path / "ca"),
        client_cert_file=str(tmp_path / "cert"),
        client_key_file=str(tmp_path / "key"),
    )
    setup.policies["cache.example:5000"] = HostPolicy(ca_file=str(tmp_path / "ca"))
    tool = FakeTool(setup, "skopeo")
    argv = await told(tool, request(security=(V, C), deadline=300))
    folder = argv[3].removesuffix("/policy.json")
    assert argv == [
        *("--command-timeout", "310s", "--policy", f"{folder}/policy.json"),
        *("--registries-conf", "/dev/null", "--registries.d", f"{folder}/registries.d"),
        *("copy", "--all", "--preserve-digests", "--retry-times", "0"),
        *("--src-authfile", f"{folder}/src.json", "--dest-authfile", f"{folder}/dest.json"),
        *("--src-tls-verify=true", "--dest-tls-verify=false"),
        *("--src-cert-dir", f"{folder}/src-certs", "--"),
        f"docker://source.example/lab/app@{DIGEST}",
        f"docker://cache.example:5000/lab/app@{DIGEST}",
    ]
    assert json.loads(tool.files("policy.json")) == {
        "default": [{"type": "insecureAcceptAnything"}]
    }
    assert "_CONTAINERS_ROOTLESS_UID=65534" in tool.lines("environ")
    assert tool.files("ca.crt") == "the ca"
    assert tool.files("client.*") == "the cert\nthe key"


@pytest.mark.parametrize(
    ("name", "key"), [("crane", "https://index.docker.io/v1/"), ("skopeo", "docker.io")]
)
async def test_docker_hub_goes_by_each_tools_own_key(setup: Setup, name: str, key: str) -> None:
    """Under any other key the copy would be anonymous, silently."""
    setup.accounts["docker.io"] = Credential("me", "pass")
    tool = FakeTool(setup, name)
    argv = await told(tool, request("docker.io", path="library/nginx"))
    assert argv[-2].endswith(f"docker.io/library/nginx@{DIGEST}")
    assert f'"{key}"' in tool.files("config.json" if name == "crane" else "src.json")


async def test_accounts_do_not_cross_to_the_other_registry(setup: Setup) -> None:
    """skopeo's two files hold one account each."""
    setup.accounts["source.example"] = Credential("from", "a")
    setup.accounts["cache.example:5000"] = Credential("to", "b")
    tool = FakeTool(setup, "skopeo")
    await told(tool, request())
    assert json.loads(tool.files("src.json"))["auths"].keys() == {"source.example"}
    assert json.loads(tool.files("dest.json"))["auths"].keys() == {"cache.example:5000"}


@pytest.mark.parametrize("name", ["crane", "skopeo"])
async def test_a_bare_host_is_not_taken_for_a_repository(setup: Setup, name: str) -> None:
    """`zot/app` would be an image on Docker Hub: the port makes it a host."""
    argv = await told(FakeTool(setup, name), request("zot", "cache"))
    assert argv[-2].removeprefix("docker://") == f"zot:443/lab/app@{DIGEST}"
    assert argv[-1].removeprefix("docker://") == f"cache:443/lab/app@{DIGEST}"
    assert operand_host("zot", Security.CLEAR) == "zot:80"
    assert operand_host("localhost", Security.VERIFIED) == "localhost"


async def test_crane_trusts_the_systems_roots_and_the_given_ones(
    setup: Setup, tmp_path: Path
) -> None:
    """A private CA comes on top of the public ones, for verified sides only."""
    for name in ("system", "source", "cache"):
        (tmp_path / name).write_text(f"roots of the {name}")
    setup.environ["SSL_CERT_FILE"] = str(tmp_path / "system")
    setup.policies["source.example"] = HostPolicy(ca_file=str(tmp_path / "source"))
    setup.policies["cache.example:5000"] = HostPolicy(ca_file=str(tmp_path / "cache"))
    tool = FakeTool(setup, "crane")
    await told(tool, request())
    assert tool.files("roots.pem") == "\n".join(
        f"roots of the {name}" for name in ("system", "source", "cache")
    )
    environ = dict(line.split("=", 1) for line in tool.lines("environ"))
    assert environ["SSL_CERT_FILE"].endswith("/roots.pem")
    await told(tool, request(security=(V, C)))
    assert "cache" not in tool.files("roots.pem")


@pytest.mark.parametrize("name", ["crane", "skopeo"])
async def test_an_unreadable_ca_file_is_the_operators(setup: Setup, name: str) -> None:
    """It is named, and no copy is tried without it."""
    setup.policies["source.example"] = HostPolicy(ca_file="/no/such/ca.pem")
    FakeTool(setup, name).install("exit 0")
    with pytest.raises(EngineError, match=r"/no/such/ca\.pem") as failure:
        await setup.engine(name).copy(request(), Watch())
    assert failure.value.kind is ErrorKind.CONFIG


CRANE_REFUSES = [
    pytest.param(request(security=(V, U)), "cache.example:5000 alone", id="cache-unverified"),
    pytest.param(request(security=(U, V)), "source.example alone", id="source-unverified"),
    pytest.param(request(security=(C, V)), "source.example alone", id="source-clear"),
    pytest.param(request(digest=SHA512), "sha512", id="sha512"),
    pytest.param(request(repair=frozenset({DIGEST})), "damaged there", id="repair"),
    pytest.param(request(made=(MADE,)), "made anew", id="made"),
    *(
        pytest.param(request(host, security=(V, C)), "plain HTTP", id=f"source-{host}")
        for host in (
            *("127.0.0.1:5000", "127.0.0.1", "localhost:5000", "localhost", "a.localhost"),
            *("10.1.2.3", "172.16.0.1:443", "192.168.1.1:5000", "[::1]:5000", "a.b.localhost:1"),
        )
    ),
    pytest.param(request(target="192.168.1.1:5000"), "plain HTTP", id="verified-private-cache"),
]
CRANE_TAKES = [
    pytest.param(request(security=(V, V)), id="both-verified"),
    pytest.param(request(security=(V, C)), id="relay"),
    pytest.param(request(security=(U, U)), id="none-verified"),
    pytest.param(request("10.1.2.3", security=(C, C)), id="private-clear"),
    pytest.param(request("127.0.0.3:5000", "127.0.0.2:5000", security=(V, C)), id="loopback-2-3"),
    pytest.param(request("8.8.8.8", security=(V, C)), id="public-literal"),
    pytest.param(request("notlocalhost.example"), id="name"),
    pytest.param(request(target="127.0.0.1:5000", security=(V, C)), id="clear-local-cache"),
]


@pytest.mark.parametrize(("asked", "words"), CRANE_REFUSES)
async def test_crane_refuses_what_it_cannot_do_safely(
    setup: Setup, asked: CopyRequest, words: str
) -> None:
    """Each case has its reason, for people."""
    FakeTool(setup, "crane").install("exit 0")
    refusal = await setup.engine("crane").refusal(asked)
    assert refusal is not None
    assert refusal.kind is ErrorKind.UNSUPPORTED
    assert words in refusal.why


@pytest.mark.parametrize("asked", CRANE_TAKES)
async def test_crane_takes_the_rest(setup: Setup, asked: CopyRequest) -> None:
    """Nothing is refused without need."""
    FakeTool(setup, "crane").install("exit 0")
    assert await setup.engine("crane").refusal(asked) is None


@pytest.mark.parametrize("source", Security)
@pytest.mark.parametrize("target", Security)
def test_crane_never_drops_verification_that_somebody_wants(
    source: Security, target: Security
) -> None:
    """Over all combinations: taken means none verified, both verified, or through the relay."""
    asked = request(security=(source, target))
    if case_refusal(asked) is None:
        assert (source is V) == (target is V) or needs_relay(asked)
    assert needs_relay(asked) == ((source, target) == (V, C))


async def test_crane_knows_one_account_per_host(setup: Setup) -> None:
    """Two repositories of one host with two accounts are skopeo's business."""

    class ByPath:
        async def find(self, host: str, path: str) -> Credential | None:
            return Credential("me", "pass", "from" if path == "lab/app" else "to")

    FakeTool(setup, "crane").install("exit 0")
    access = Access(environ={"PATH": str(setup.bin)}, policies={}, credentials=ByPath())
    crane = Crane(access, print, named=False)
    same = request("one.example", "one.example")
    assert await crane.refusal(same) is None
    target = Repository("one.example", "mirror/app")
    other = msgspec.structs.replace(
        same, target=msgspec.structs.replace(same.target, repository=target)
    )
    refusal = await crane.refusal(other)
    assert refusal is not None
    assert "one account" in refusal.why


@pytest.mark.parametrize("host", ["source.example", "cache.example:5000"])
async def test_client_certificates_are_not_for_crane(setup: Setup, host: str) -> None:
    """It has no flag for them; skopeo has."""
    setup.policies[host] = HostPolicy(client_cert_file="/c", client_key_file="/k")
    for name in ("crane", "skopeo"):
        FakeTool(setup, name).install("exit 0")
    refusal = await setup.engine("crane").refusal(request())
    assert refusal is not None
    assert "client certificate" in refusal.why
    assert await setup.engine("skopeo").refusal(request()) is None


@pytest.mark.parametrize("name", ["crane", "skopeo"])
async def test_a_cache_behind_a_proxy_is_for_neither(setup: Setup, name: str) -> None:
    """Their one proxy setting is the source's."""
    FakeTool(setup, name).install("exit 0")
    setup.policies["cache.example:5000"] = HostPolicy(proxy="http://proxy.example")
    refusal = await setup.engine(name).refusal(request())
    assert refusal is not None
    assert "proxy" in refusal.why


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        pytest.param(request("[2001:db8::1]:5000"), "[2001:db8::1]:5000", id="source"),
        pytest.param(request(target="[2001:db8::1]"), "[2001:db8::1]", id="cache"),
    ],
)
async def test_skopeo_refuses_what_it_cannot_read(
    setup: Setup, asked: CopyRequest, words: str
) -> None:
    """IPv6 in brackets is a syntax error for it."""
    FakeTool(setup, "skopeo").install("exit 0")
    refusal = await setup.engine("skopeo").refusal(asked)
    assert refusal is not None
    assert words in refusal.why


async def test_skopeo_takes_each_side_as_it_is(setup: Setup) -> None:
    """Every combination of trust, private addresses and sha512."""
    FakeTool(setup, "skopeo").install("exit 0")
    engine = setup.engine("skopeo")
    for source in Security:
        for target in Security:
            asked = request("10.0.0.1", digest=SHA512, security=(source, target))
            assert await engine.refusal(asked) is None


HOSTILE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["--insecure", "-v", "dir:/etc", "oci:x", "a/../b", "x:-t", "$(id)", "a;b", "@"]
    ),
    st.from_regex(r"[a-z0-9.:/_@-]{1,30}", fullmatch=True),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=HOSTILE, path=HOSTILE)
def test_what_parses_is_one_operand_and_nothing_else(source: str, path: str) -> None:
    """Whatever an operator writes: it is refused, or it is host/path@digest, a plain word."""
    try:
        repository = Repository.parse(f"{source}/{path}")
    except ValueError:
        return
    operand = f"{operand_host(repository.host, V)}/{repository.path}@{DIGEST}"
    host, _, rest = operand.partition("/")
    assert not operand.startswith("-")
    assert not set(operand) & set(" \t\n\"'$`;|&<>\\*?#%")
    assert ".." not in operand.split("/")
    assert "." in host or ":" in host or host == "localhost"
    assert rest.count("@") == 1


TEXT = st.text() | st.text(st.characters(categories=["Cs", "Lu"]))  # half characters, too


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,9}\.example", fullmatch=True),
        st.builds(Credential, username=TEXT, secret=TEXT),
    )
)
def test_account_files_are_json_whatever_is_in_a_password(accounts: dict[str, Credential]) -> None:
    """Any account gives a file that says the same account."""
    auths = json.loads(auth_file(accounts))["auths"]
    assert auths.keys() == accounts.keys()
    for host, account in accounts.items():
        pair = f"{account.username or '<token>'}:{account.secret}"
        assert base64.b64decode(auths[host]["auth"]) == pair.encode("utf-8", "surrogatepass")
