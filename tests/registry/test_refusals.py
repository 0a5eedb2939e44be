"""A refusal means what its status says: whatever its body is, and as soon as it says."""

from collections.abc import AsyncIterator

import pytest

from image_sync.errors import ErrorKind
from image_sync.oci import Digest
from image_sync.registry import list_tags
from tests.hostile import (
    Answer,
    Basic,
    Bearer,
    Composed,
    Endless,
    Fault,
    HostileRegistry,
    HtmlPage,
    Reset,
    Stalled,
    TokenServer,
    Truncated,
)
from tests.hostile.fault import Behaviour
from tests.registry.asking import HASTY, OPERATOR, REPOSITORY, Pauses, asking, failure, source

pytestmark = pytest.mark.anyio

PAGE = b"<html>" + b"x" * 70_000
BODIES: dict[str, tuple[Behaviour, ...]] = {
    "above the bound": (),
    "without an end": (Endless(),),
    "cut": (Truncated(1_000),),
    "reset": (Reset(0),),
}
bodies = pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)


def refusal(status: int, body: tuple[Behaviour, ...], *fields: tuple[str, str]) -> Behaviour:
    """A proxy's error page that does not arrive as it should."""
    return Composed(*body, Answer(status, PAGE, *fields, media_type="text/html"))


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    """Holds one image, under the tag `1`."""
    async with HostileRegistry() as running:
        running.store.put_image(REPOSITORY, "1")
        yield running


@bodies
async def test_a_fault_passes(registry: HostileRegistry, body: tuple[Behaviour, ...]) -> None:
    """503 is asked again (row 16)."""
    registry.inject(Fault("GET", "*", refusal(503, body), times=2))
    endpoint = source(registry.host)
    async with asking() as client:
        manifest = await client.get_manifest(endpoint, endpoint.repository.tag("1"))
    assert manifest.digest == Digest.of(manifest.content)
    assert len(registry.requests) == 3


@bodies
async def test_what_is_not_there_is_gone(
    registry: HostileRegistry, body: tuple[Behaviour, ...]
) -> None:
    """404 is an answer, not a failure to get one (row 14)."""
    registry.inject(Fault("GET", "*", refusal(404, body)))
    endpoint = source(registry.host)
    async with asking() as client:
        error = await failure(client.get_manifest(endpoint, endpoint.repository.tag("1")))
        assert (error.kind, error.status) == (ErrorKind.NOT_FOUND, 404)
        assert len(str(error)) < 1_000
        assert await list_tags(client, endpoint) == []
    assert len(registry.requests) == 2


@bodies
async def test_who_asks_for_a_password_gets_it(
    registry: HostileRegistry, body: tuple[Behaviour, ...]
) -> None:
    """The challenge of a 401 stands in its header (row 1)."""
    registry.authorization = Basic({OPERATOR.username: OPERATOR.secret})
    asked = refusal(401, body, ("WWW-Authenticate", 'Basic realm="x"'))
    registry.inject(Fault("GET", "*", asked, times=1))
    endpoint = source(registry.host)
    async with asking(OPERATOR) as client:
        assert await list_tags(client, endpoint) == ["1"]
    assert len(registry.requests) == 2


@bodies
async def test_a_token_server_refuses_in_any_length(
    registry: HostileRegistry, body: tuple[Behaviour, ...]
) -> None:
    """Its 403 is a 403."""
    async with TokenServer() as tokens:
        registry.authorization = Bearer(tokens)
        tokens.inject(Fault("GET", "*", refusal(403, body)))
        endpoint = source(registry.host)
        async with asking() as client:
            error = await failure(client.get_manifest(endpoint, endpoint.repository.tag("1")))
    assert (error.kind, error.status) == (ErrorKind.DENIED, 403)


async def test_a_refusal_that_stalls_is_still_one(registry: HostileRegistry) -> None:
    """Silence inside of its body ends with what came."""
    registry.inject(Fault("GET", "*", refusal(404, (Stalled(1_000),))))
    endpoint = source(registry.host)
    async with asking(deadlines=HASTY) as client:
        error = await failure(client.get_manifest(endpoint, endpoint.repository.tag("1")))
    assert error.kind is ErrorKind.NOT_FOUND


@pytest.mark.parametrize("asker", ["registry", "token server"])
async def test_a_registry_says_when_it_is_back(registry: HostileRegistry, asker: str) -> None:
    """503 with Retry-After: the next try comes then, up to 30 s later (RFC 9110, 15.6.4)."""
    fault = Fault("GET", "*", HtmlPage(503, ("Retry-After", "30")), times=1)
    pauses = Pauses()
    endpoint = source(registry.host)
    async with TokenServer() as tokens:
        if asker == "registry":
            registry.inject(fault)
        else:
            registry.authorization = Bearer(tokens)
            tokens.inject(fault)
        async with asking(pauses=pauses) as client:
            await client.get_manifest(endpoint, endpoint.repository.tag("1"))
    assert pauses.seconds == [30.0]


async def test_a_registry_that_is_back_later_is_not_waited_for(registry: HostileRegistry) -> None:
    """The error says when to come again, and a PUT asks for nothing in between."""
    registry.inject(Fault("*", "*", HtmlPage(503, ("Retry-After", "31"))))
    endpoint = source(registry.host)
    async with asking() as client:
        reference = endpoint.repository.tag("1")
        error = await failure(client.get_manifest(endpoint, reference))
        assert (error.kind, error.retry_after) == (ErrorKind.UNAVAILABLE, 31.0)
        error = await failure(client.put_manifest(endpoint, reference, b"{}", "a/b"))
        assert (error.kind, error.retry_after) == (ErrorKind.UNAVAILABLE, 31.0)
    assert len(registry.requests) == 2


async def test_other_statuses_ask_for_no_pause(registry: HostileRegistry) -> None:
    """Retry-After belongs to 503: a 502 is a proxy's, which knows nothing."""
    registry.inject(Fault("GET", "*", HtmlPage(502, ("Retry-After", "3600")), times=1))
    pauses = Pauses()
    endpoint = source(registry.host)
    async with asking(pauses=pauses) as client:
        manifest = await client.get_manifest(endpoint, endpoint.repository.tag("1"))
    assert manifest.digest == Digest.of(manifest.content)
    assert pauses.seconds[0] <= 0.5
