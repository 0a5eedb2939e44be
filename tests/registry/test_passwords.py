"""Basic authentication, and passwords that are wrong: read again once, never hammered (row 4)."""

import base64

import anyio
import pytest

from image_sync.credentials import Credential
from image_sync.errors import ErrorKind, RegistryError
from image_sync.registry import upload_broken
from tests.hostile import Basic, Bearer, Fault, HostileRegistry, Refusal, TokenServer, Unauthorized
from tests.registry import uploading
from tests.registry.asking import (
    CANARY,
    OPERATOR,
    REPOSITORY,
    Wallet,
    asking,
    failure,
    source,
    target,
    texts,
)

pytestmark = pytest.mark.anyio

RIGHT = Basic({OPERATOR.username: OPERATOR.secret})
WRONG = Credential(OPERATOR.username, "wrong")


def presented(registry: HostileRegistry | TokenServer) -> list[str]:
    """The passwords that came with Basic."""
    fields = [request.headers.get("Authorization") or "" for request in registry.requests]
    words = [field.split(" ")[1] for field in fields if field.startswith("Basic ")]
    return [base64.b64decode(word).decode().partition(":")[2] for word in words]


async def test_basic_is_sent_once_it_was_asked_for() -> None:
    """The first request is nobody's; every later one carries the password unasked."""
    async with HostileRegistry(authorization=RIGHT) as registry:
        registry.store.put_image(REPOSITORY, "1")
        endpoint = source(registry.host)
        async with asking(OPERATOR) as client:
            for _ in range(3):
                assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
        assert len(registry.requests) == 4
        assert registry.requests[0].headers.get("Authorization") is None
        assert presented(registry) == [CANARY] * 3


async def test_nothing_is_sent_where_nothing_is_asked_for() -> None:
    """A registry that lets everybody in never sees a password."""
    async with HostileRegistry() as registry:
        registry.store.put_image(REPOSITORY, "1")
        endpoint = source(registry.host)
        async with asking(OPERATOR) as client:
            assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
        assert presented(registry) == []


async def test_without_credentials_the_401_stands() -> None:
    """One request, and the advice to configure some."""
    async with HostileRegistry(authorization=RIGHT) as registry:
        endpoint = source(registry.host)
        async with asking() as client:
            error = await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
        assert error.kind is ErrorKind.UNAUTHORIZED
        assert "add credentials" in error.hint
        assert len(registry.requests) == 1


async def test_a_changed_password_is_found_by_reading_again() -> None:
    """A rotated secret costs one refused request, not a failed image (row 77)."""
    async with HostileRegistry(authorization=RIGHT) as registry:
        registry.store.put_image(REPOSITORY, "1")
        wallet = Wallet(WRONG, renewed=OPERATOR)
        endpoint = source(registry.host)
        async with asking(wallet) as client:
            registry.inject(Fault("HEAD", "*", Unauthorized('Basic realm="x"'), times=1))
            await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
            assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
        assert wallet.rereads == 1
        assert presented(registry) == ["wrong", "wrong", CANARY]


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "at once"])
async def test_a_wrong_password_is_given_up(at_once: bool) -> None:  # noqa: FBT001
    """Of a hundred images three try it, one after the other; accounts lock after five (row 4)."""
    async with HostileRegistry(authorization=RIGHT) as registry:
        errors = await _ask_for_a_hundred(registry, Wallet(WRONG), at_once=at_once)
        assert presented(registry) == ["wrong"] * 3
        assert {error.kind for error in errors} == {ErrorKind.UNAUTHORIZED}
        assert "until they change" in errors[-1].message


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "at once"])
async def test_a_password_that_a_realm_refuses_is_given_up(at_once: bool) -> None:  # noqa: FBT001
    """The same at a token server, whatever the scopes (row 4)."""
    async with (
        TokenServer(accounts={OPERATOR.username: OPERATOR.secret}) as tokens,
        HostileRegistry(authorization=Bearer(tokens)) as registry,
    ):
        errors = await _ask_for_a_hundred(registry, Wallet(WRONG), at_once=at_once)
        assert presented(tokens) == ["wrong"] * 3
        assert {error.kind for error in errors} == {ErrorKind.UNAUTHORIZED}


async def test_an_identity_token_that_is_refused_is_given_up() -> None:
    """OAuth 2 says 400 for it (RFC 6749, section 5.2)."""
    async with (
        TokenServer(accounts={"a": "b"}) as tokens,
        HostileRegistry(authorization=Bearer(tokens)) as registry,
    ):
        tokens.inject(Fault("POST", "*", Refusal(400, "UNAUTHORIZED", "invalid_grant")))
        wallet = Wallet(Credential("", "", identity_token=CANARY))
        errors = await _ask_for_a_hundred(registry, wallet, at_once=False)
        assert len(tokens.requests) == 3
        assert all(CANARY not in texts(error) for error in errors)


