"""The recorder passes everything on, forgets nothing, and does as it is told."""

import hashlib
import http.client
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.real import images
from tests.real.accounts import OPERATOR
from tests.real.content import OCI_MANIFEST, Image, filler
from tests.real.images import Programs
from tests.real.registries import distribution
from tests.real.running import RunningRegistry, Serving
from tests.real.tls import Authority
from tests.real.wire import RegistryApi

MANIFEST = "/v2/app/manifests/1"


def client_of(registry: RunningRegistry) -> RegistryApi:
    """A client that goes through the recorder, as image-sync would."""
    basic = OPERATOR.basic() if registry.accounts else None
    return RegistryApi(registry.host, ca_file=registry.ca_file, authorize=lambda _repository: basic)


@pytest.fixture(params=["https", "http"])
def registry(
    request: pytest.FixtureRequest, tmp_path: Path, authority: Authority
) -> Iterator[RunningRegistry]:
    """With TLS and accounts, and without."""
    serving = (
        Serving(authority=authority, accounts=(OPERATOR,), record=True)
        if request.param == "https"
        else Serving(address="127.0.0.2", record=True)
    )
    with distribution(tmp_path, serving) as running:
        yield running


@pytest.fixture
def image(programs: Programs) -> Image:
    return images.single(programs)


def test_requests_are_recorded_with_what_was_answered(
    registry: RunningRegistry, image: Image
) -> None:
    """Method, path with query, status and headers; in order, until cleared."""
    registry.push("app", "1", image)
    client = client_of(registry)
    client.head_manifest("app", "1")
    client.get_manifest("app", "gone")
    client.request("GET", "/v2/app/tags/list?n=5", repository="app")
    seen = [(each.method, each.path, each.status) for each in registry.recorder.requests]
    assert seen == [
        ("HEAD", MANIFEST, 200),
        ("GET", "/v2/app/manifests/gone", 404),
        ("GET", "/v2/app/tags/list?n=5", 200),
    ]
    assert [each.path for each in registry.recorder.manifest_gets()] == ["/v2/app/manifests/gone"]
    assert "vnd.oci.image.index" in registry.recorder.requests[0].headers["accept"]
    registry.recorder.clear()
    assert registry.recorder.requests == []


def test_what_the_test_does_itself_is_not_recorded(registry: RunningRegistry, image: Image) -> None:
    """`push` and `api` go past the recorder."""
    registry.push("app", "1", image)
    assert registry.api.digest_of("app", "1") == image.digest
    assert registry.recorder.requests == []


def test_large_bodies_pass_unchanged_in_both_directions(registry: RunningRegistry) -> None:
    """16 MiB up and down, with Content-Length."""
    data = filler(16 * 1024 * 1024, "large")
    client = client_of(registry)
    digest = client.put_blob("app", data)
    assert client.get_blob("app", digest).body == data


def test_chunked_uploads_pass_unchanged(registry: RunningRegistry) -> None:
    """Transfer-Encoding: chunked, as Go's clients upload streams."""
    pieces = [filler(size, f"piece {size}") for size in (1, 70_000, 200_000)]
    data = b"".join(pieces)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    opened = client_of(registry).request("POST", "/v2/app/blobs/uploads/", repository="app")
    location = opened.headers["location"]
    assert location.startswith(f"{registry.scheme}://{registry.host}/")
    connection = connect(registry)
    connection.request(
        "PATCH",
        location.removeprefix(f"{registry.scheme}://{registry.host}"),
        body=iter(pieces),
        headers={"Content-Type": "application/octet-stream", **authorization(registry)},
        encode_chunked=True,
    )
    patched = connection.getresponse()
    patched.read()
    assert patched.status == 202
    uploaded = patched.headers["location"].removeprefix(f"{registry.scheme}://{registry.host}")
    done = client_of(registry).request("PUT", f"{uploaded}&digest={digest}", repository="app")
    connection.close()
    assert done.status == 201
    assert registry.api.get_blob("app", digest).body == data


def test_a_connection_is_used_again(registry: RunningRegistry, image: Image) -> None:
    """Clients that pool connections keep one for many requests, answers and injections."""
    registry.push("app", "1", image)
    registry.recorder.answer("GET", "/injected", 503, body=b"busy")
    connection = connect(registry)
    connection.connect()
    socket = connection.sock
    for method, path, status in [
        ("HEAD", MANIFEST, 200),
        ("GET", "/injected", 503),
        ("GET", "/v2/app/manifests/gone", 404),
        ("GET", MANIFEST, 200),
    ]:
        connection.request(method, path, headers=accepting(registry))
        response = connection.getresponse()
        response.read()
        assert (path, response.status) == (path, status)
        assert connection.sock is socket
    connection.close()


