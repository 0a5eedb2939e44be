"""The tags of a repository: all of them, or an error; pages on the same registry only."""

import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from image_sync.errors import ErrorKind, RegistryError
from image_sync.registry import list_tags
from tests.hostile import (
    Answer,
    Bearer,
    Fault,
    HostileRegistry,
    HtmlPage,
    Sink,
    TokenServer,
    WithField,
)
from tests.registry.asking import REPOSITORY, asking, failure, source

pytestmark = pytest.mark.anyio

LIST = f"/v2/{REPOSITORY}/tags/list"


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    """Holds one image under five tags."""
    async with HostileRegistry() as running:
        digest = running.store.put_image(REPOSITORY, "a")
        for tag in "bcde":
            running.store.tag(REPOSITORY, tag, digest)
        yield running


def page(*tags: str, link: str = "") -> Answer:
    """One page, and where the next one is."""
    body = json.dumps({"name": REPOSITORY, "tags": tags}).encode()
    return Answer(200, body, *((("Link", link),) if link else ()))


async def test_all_tags_are_listed(registry: HostileRegistry) -> None:
    """By one request where they fit on one page."""
    async with asking() as client:
        assert await list_tags(client, source(registry.host)) == ["a", "b", "c", "d", "e"]
    assert [request.target for request in registry.requests] == [LIST]


async def test_a_repository_that_is_not_there_has_no_tags(registry: HostileRegistry) -> None:
    """404 is an answer (row 13); so is an empty list, and null."""
    async with asking() as client:
        assert await list_tags(client, source(registry.host, "none")) == []
        for tags in (b"[]", b"null"):
            registry.inject(Fault("GET", "*", Answer(200, b'{"tags":%s}' % tags), times=1))
            assert await list_tags(client, source(registry.host)) == []


@pytest.mark.parametrize("absolute", [False, True], ids=["relative", "absolute"])
async def test_pages_are_followed(absolute: bool) -> None:  # noqa: FBT001
    """To the last one, whether the Link is a path or a whole URL, with the same token."""
    async with TokenServer() as tokens, HostileRegistry(authorization=Bearer(tokens)) as registry:
        digest = registry.store.put_image(REPOSITORY, "a")
        registry.store.tag(REPOSITORY, "b", digest)
        origin = registry.url if absolute else ""
        link = f'<{origin}{LIST}?n=1&last=a>; rel="next"'
        registry.inject(Fault("GET", "*", page("a", link=link), times=1, after=1, query=""))
        async with asking() as client:
            assert await list_tags(client, source(registry.host)) == ["a", "b"]
        assert registry.requests[-1].target == f"{LIST}?n=1&last=a"
        assert len(tokens.requests) == 1


@pytest.mark.parametrize(
    "link",
    [
        pytest.param('<{sink}/v2/x>; rel="next"', id="another host"),
        pytest.param('<//{authority}/v2/x>; rel="next"', id="another host without a scheme"),
        pytest.param('<https://{own}/v2/x>; rel="next"', id="another scheme"),
        pytest.param('<http://[::1/x>; rel="next"', id="no URL"),
    ],
)
async def test_a_next_page_elsewhere_is_refused(registry: HostileRegistry, link: str) -> None:
    """Not followed, and not passed over in silence: the list would not be whole (row 80)."""
    async with Sink() as sink:
        where = link.format(sink=sink.url, authority=sink.host, own=registry.host)
        registry.inject(Fault("GET", "*", WithField("Link", where)))
        async with asking() as client:
            error = await failure(list_tags(client, source(registry.host)))
        assert error.kind is ErrorKind.UNSAFE
        assert sink.received == b""


async def test_pages_without_end_are_refused(registry: HostileRegistry) -> None:
    """Twenty are read, then it is an error (row 80)."""
    registry.inject(Fault("GET", "*", page("a", link=f'<{LIST}?again>; rel="next"')))
    async with asking() as client:
        error = await failure(list_tags(client, source(registry.host)))
    assert error.kind is ErrorKind.BAD_CONTENT
    assert len(registry.requests) == 20


async def test_a_page_that_is_missing_is_an_error(registry: HostileRegistry) -> None:
    """404 in the middle does not end the list."""
    registry.inject(Fault("GET", "*", page("a", link=f'<{LIST}?n=1>; rel="next"'), times=1))
    registry.inject(Fault("GET", "*", HtmlPage(404)))
    async with asking() as client:
        error = await failure(list_tags(client, source(registry.host)))
    assert error.kind is ErrorKind.NOT_FOUND


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_a_registry_that_does_not_say_is_an_error(
    registry: HostileRegistry, status: int
) -> None:
    """It is never an empty list."""
    registry.inject(Fault("GET", "*", HtmlPage(status)))
    async with asking() as client:
        assert (await failure(list_tags(client, source(registry.host)))).status == status


async def test_a_huge_page_is_not_read(registry: HostileRegistry) -> None:
    """4 MiB are the cap."""
    registry.inject(Fault("GET", "*", Answer(200, b'{"tags":["a"]}' + b" " * 4 * 1024 * 1024)))
    async with asking() as client:
        error = await failure(list_tags(client, source(registry.host)))
    assert error.kind is ErrorKind.BAD_CONTENT


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    body=st.binary(max_size=60)
    | st.sampled_from(
        [b'{"tags":["../x"]}', b'{"tags":[1]}', b'{"tags":{}}', b'{"tags":["a\\n"]}', b"[" * 5000]
    )
)
async def test_any_page_is_a_list_or_an_error(registry: HostileRegistry, body: bytes) -> None:
    """No body makes anything but tags that are tags, or one of our errors."""
    injected = registry.inject(Fault("GET", "*", Answer(200, body)))
    async with asking() as client:
        try:
            assert await list_tags(client, source(registry.host)) == []
        except RegistryError as error:
            kind = error.kind
            assert kind is ErrorKind.BAD_CONTENT
    registry.remove(injected)
