"""A blob that the registry has in another repository is mounted, where the registry does that."""

from collections.abc import AsyncIterator

import pytest

from image_sync.errors import ErrorKind
from image_sync.model import Endpoint
from image_sync.oci import Digest, Repository
from image_sync.registry import Mounted, RegistryClient, UploadSession, open_upload
from tests.hostile import (
    Answer,
    Bearer,
    Fault,
    HostileRegistry,
    HtmlPage,
    MountIgnored,
    Refusal,
    TokenServer,
)
from tests.registry.asking import OPERATOR, REPOSITORY, asking, failure, target

pytestmark = pytest.mark.anyio

CONTENT = b"0123456789" * 100
DIGEST = Digest.of(CONTENT)
HOLDER = "other/app"
UPLOADS = "/v2/*/blobs/uploads/"
ACCOUNTS = {OPERATOR.username: OPERATOR.secret}


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    """Holds one blob, in another repository."""
    async with HostileRegistry() as running:
        running.store.put_blob(HOLDER, CONTENT)
        yield running


def holder(registry: HostileRegistry) -> Repository:
    """The repository that has the blob."""
    return Repository(registry.host, HOLDER)


def queries(registry: HostileRegistry) -> list[str]:
    """What the POSTs asked for."""
    return [request.query for request in registry.asked("POST", UPLOADS)]


async def arrives(client: RegistryClient, endpoint: Endpoint, opened: object) -> None:
    """Send the blob into what is a session."""

    async def content() -> AsyncIterator[bytes]:
        yield CONTENT

    assert isinstance(opened, UploadSession)
    await opened.append(content(), len(CONTENT))
    await opened.finish()
    assert await client.head_blob(endpoint, DIGEST) == len(CONTENT)


FROM = f"mount={DIGEST}&from={HOLDER}"
ANYWHERE = f"mount={DIGEST}"


async def test_a_blob_is_mounted_from_where_it_is_known_to_be(registry: HostileRegistry) -> None:
    """By one request and not a byte."""
    async with asking() as client:
        opened = await open_upload(
            client, target(registry.host), DIGEST, mount_from=holder(registry)
        )
    assert opened == Mounted()
    assert registry.store.repositories[REPOSITORY].blobs == {str(DIGEST): CONTENT}
    assert queries(registry) == [FROM]


async def test_a_registry_that_searches_by_itself_is_let_to(registry: HostileRegistry) -> None:
    """As Zot does: nobody has to know where the blob is."""
    registry.uploads.mounts_unnamed = True
    async with asking() as client:
        assert await open_upload(client, target(registry.host), DIGEST) == Mounted()
    assert queries(registry) == [ANYWHERE]


@pytest.mark.parametrize("named", [True, False])
async def test_a_blob_that_is_to_be_sent_is_not_mounted(
    registry: HostileRegistry, *, named: bool
) -> None:
    """What the registry has may be what is damaged (row 57)."""
    registry.uploads.mounts_unnamed = True
    endpoint = target(registry.host)
    async with asking() as client:
        source = holder(registry) if named else None
        opened = await open_upload(client, endpoint, DIGEST, mount_from=source, find=False)
        await arrives(client, endpoint, opened)
    assert queries(registry) == [""]


@pytest.mark.parametrize("named", [True, False])
async def test_a_mount_that_is_ignored_is_an_upload(
    registry: HostileRegistry, *, named: bool
) -> None:
    """202 is a session to be used, and no error (row 48)."""
    registry.inject(Fault("POST", UPLOADS, MountIgnored(), query="mount=*"))
    endpoint = target(registry.host)
    async with asking() as client:
        source = holder(registry) if named else None
        await arrives(
            client, endpoint, await open_upload(client, endpoint, DIGEST, mount_from=source)
        )
    assert len(queries(registry)) == 1


@pytest.mark.parametrize("status", [400, 405, 501])
async def test_a_registry_that_refuses_to_be_asked_is_not_asked_again(
    registry: HostileRegistry, status: int
) -> None:
    """Then it is a plain upload, for the next blob at once (row 48)."""
    registry.inject(Fault("POST", UPLOADS, Refusal(status, "UNSUPPORTED"), query="mount=*"))
    endpoint = target(registry.host)
    async with asking() as client:
        opened = await open_upload(client, endpoint, DIGEST, mount_from=holder(registry))
        await arrives(client, endpoint, opened)
        before = len(queries(registry))
        await open_upload(client, endpoint, DIGEST, mount_from=holder(registry))
    assert queries(registry)[before:] == [""]


async def test_a_registry_that_does_not_search_mounts_what_it_is_told(
    registry: HostileRegistry,
) -> None:
    """A mount without `from` is newer than one with it, and its refusal says nothing of those."""
    refused = Refusal(400, "UNSUPPORTED")
    registry.inject(Fault("POST", UPLOADS, refused, query=ANYWHERE))
    endpoint = target(registry.host)
    async with asking() as client:
        await open_upload(client, endpoint, DIGEST)
        opened = await open_upload(client, endpoint, DIGEST, mount_from=holder(registry))
        await open_upload(client, target(registry.host, "team/web"), DIGEST)
    assert opened == Mounted()
    assert queries(registry) == [ANYWHERE, "", FROM, ""]


