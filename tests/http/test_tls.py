"""TLS: who is believed, who is not, and when clear text is spoken."""

import os
import shutil
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from image_sync.errors import ErrorKind, RegistryError
from image_sync.events import Event, WeakSecurity
from image_sync.http import Http
from image_sync.http.security import Securities
from image_sync.http.tls import Contexts, Trust, TrustError
from image_sync.model import HostPolicy, Security, TlsPolicy
from tests.hostile import (
    Fault,
    HostileRegistry,
    Manner,
    RawPort,
    Redirect,
    Refusal,
    Sink,
    closed_port,
)
from tests.http.asking import HASTY, body_of, failure_of, get, kind_of, nothing, statuses
from tests.http.virtual import VirtualClock
from tests.real.tls import Authority, ServerCertificate, private_pem

pytestmark = pytest.mark.anyio

LENIENT = TlsPolicy.LENIENT


def weak(events: list[Event]) -> list[WeakSecurity]:
    return [event for event in events if isinstance(event, WeakSecurity)]


def verified(authority: Authority, host: str, **more: str) -> dict[str, HostPolicy]:
    return {host: HostPolicy(ca_file=str(authority.ca_file), **more)}  # type: ignore[arg-type]


async def test_a_registry_with_its_own_ca_is_verified(authority: Authority) -> None:
    """`ca_file` is believed, in addition to the system's roots."""
    async with HostileRegistry(tls=authority.issue().server_context()) as registry:
        policies = verified(authority, registry.host)
        async with Http(policies=policies, emit=nothing) as http:
            asked = get(registry.host, tls=TlsPolicy.VERIFY)
            assert (await body_of(http, asked))[0] == 200
            assert http.security(registry.host, TlsPolicy.VERIFY) is Security.VERIFIED


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        pytest.param("expired", "expired", id="expired"),
        pytest.param("name", "not valid for", id="wrong-name"),
        pytest.param("stranger", "certificate", id="unknown-ca"),
    ],
)
async def test_a_bad_certificate_is_named_and_refused(
    authority: Authority, tmp_path: Path, flaw: str, words: str
) -> None:
    """Fault row 61: the reason stands in the error, nothing was sent, nothing falls back."""
    certificate = {
        "expired": lambda: authority.issue(expired=True),
        "name": lambda: authority.issue("other.example"),
        "stranger": lambda: Authority.stranger(tmp_path / "ca").issue(),
    }[flaw]()
    async with HostileRegistry(tls=certificate.server_context()) as registry:
        policies = verified(authority, registry.host)
        async with Http(policies=policies, emit=nothing) as http:
            error = await failure_of(http, get(registry.host, tls=TlsPolicy.VERIFY))
            assert error.kind is ErrorKind.TLS
            assert words in error.message
            assert registry.requests == []
            # The same registry, leniently.
            assert (await body_of(http, get(registry.host, tls=LENIENT)))[0] == 200
            assert http.security(registry.host, LENIENT) is Security.UNVERIFIED


async def test_a_lenient_registry_without_tls_is_spoken_to_in_clear() -> None:
    """Said once, and once more when credentials travel in clear."""
    events: list[Event] = []
    async with HostileRegistry() as registry, Http(policies={}, emit=events.append) as http:
        assert http.security(registry.host, LENIENT) is None
        for headers in ({}, {}, {"Authorization": "Basic eA=="}, {"Authorization": "Basic eA=="}):
            assert (await body_of(http, get(registry.host, tls=LENIENT, headers=headers)))[0] == 200
        assert http.security(registry.host, LENIENT) is Security.CLEAR
    assert weak(events) == [WeakSecurity(registry.host, Security.CLEAR, c) for c in (False, True)]


@pytest.mark.parametrize("tls", [LENIENT, TlsPolicy.PLAIN])
async def test_credentials_in_clear_are_said_at_once(tls: TlsPolicy) -> None:
    """One event suffices when the first request has them; also where clear text was ordered."""
    events: list[Event] = []
    async with HostileRegistry() as registry, Http(policies={}, emit=events.append) as http:
        for headers in ({"Authorization": "Basic eA=="}, {}):
            await body_of(http, get(registry.host, tls=tls, headers=headers))
    assert weak(events) == [WeakSecurity(registry.host, Security.CLEAR, credentials=True)]