def test_many_clients_are_served_at_once(registry: RunningRegistry, image: Image) -> None:
    """64 requests from 16 threads are all answered and all recorded."""
    registry.push("app", "1", image)
    client = client_of(registry)
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: client.get_manifest("app", "1").status, range(64)))
    assert statuses == [200] * 64
    assert len(registry.recorder.manifest_gets()) == 64


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
def test_an_answer_is_injected_as_often_as_asked(
    registry: RunningRegistry, image: Image, status: int
) -> None:
    """Twice the injected status with its headers and body, then the registry's own."""
    registry.push("app", "1", image)
    headers = {"Retry-After": "7"}
    registry.recorder.answer(
        "GET", r"/v2/app/manifests/", status, headers=headers, body=b"{}", times=2
    )
    client = client_of(registry)
    answers = [client.get_manifest("app", "1") for _ in range(3)]
    assert [answer.status for answer in answers] == [status, status, 200]
    assert (answers[0].headers["retry-after"], answers[0].body) == ("7", b"{}")
    assert client.head_manifest("app", "1").status == 200
    assert [each.status for each in registry.recorder.manifest_gets()] == [status, status, 200]


def test_an_injected_answer_to_an_upload_leaves_the_registry_alone(
    registry: RunningRegistry, image: Image
) -> None:
    """A PUT answered in the registry's place never reaches it; without the rule it does."""
    for blob in image.all_blobs:
        registry.api.put_blob("app", blob.data)
    client = client_of(registry)
    registry.recorder.answer("PUT", "/manifests/", 500)
    assert client.put_manifest("app", "1", image.data, image.media_type).status == 500
    assert registry.api.digest_of("app", "1") is None
    registry.recorder.stop_answering()
    assert client.put_manifest("app", "1", image.data, image.media_type).status == 201


def test_a_request_is_held_until_released(registry: RunningRegistry, image: Image) -> None:
    """The client waits, others are served, and after `release` the answer is whole."""
    registry.push("app", "1", image)
    client = client_of(registry)
    hold = registry.recorder.hold("GET", "/manifests/1")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.get_manifest, "app", "1")
        hold.wait()
        assert client.head_manifest("app", "1").status == 200
        assert not waiting.done()
        hold.release()
        assert waiting.result().body == image.data


def test_a_download_is_held_in_the_middle(registry: RunningRegistry) -> None:
    """Exactly the first bytes arrive before `release`."""
    data = filler(300_000, "held")
    digest = registry.api.put_blob("app", data)
    hold = registry.recorder.hold("GET", "/blobs/", after_bytes=100_000)
    connection = connect(registry)
    connection.request("GET", f"/v2/app/blobs/{digest}", headers=authorization(registry))
    response = connection.getresponse()
    first = response.read(100_000)
    hold.wait()
    hold.release()
    assert first + response.read() == data
    connection.close()


def test_clients_of_a_recorder_that_went_away_are_refused(
    registry: RunningRegistry, image: Image
) -> None:
    """The port is closed and open connections end; later it is the same port again."""
    registry.push("app", "1", image)
    client, connection = client_of(registry), connect(registry)
    connection.connect()
    registry.recorder.go_away()
    with pytest.raises(ConnectionRefusedError):
        client.ping()
    connection.sock.settimeout(10)
    assert connection.sock.recv(1) == b""
    connection.close()
    registry.recorder.listen()
    assert client.digest_of("app", "1") == image.digest


def test_a_client_that_wants_tls_of_a_plain_port_is_told_at_once(cache: RunningRegistry) -> None:
    """What tools that try https first rely on; the port goes on serving."""
    address, _, port = cache.host.rpartition(":")
    with pytest.raises(ssl.SSLError, match=r"(?i)wrong.version|record layer"):
        http.client.HTTPSConnection(address, int(port), timeout=10).connect()
    assert client_of(cache).ping().status == 200


def test_a_client_that_trusts_another_ca_spoils_nothing(
    source: RunningRegistry, tmp_path: Path
) -> None:
    """It fails for itself alone."""
    stranger = Authority.stranger(tmp_path / "stranger")
    with pytest.raises(ssl.SSLCertVerificationError):
        RegistryApi(source.host, ca_file=stranger.ca_file).ping()
    assert client_of(source).ping().status == 200


def connect(registry: RunningRegistry) -> http.client.HTTPConnection:
    """One connection to the recorder, to be used many times."""
    if registry.ca_file is None:
        return http.client.HTTPConnection(registry.host, timeout=30)
    context = ssl.create_default_context(cafile=str(registry.ca_file))
    return http.client.HTTPSConnection(registry.host, timeout=30, context=context)


def authorization(registry: RunningRegistry) -> dict[str, str]:
    return {"Authorization": OPERATOR.basic()} if registry.accounts else {}


def accepting(registry: RunningRegistry) -> dict[str, str]:
    return {"Accept": OCI_MANIFEST, **authorization(registry)}