@pytest.mark.parametrize("bearer", [False, True], ids=["basic", "bearer"])
async def test_a_new_password_gets_its_chance(bearer: bool) -> None:  # noqa: FBT001
    """What was given up is tried again the moment it changes, without a restart (row 77)."""
    async with TokenServer(accounts={OPERATOR.username: OPERATOR.secret}) as tokens:
        rule = Bearer(tokens) if bearer else RIGHT
        async with HostileRegistry(authorization=rule) as registry:
            registry.store.put_image(REPOSITORY, "1")
            wallet = Wallet(WRONG)
            endpoint = source(registry.host)
            async with asking(wallet) as client:
                for _ in range(10):
                    await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
                wallet.renewed = OPERATOR  # a helper that answers differently when asked again
                assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
            place = tokens if bearer else registry
            assert presented(place) == ["wrong"] * 3 + [CANARY]


async def test_one_forbidden_repository_does_not_give_up_the_password() -> None:
    """Some token servers say 401 for what a good password may not do: that is that image's."""
    async with (
        TokenServer(accounts={OPERATOR.username: OPERATOR.secret}) as tokens,
        HostileRegistry(authorization=Bearer(tokens)) as registry,
    ):
        tokens.inject(Fault("GET", "/token", Unauthorized(), query="*secret*"))
        registry.store.put_image("open", "1")
        fine, forbidden = source(registry.host, "open"), source(registry.host, "secret")
        async with asking(OPERATOR) as client:
            for _ in range(10):
                assert await client.head_manifest(fine, fine.repository.tag("1"))
                error = await failure(
                    client.head_manifest(forbidden, forbidden.repository.tag("1"))
                )
                assert error.status == 401


async def test_a_password_that_stops_working_is_given_up() -> None:
    """It was changed at the registry: what worked and fails is no matter of one image (row 4)."""
    async with HostileRegistry(authorization=RIGHT) as registry:
        registry.store.put_image(REPOSITORY, "1")
        endpoint = source(registry.host)
        async with asking(OPERATOR) as client:
            assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
            registry.authorization = Basic({OPERATOR.username: "changed"})
            for _ in range(10):
                await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
        assert len(presented(registry)) == 1 + 3


async def test_content_is_not_sent_with_a_password_in_doubt() -> None:
    """A password changed while uploads were opened: not one refusal for each of them (row 4)."""
    async with HostileRegistry(authorization=RIGHT) as registry:
        endpoint = target(registry.host)
        async with asking(OPERATOR) as client:
            sessions = [await uploading.opened(client, endpoint) for _ in range(10)]
            before = len(presented(registry))
            registry.authorization = Basic({OPERATOR.username: "changed"})
            for session in sessions:
                error = await failure(session.append(uploading.Pieces(), uploading.SIZE))
                assert (error.kind, error.status) == (ErrorKind.UNAUTHORIZED, 401)
                assert upload_broken(error)
        assert len(presented(registry)) == before + 1


async def test_an_upload_goes_on_with_the_new_password() -> None:
    """What is asked after a broken one reads it again, and proves it (row 77)."""
    async with HostileRegistry(authorization=RIGHT) as registry:
        endpoint = target(registry.host)
        changed = Credential(OPERATOR.username, "changed")
        wallet = Wallet(OPERATOR, renewed=changed)
        async with asking(wallet) as client:
            session = await uploading.opened(client, endpoint)
            registry.authorization = Basic({changed.username: changed.secret})
            for _ in range(2):  # refused, then in doubt
                error = await failure(session.append(uploading.Pieces(), uploading.SIZE))
                assert error.kind is ErrorKind.UNAUTHORIZED
            await session.settle()
            session = await uploading.opened(client, endpoint)
            await session.append(uploading.Pieces(), uploading.SIZE)
            await session.finish()
        assert wallet.rereads == 1
        assert uploading.stored(registry) == uploading.RIGHT


async def test_an_expired_helper_token_is_fetched_again_after_a_403() -> None:
    """ECR says 403 when its twelve hours are over (row 5)."""
    async with HostileRegistry(authorization=RIGHT) as registry:
        registry.store.put_image(REPOSITORY, "1")
        wallet = Wallet(WRONG, renewed=OPERATOR)
        endpoint = source(registry.host)
        async with asking(wallet) as client:
            registry.inject(Fault("HEAD", "*", Refusal(403, "DENIED"), after=1, times=1))
            assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
        assert presented(registry) == ["wrong", CANARY]
        assert wallet.rereads == 1


async def _ask_for_a_hundred(
    registry: HostileRegistry, wallet: Wallet, *, at_once: bool
) -> list[RegistryError]:
    errors: list[RegistryError] = []

    async with asking(wallet) as client:

        async def ask(number: int) -> None:
            endpoint = source(registry.host, f"image-{number}")
            asked = client.head_manifest(endpoint, endpoint.repository.tag("1"))
            errors.append(await failure(asked))

        if not at_once:
            for number in range(100):
                await ask(number)
            return errors
        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(ask, number)
    return errors