async def test_a_lenient_registry_that_proves_itself_is_verified(authority: Authority) -> None:
    """At the first handshake, and nothing is to be said about it."""
    events: list[Event] = []
    async with HostileRegistry(tls=authority.issue().server_context()) as registry:
        policies = verified(authority, registry.host)
        async with Http(policies=policies, emit=events.append) as http:
            assert (await body_of(http, get(registry.host, tls=LENIENT)))[0] == 200
            assert http.security(registry.host, LENIENT) is Security.VERIFIED
    assert statuses(events) == [200]
    assert weak(events) == []


async def test_a_certificate_that_does_not_verify_is_said_once(authority: Authority) -> None:
    """The registry is asked for proof once and remembered; credentials are told once more."""
    events: list[Event] = []
    async with HostileRegistry(tls=authority.issue().server_context()) as registry:
        async with Http(policies={}, emit=events.append) as http:
            for headers in ({}, {}, {"Authorization": "Basic eA=="}, {"Authorization": "Basic eA"}):
                asked = get(registry.host, tls=LENIENT, headers=headers)
                assert (await body_of(http, asked))[0] == 200
            assert http.security(registry.host, LENIENT) is Security.UNVERIFIED
        assert len(registry.requests) == 4
    assert statuses(events) == [None, 200, 200, 200, 200]
    unverified = Security.UNVERIFIED
    assert weak(events) == [WeakSecurity(registry.host, unverified, c) for c in (False, True)]


