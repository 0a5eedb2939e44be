"""What a probe and a scraper get: 200, 503 with the reason, or what is wrong with the request."""

from collections.abc import AsyncIterator
from importlib import metadata

import msgspec
import pytest
from prometheus_client import CollectorRegistry, Gauge

from image_sync.events import Event, Warned
from image_sync.runtime.serve import Address, serving
from image_sync.server import application
from tests.server.asking import ask, connect, exchange, request

pytestmark = pytest.mark.anyio


class Patient(msgspec.Struct):
    """A process as it is told to be."""

    sick: str | None = None
    busy: str | None = None
    broken: bool = False

    def alive(self) -> str | None:
        """As told."""
        if self.broken:
            raise KeyError("planted-secret")
        return self.sick

    def ready(self) -> str | None:
        """As told."""
        return self.busy


class Scene(msgspec.Struct):
    """A running server, the process it speaks of, and what it emitted."""

    address: Address
    patient: Patient
    emitted: list[Event]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A healthy process with one metric."""
    patient, emitted, registry = Patient(), list[Event](), CollectorRegistry()
    Gauge("image_sync_images", "Configured images.", registry=registry).set(3)
    app = application(patient, registry, emitted.append)
    async with serving(app, Address("127.0.0.1", 0)) as address:
        yield Scene(address, patient, emitted)


@pytest.mark.parametrize("page", ["/livez", "/readyz"])
async def test_a_healthy_process_is_ok(scene: Scene, page: str) -> None:
    """200, in plain text."""
    answer = await ask(scene.address, page)
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.fields["content-type"].startswith("text/plain")


async def test_a_process_that_has_to_be_restarted_says_why(scene: Scene) -> None:
    """503 for either probe, on one line whatever the reason holds."""
    scene.patient.sick = "the scheduler\nended"
    for page in ("/livez", "/readyz"):
        answer = await ask(scene.address, page)
        assert (answer.status, answer.body) == (503, b"the scheduler\\nended")


async def test_a_process_that_waits_for_its_cache_is_alive(scene: Scene) -> None:
    """A registry that is down must not have it restarted."""
    scene.patient.busy = "no contact with the cache yet"
    assert (await ask(scene.address, "/livez")).status == 200
    answer = await ask(scene.address, "/readyz")
    assert (answer.status, answer.body) == (503, b"no contact with the cache yet")


async def test_verbose_lists_every_check(scene: Scene) -> None:
    """As people know it from Kubernetes."""
    answer = await ask(scene.address, "/readyz?verbose")
    assert (answer.status, answer.body) == (200, b"[+] alive: ok\n[+] ready: ok\n")
    scene.patient.busy = "no contact"
    answer = await ask(scene.address, "/readyz?verbose=1")
    assert (answer.status, answer.body) == (503, b"[+] alive: ok\n[-] ready: no contact\n")


async def test_metrics_are_told_in_the_text_format(scene: Scene) -> None:
    """Of the registry that the application was given, and of no other."""
    answer = await ask(scene.address, "/metrics")
    assert answer.status == 200
    assert answer.fields["content-type"].startswith("text/plain; version=")
    assert answer.body.decode().splitlines()[-1] == "image_sync_images 3.0"
    assert b"python_gc" not in answer.body


@pytest.mark.parametrize("page", ["/livez", "/readyz", "/metrics"])
async def test_head_is_get_without_a_body(scene: Scene, page: str) -> None:
    """The same status and fields."""
    got, head = await ask(scene.address, page), await ask(scene.address, page, "HEAD")
    assert head.body == b""
    assert (head.status, head.fields) == (200, got.fields | {"date": head.fields["date"]})


@pytest.mark.parametrize("page", ["/livez", "/readyz", "/metrics", "/none"])
async def test_every_answer_says_whose_it_is(scene: Scene, page: str) -> None:
    """With the version of the package."""
    answer = await ask(scene.address, page)
    assert answer.fields["image-sync-version"] == metadata.version("image-sync")


@pytest.mark.parametrize("page", ["/", "/livez/", "/livezz", "/a-planted-word", "/metrics/x", "//"])
async def test_other_pages_are_not_there(scene: Scene, page: str) -> None:
    """404, in plain text, without a word of the request."""
    answer = await ask(scene.address, page)
    assert answer.status == 404
    assert answer.fields["content-type"].startswith("text/plain")
    assert b"planted" not in answer.data
    assert b"a.example" not in answer.data


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PLANTED"])
async def test_other_methods_are_refused(scene: Scene, method: str) -> None:
    """405, with those that are allowed."""
    answer = await ask(scene.address, "/livez", method)
    assert answer.status == 405
    assert {*answer.fields["allow"].split(", ")} == {"GET", "HEAD"}
    assert b"PLANTED" not in answer.data


async def test_a_websocket_gets_an_ordinary_answer(scene: Scene) -> None:
    """There is none here."""
    upgrade = request("/livez", "GET", "Upgrade: websocket", "Connection: Upgrade")
    assert (await exchange(scene.address, upgrade)).status == 200


async def test_a_slow_client_keeps_nobody_waiting(scene: Scene) -> None:
    """A probe is answered while another request is still arriving."""
    async with await connect(scene.address) as slow:
        await slow.send(b"GET /metrics HTTP/1.1\r\nHo")
        assert (await ask(scene.address, "/livez")).status == 200
        await slow.send(b"st: a\r\nConnection: close\r\n\r\n")
        assert (await slow.receive()).startswith(b"HTTP/1.1 200")


async def test_a_bug_of_ours_is_told_and_not_shown(scene: Scene) -> None:
    """500 for the client, a line for the operator, and the next request is answered."""
    scene.patient.broken = True
    answer = await ask(scene.address, "/livez")
    assert (answer.status, answer.body) == (500, b"internal error")
    assert "image-sync-version" in answer.fields
    (event,) = scene.emitted
    assert isinstance(event, Warned)
    assert event.message.startswith(
        "/livez: this is a bug in image-sync: KeyError at test_pages.py"
    )
    assert "planted-secret" not in event.message
    scene.patient.broken = False
    assert (await ask(scene.address, "/livez")).status == 200
