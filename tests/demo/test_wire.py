"""What is told of the wire is what went over it."""

from collections.abc import Awaitable, Callable, MutableMapping

import anyio
import pytest

from image_sync.demo.wire import Traffic, Wire

Message = MutableMapping[str, object]


class Clock:
    """Seconds that pass when they are told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def registry(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Reads what is sent to it, and answers with five bytes, whatever the method."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"12345"})


def ask(wire: Wire, method: str, path: str, body: bytes = b"") -> list[Message]:
    """What a request is answered."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        sent.append(message)

    anyio.run(wire.around(registry), {"method": method, "path": path}, receive, send)
    return sent


@pytest.mark.parametrize(
    ("method", "path", "traffic"),
    [
        pytest.param("HEAD", "/v2/a/manifests/1", Traffic(heads=1), id="head-sends-nothing"),
        pytest.param("GET", "/v2/a/manifests/1", Traffic(pulls=1, sent=5), id="pull"),
        pytest.param(
            "GET", "/v2/a/blobs/sha256:1", Traffic(blobs=1, blob_bytes=5, sent=5), id="blob"
        ),
        pytest.param("GET", "/v2/", Traffic(others=1, sent=5), id="other"),
        pytest.param("PUT", "/v2/a/manifests/1", Traffic(others=1, sent=5), id="push-is-no-pull"),
    ],
)
def test_a_request_is_counted_as_what_it_is(method: str, path: str, traffic: Traffic) -> None:
    """A pull is what a registry counts as one, and bytes are those of bodies."""
    wire = Wire(Clock())
    ask(wire, method, path)
    assert wire.take() == traffic
    assert wire.take() == Traffic()


def test_bytes_of_a_push_are_received() -> None:
    """They are counted as they come."""
    wire = Wire(Clock())
    ask(wire, "PATCH", "/v2/a/blobs/uploads/1", b"1234567")
    assert wire.take().received == 7


def test_a_limited_registry_is_silent_only_if_it_is_left_alone() -> None:
    """All requests within the time are refused, and the silence counts from the last of them."""
    clock = Clock()
    wire = Wire(clock)
    wire.limit(2)
    refused = ask(wire, "HEAD", "/v2/a/manifests/1")
    assert refused[0]["status"] == 429
    assert (b"retry-after", b"2") in refused[0]["headers"]  # type: ignore[operator] # a list
    silences: list[float | None] = []
    for seconds, status in ((0.5, 429), (2.0, 200)):
        clock.now += seconds
        assert ask(wire, "GET", "/v2/a/manifests/1")[0]["status"] == status
        silences.append(wire.silence)
    assert silences == [None, 2.0]
    assert wire.take() == Traffic(pulls=1, refused=2, sent=5)
