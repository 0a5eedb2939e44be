"""Tags are taken away where the registry does that, and it is asked for no more than needed."""

from collections.abc import AsyncIterator

import pytest

from image_sync.errors import ErrorKind
from tests.hostile import Answer, Bearer, Fault, HostileRegistry, HtmlPage, Refusal, TokenServer
from tests.registry.asking import OPERATOR, REPOSITORY, asking, failure, target

pytestmark = pytest.mark.anyio


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    """Holds one image under two tags."""
    async with HostileRegistry() as running:
        digest = running.store.put_image(REPOSITORY, "1")
        running.store.tag(REPOSITORY, "2", digest)
        yield running


async def test_a_tag_is_deleted_and_nothing_else(registry: HostileRegistry) -> None:
    """The manifest stays, and so does the other tag."""
    endpoint = target(registry.host)
    async with asking() as client:
        assert await client.delete_tag(endpoint, endpoint.repository.tag("1"))
        assert await client.delete_tag(endpoint, endpoint.repository.tag("1"))  # gone is gone
    held = registry.store.repositories[REPOSITORY]
    assert set(held.tags) == {"2"}
    assert set(held.manifests) == set(held.tags.values())


@pytest.mark.parametrize("status", [200, 202, 204, 404])
async def test_every_answer_that_means_gone_is_one(registry: HostileRegistry, status: int) -> None:
    """Registries differ in it."""
    registry.inject(Fault("DELETE", "*", Answer(status)))
    endpoint = target(registry.host)
    async with asking() as client:
        assert await client.delete_tag(endpoint, endpoint.repository.tag("1"))


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Refusal(400, "UNSUPPORTED"), id="distribution 2.8"),
        pytest.param(Refusal(405, "UNSUPPORTED"), id="405"),
        pytest.param(HtmlPage(501), id="501"),
        pytest.param(Refusal(403, "UNSUPPORTED"), id="its code says so"),
    ],
)
async def test_a_registry_that_deletes_no_tags_is_no_failure(
    registry: HostileRegistry, fault: Answer
) -> None:
    """It is told once, by one request."""
    registry.inject(Fault("DELETE", "*", fault))
    endpoint = target(registry.host)
    async with asking() as client:
        assert not await client.delete_tag(endpoint, endpoint.repository.tag("1"))
    assert len(registry.requests) == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Refusal(403, "DENIED"), ErrorKind.DENIED),
        (Refusal(401, "UNAUTHORIZED"), ErrorKind.UNAUTHORIZED),
        (HtmlPage(500), ErrorKind.UNAVAILABLE),
    ],
)
async def test_whoever_may_not_delete_is_told(
    registry: HostileRegistry, fault: Answer, kind: ErrorKind
) -> None:
    """That is for the operator to change."""
    registry.inject(Fault("DELETE", "*", fault))
    endpoint = target(registry.host)
    async with asking() as client:
        error = await failure(client.delete_tag(endpoint, endpoint.repository.tag("1")))
    assert error.kind is kind


async def test_a_digest_is_never_deleted(registry: HostileRegistry) -> None:
    """It would take every tag of it along."""
    endpoint = target(registry.host)
    pinned = endpoint.repository.tag("1")
    async with asking() as client, TokenServer():
        assert await client.delete_tag(endpoint, pinned)
        with pytest.raises(ValueError, match="names no tag"):
            await client.delete_tag(endpoint, type(pinned)(pinned.repository))
    assert [request.path for request in registry.requests] == [f"/v2/{REPOSITORY}/manifests/1"]


async def test_the_right_to_delete_is_asked_for_only_to_delete(registry: HostileRegistry) -> None:
    """Other requests go on with less."""
    endpoint = target(registry.host)
    async with TokenServer(accounts={OPERATOR.username: OPERATOR.secret}) as tokens:
        registry.authorization = Bearer(tokens)
        async with asking(OPERATOR) as client:
            await client.head_manifest(endpoint, endpoint.repository.tag("2"))
            assert await client.delete_tag(endpoint, endpoint.repository.tag("1"))
            await client.head_manifest(endpoint, endpoint.repository.tag("2"))
        scopes = [request.parameters["scope"] for request in tokens.requests]
    own = f"repository:{REPOSITORY}:pull,push"
    assert scopes == [own, f"{own},delete"]