async def test_requests_that_ask_for_proof_together_are_all_answered(
    authority: Authority,
) -> None:
    """Each of the first ones learns for itself that there is none."""
    events: list[Event] = []
    async with (
        HostileRegistry(tls=authority.issue().server_context()) as registry,
        Http(policies={}, emit=events.append) as http,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(8):
            tasks.start_soon(body_of, http, get(registry.host, tls=LENIENT))
    assert [status for status in statuses(events) if status] == [200] * 8
    assert len(weak(events)) == 1


async def test_a_proof_that_is_lost_is_lost_for_good(authority: Authority, tmp_path: Path) -> None:
    """A lenient registry whose certificate stops to verify is spoken to all the same."""
    events: list[Event] = []
    good = authority.issue().server_context()
    bad = Authority.stranger(tmp_path / "ca").issue().server_context()
    async with HostileRegistry(tls=good) as registry:
        port = int(registry.host.rpartition(":")[2])
    async with Http(policies=verified(authority, registry.host), emit=events.append) as http:
        for context, security in (
            (good, Security.VERIFIED),
            (bad, Security.UNVERIFIED),
            (good, Security.UNVERIFIED),  # one server of several may be the bad one
        ):
            async with HostileRegistry(port=port, tls=context) as registry:
                await http_settled(http, registry)
                assert http.security(registry.host, LENIENT) is security
    assert weak(events) == [WeakSecurity(registry.host, Security.UNVERIFIED, credentials=False)]


async def http_settled(http: Http, registry: HostileRegistry) -> None:
    """An answer; the first request may meet a connection whose server is gone."""
    for _ in range(2):
        with suppress(RegistryError):
            await body_of(http, get(registry.host, tls=LENIENT))


async def test_a_place_named_for_a_lenient_registry_is_asked_for_proof_first(
    authority: Authority, tmp_path: Path
) -> None:
    """And excused, by itself: the registry's own proof stands."""
    bad = Authority.stranger(tmp_path / "ca").issue().server_context()
    async with (
        HostileRegistry(tls=authority.issue().server_context()) as registry,
        Sink("127.0.0.3", tls=bad) as cdn,
    ):
        registry.inject(Fault("GET", "*", Redirect(cdn.url)))
        policy = HostPolicy(ca_file=str(authority.ca_file), redirect_hosts=("127.0.0.3",))
        events: list[Event] = []
        async with Http(policies={registry.host: policy}, emit=events.append) as http:
            for _ in range(2):
                assert (await body_of(http, get(registry.host, tls=LENIENT)))[0] == 404
            assert http.security(registry.host, LENIENT) is Security.VERIFIED
    assert statuses(events) == [307, None, 404, 307, 404]


@pytest.mark.parametrize("secure", [False, True])
async def test_a_lenient_upload_survives_the_question_for_tls(
    authority: Authority, *, secure: bool
) -> None:
    """A stream is sent once, after it is known how."""
    tls = authority.issue().server_context() if secure else None
    async with HostileRegistry(tls=tls) as registry, Http(policies={}, emit=nothing) as http:

        async def content() -> object:
            yield b"abc"

        asked = get(registry.host, tls=LENIENT, method="POST", content=content())
        await body_of(http, asked)
        assert bytes(registry.requests[0].body) == b"abc"


async def test_verified_means_verified() -> None:
    """A registry that must prove itself is never spoken to in clear."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        assert await kind_of(http, get(registry.host, tls=TlsPolicy.VERIFY)) is ErrorKind.TLS
        assert registry.requests == []


async def test_silence_reset_and_refusal_are_no_reason_for_clear_text() -> None:
    """Only an answer that is not TLS is."""
    async with Http(policies={}, emit=nothing, deadlines=HASTY) as http:
        for manner in (Manner.SILENT, Manner.RESET):
            async with RawPort(manner=manner) as port:
                await failure_of(http, get(port.host, tls=LENIENT, headers={"X": "canary"}))
                assert b"canary" not in port.received
                assert b"HTTP/1.1" not in port.received
        await failure_of(http, get(closed_port(), tls=LENIENT))


@pytest.mark.parametrize("proven", [False, True])
async def test_clear_text_is_over_once_https_worked(authority: Authority, *, proven: bool) -> None:
    """Whoever takes the registry's place later gets no request in clear."""
    async with HostileRegistry(tls=authority.issue().server_context()) as registry:
        policies = verified(authority, registry.host) if proven else {}
        http = Http(policies=policies, emit=nothing)
        await body_of(http, get(registry.host, tls=LENIENT))
        port = int(registry.host.rpartition(":")[2])
    async with http, HostileRegistry(port=port) as impostor:
        assert await kind_of(http, get(impostor.host, tls=LENIENT)) is ErrorKind.TLS
        assert impostor.requests == []


def test_an_answer_in_clear_that_comes_late_changes_nothing() -> None:
    """A request that was in flight when https first worked does not undo it."""
    securities = Securities(nothing)
    for security in (Security.CLEAR, Security.VERIFIED, Security.CLEAR):
        securities.answered("zot", LENIENT, security, credentials=False)
    assert securities.get("zot", LENIENT) is Security.VERIFIED
    assert not securities.may_fall_back("zot", LENIENT)


async def test_a_registry_that_learns_tls_is_asked_over_tls_again(authority: Authority) -> None:
    """Clear text is not for ever."""
    async with Http(policies={}, emit=nothing) as http:
        async with HostileRegistry() as registry:
            await body_of(http, get(registry.host, tls=LENIENT))
            port = int(registry.host.rpartition(":")[2])
        tls = authority.issue().server_context()
        async with HostileRegistry(port=port, tls=tls) as registry:
            await failure_of(http, get(registry.host, tls=LENIENT))
            assert (await body_of(http, get(registry.host, tls=LENIENT)))[0] == 200
            assert http.security(registry.host, LENIENT) is Security.UNVERIFIED


async def test_a_400_in_clear_is_a_reason_to_ask_for_tls_again() -> None:
    """Go's servers answer so to clear text on a TLS port."""
    events: list[Event] = []
    async with HostileRegistry() as registry, Http(policies={}, emit=events.append) as http:
        registry.inject(Fault("GET", "*", Refusal(400, "X"), times=1))
        for _ in range(3):
            await body_of(http, get(registry.host, tls=LENIENT))
    assert statuses(events) == [None, 400, None, 200, 200]


async def test_strangers_prove_themselves_even_to_a_lenient_registry(authority: Authority) -> None:
    """A redirect to another host is verified; the operator can name it to be lenient there too."""
    tls = authority.issue().server_context()
    async with HostileRegistry(tls=tls) as registry, Sink("127.0.0.3", tls=tls) as cdn:
        registry.inject(Fault("GET", "*", Redirect(cdn.url)))
        async with Http(policies={}, emit=nothing) as http:
            assert await kind_of(http, get(registry.host, tls=LENIENT)) is ErrorKind.TLS
            assert cdn.requests == []
        policies = {registry.host: HostPolicy(redirect_hosts=("127.0.0.3",))}
        async with Http(policies=policies, emit=nothing) as http:
            assert (await body_of(http, get(registry.host, tls=LENIENT)))[0] == 404


async def test_a_ca_of_a_registry_is_believed_for_its_cdn(authority: Authority) -> None:
    """A company's registry and its storage share the company's CA."""
    tls = authority.issue().server_context()
    async with HostileRegistry(tls=tls) as registry, Sink("127.0.0.3", tls=tls) as cdn:
        registry.inject(Fault("GET", "*", Redirect(cdn.url)))
        async with Http(policies=verified(authority, registry.host), emit=nothing) as http:
            assert (await body_of(http, get(registry.host, tls=TlsPolicy.VERIFY)))[0] == 404


def identity(folder: Path) -> ServerCertificate:
    """A self-signed certificate that is fit for a client."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "image-sync")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    made = ServerCertificate(folder / "client.pem", folder / "client.key")
    made.certificate.write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    made.key.write_bytes(private_pem(key))
    return made


async def test_a_client_certificate_is_shown_to_its_registry_only(
    authority: Authority, tmp_path: Path
) -> None:
    """The registry demands one and gets it; the CDN that demands one does not."""
    client = identity(tmp_path)
    tls = authority.issue().server_context()
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(client.certificate)
    async with HostileRegistry(tls=tls) as registry, Sink("127.0.0.3", tls=tls) as cdn:
        registry.inject(Fault("GET", "/v2/away", Redirect(cdn.url)))
        policies = verified(
            authority,
            registry.host,
            client_cert_file=str(client.certificate),
            client_key_file=str(client.key),
        )
        async with Http(policies=policies, emit=nothing) as http:
            asked = get(registry.host, tls=TlsPolicy.VERIFY)
            assert (await body_of(http, asked))[0] == 200
            await failure_of(http, get(registry.host, "/v2/away", tls=TlsPolicy.VERIFY))
            assert cdn.requests == []


async def test_an_unusable_ca_file_is_named(tmp_path: Path) -> None:
    """What cannot be used, and why; before anything is sent."""
    async with HostileRegistry() as registry:
        path = tmp_path / "no.pem"
        policies = {registry.host: HostPolicy(ca_file=str(path))}
        async with Http(policies=policies, emit=nothing) as http:
            error = await failure_of(http, get(registry.host, tls=TlsPolicy.VERIFY))
            assert error.kind is ErrorKind.CONFIG
            assert f"ca_file {path} cannot be used: no such file" in error.message
            path.write_text("not a certificate")
            assert await kind_of(http, get(registry.host, tls=TlsPolicy.VERIFY)) is ErrorKind.CONFIG


def test_a_changed_file_gives_a_new_context(authority: Authority, tmp_path: Path) -> None:
    """Fault row 61: a rotated CA is taken up within seconds; a broken one keeps the old."""
    clock = VirtualClock()
    contexts = Contexts(clock)
    path = tmp_path / "ca.pem"
    shutil.copy(authority.ca_file, path)
    trust = Trust(ca_file=str(path))
    first = contexts.get(trust, verify=True)
    assert contexts.get(trust, verify=True) is first
    shutil.copy(Authority.stranger(tmp_path / "new").ca_file, path)
    os.utime(path, ns=(1, 1))
    clock.now += 60.0
    second = contexts.get(trust, verify=True)
    assert second is not first
    path.write_text("broken")
    clock.now += 60.0
    assert contexts.get(trust, verify=True) is second


def test_an_encrypted_key_is_an_error_and_not_a_question(
    authority: Authority, tmp_path: Path
) -> None:
    """OpenSSL would ask on the terminal."""
    key = tmp_path / "key.pem"
    key.write_text(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
        "DEK-Info: AES-128-CBC,00000000000000000000000000000000\n\nAAAA\n"
        "-----END RSA PRIVATE KEY-----\n"
    )
    certificate = authority.issue("image-sync.example").certificate
    with pytest.raises(TrustError, match="client_cert_file"):
        Contexts(VirtualClock()).get(Trust(None, str(certificate), str(key)), verify=True)