async def test_a_registry_that_mounts_from_nowhere_may_still_search(
    registry: HostileRegistry,
) -> None:
    """What it refused is not asked again, and what it did not refuse is."""
    registry.inject(Fault("POST", UPLOADS, Refusal(400, "UNSUPPORTED"), query="*from=*"))
    registry.uploads.mounts_unnamed = True
    endpoint = target(registry.host)
    async with asking() as client:
        for _ in range(2):
            opened = await open_upload(client, endpoint, DIGEST, mount_from=holder(registry))
            assert opened == Mounted()
    assert queries(registry) == [FROM, ANYWHERE, ANYWHERE]


async def test_a_registry_that_takes_nothing_is_asked_for_mounts_later(
    registry: HostileRegistry,
) -> None:
    """A refusal of everything says nothing of mounts (row 51)."""
    fault = registry.inject(Fault("POST", UPLOADS, Refusal(405, "UNSUPPORTED")))
    endpoint = target(registry.host)
    async with asking() as client:
        error = await failure(open_upload(client, endpoint, DIGEST, mount_from=holder(registry)))
        assert error.kind is ErrorKind.DENIED
        registry.remove(fault)
        opened = await open_upload(client, endpoint, DIGEST, mount_from=holder(registry))
    assert opened == Mounted()


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_repository_that_we_may_not_mount_from_does_not_matter(
    registry: HostileRegistry, status: int
) -> None:
    """The blob is uploaded, and mounts from others are still asked for (row 48)."""
    registry.inject(Fault("POST", UPLOADS, HtmlPage(status), query="*from=*", times=1))
    endpoint = target(registry.host)
    async with asking() as client:
        opened = await open_upload(client, endpoint, DIGEST, mount_from=holder(registry))
        await arrives(client, endpoint, opened)
        assert queries(registry) == [FROM, ANYWHERE]
        opened = await open_upload(client, endpoint, DIGEST, mount_from=holder(registry))
    assert opened == Mounted()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, ErrorKind.UNAUTHORIZED), (403, ErrorKind.DENIED), (404, ErrorKind.NOT_FOUND)],
)
async def test_a_repository_that_we_may_not_write_is_told(
    registry: HostileRegistry, status: int, kind: ErrorKind
) -> None:
    """Asking without a mount would not change that (row 51)."""
    registry.inject(Fault("POST", UPLOADS, HtmlPage(status)))
    async with asking() as client:
        error = await failure(open_upload(client, target(registry.host), DIGEST))
    assert error.kind is kind
    assert queries(registry) == [ANYWHERE]


async def test_opening_is_tried_again(registry: HostileRegistry) -> None:
    """Where a fault of the registry may pass (row 16)."""
    registry.inject(Fault("POST", UPLOADS, HtmlPage(503), times=3))
    async with asking() as client:
        opened = await open_upload(client, target(registry.host), DIGEST)
    assert isinstance(opened, UploadSession)
    assert len(queries(registry)) == 4


async def test_an_answer_that_is_neither_is_an_error(registry: HostileRegistry) -> None:
    """200 is no session and no mount (row 48)."""
    registry.inject(Fault("POST", UPLOADS, Answer(200)))
    async with asking() as client:
        error = await failure(open_upload(client, target(registry.host), DIGEST))
    assert error.kind is ErrorKind.BAD_CONTENT


async def test_one_token_allows_a_mount(registry: HostileRegistry) -> None:
    """It covers both repositories, and is kept beside the ordinary one."""
    endpoint = target(registry.host)
    async with TokenServer(accounts=ACCOUNTS) as tokens:
        registry.authorization = Bearer(tokens)
        async with asking(OPERATOR) as client:
            for _ in range(2):
                opened = await open_upload(client, endpoint, DIGEST, mount_from=holder(registry))
                assert opened == Mounted()
            for _ in range(2):
                assert await client.head_blob(endpoint, DIGEST) == len(CONTENT)
        own, other = f"repository:{REPOSITORY}:pull,push", f"repository:{HOLDER}:pull"
        assert [_scopes(request.target) for request in tokens.requests] == [[own, other], [own]]


async def test_a_refresh_token_gets_both_scopes_in_one_parameter(
    registry: HostileRegistry,
) -> None:
    """oauth.md has a list of them, divided by spaces."""
    wallet = type(OPERATOR)("", "", "refresh-me")
    endpoint = target(registry.host)
    async with TokenServer() as tokens:
        tokens.refresh_tokens.add("refresh-me")
        registry.authorization = Bearer(tokens)
        async with asking(wallet) as client:
            opened = await open_upload(client, endpoint, DIGEST, mount_from=holder(registry))
        assert opened == Mounted()
        assert len(tokens.requests) == 1


@pytest.mark.parametrize("at_the_realm", [True, False])
async def test_a_token_that_does_not_reach_the_other_repository_is_no_end(
    registry: HostileRegistry, *, at_the_realm: bool
) -> None:
    """The blob is uploaded with the ordinary token (rows 3, 48)."""
    endpoint = target(registry.host)
    async with TokenServer(accounts=ACCOUNTS) as tokens:
        registry.authorization = Bearer(tokens)
        if at_the_realm:
            tokens.inject(Fault("GET", "/token", HtmlPage(403), query="*other*"))
        else:
            registry.inject(Fault("POST", UPLOADS, Refusal(401, "DENIED"), query="*from=*"))
        async with asking(OPERATOR) as client:
            opened = await open_upload(client, endpoint, DIGEST, mount_from=holder(registry))
            await arrives(client, endpoint, opened)


def _scopes(target: str) -> list[str]:
    return [
        value.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",")
        for name, _, value in (each.partition("=") for each in target.split("?")[1].split("&"))
        if name == "scope"
    ]
