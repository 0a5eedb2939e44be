"""Uploads: who is the brake, and whose fault a failure is."""

from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.http import Http
from tests.hostile import (
    Answer,
    Behaviour,
    Composed,
    Drip,
    Exchange,
    Fault,
    HostileRegistry,
    InformationalStorm,
    Refused,
    Response,
    Unauthorized,
    Unread,
)
from tests.http.asking import HASTY, body_of, get, kind_of, nothing

pytestmark = pytest.mark.anyio

PIECE = b"x" * 65_536


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield PIECE


async def test_a_target_that_takes_nothing_times_out() -> None:
    """No byte moves: the idle deadline holds for uploads, too."""
    async with (
        HostileRegistry() as registry,
        Http(policies={}, emit=nothing, deadlines=HASTY) as http,
    ):
        registry.inject(Fault("PATCH", "*", Unread()))
        asked = get(registry.host, method="PATCH", content=endless())
        assert await kind_of(http, asked) is ErrorKind.TIMEOUT


@pytest.mark.parametrize("behaviour", [Unread(), Drip(0.01, head=True), InformationalStorm()])
async def test_a_target_that_takes_everything_and_says_nothing_times_out(
    behaviour: Behaviour,
) -> None:
    """Then the deadline of headers holds, however busy it looks."""
    async with (
        HostileRegistry() as registry,
        Http(policies={}, emit=nothing, deadlines=HASTY) as http,
    ):
        registry.inject(Fault("PUT", "*", behaviour))
        asked = get(registry.host, method="PUT", content=b"x" * 100_000)
        assert await kind_of(http, asked) is ErrorKind.TIMEOUT


async def test_a_slow_source_is_not_the_targets_fault() -> None:
    """While we wait for content no deadline of the target runs (fault row 26)."""
    deadlines = HASTY

    async def slow() -> AsyncIterator[bytes]:
        yield b"a"
        await anyio.sleep(2 * (deadlines.connect + deadlines.headers))  # the peer of this content
        yield b"b"

    async with (
        HostileRegistry() as registry,
        Http(policies={}, emit=nothing, deadlines=deadlines) as http,
    ):
        registry.inject(Fault("PUT", "*", Answer(201)))
        asked = get(registry.host, method="PUT", content=slow())
        assert (await body_of(http, asked))[0] == 201
        assert bytes(registry.requests[0].body) == b"ab"


async def test_a_source_that_fails_is_named_as_it_is() -> None:
    """Its error comes through, not one of the target; the upload is not completed."""
    broken = RegistryError("broke", ErrorKind.TRUNCATED, side=Side.SOURCE)

    async def content() -> AsyncIterator[bytes]:
        yield PIECE
        raise broken

    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        asked = get(registry.host, method="PUT", content=content(), side=Side.TARGET)
        with pytest.raises(RegistryError) as caught:
            await body_of(http, asked)
        assert caught.value is broken


async def test_an_answer_may_come_before_the_body_was_taken() -> None:
    """A 401 to an endless upload ends it."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        registry.inject(Fault("PATCH", "*", Answer(401, early=True)))
        asked = get(registry.host, method="PATCH", content=endless())
        with anyio.fail_after(10):
            assert (await body_of(http, asked))[0] == 401
        assert (await body_of(http, get(registry.host)))[0] == 200


async def test_a_copy_streams_from_one_registry_to_the_other() -> None:
    """A body is content: nothing is held in memory or in a task that outlives it."""
    async with (
        HostileRegistry() as source,
        HostileRegistry() as target,
        Http(policies={}, emit=nothing) as http,
    ):
        blob = PIECE * 20
        digest = source.store.put_blob("a", blob)
        target.inject(Fault("PUT", "*", Answer(201)))
        async with http.send(get(source.host, f"/v2/a/blobs/{digest}")) as answer:
            asked = get(
                target.host,
                method="PUT",
                side=Side.TARGET,
                content=answer.chunks(),
                content_length=len(blob),
            )
            assert (await body_of(http, asked))[0] == 201
        assert bytes(target.requests[0].body) == blob


async def test_unauthorized_is_an_answer_with_its_challenge() -> None:
    """Authorization is decided by the caller, who needs to see it."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        registry.inject(Fault("GET", "*", Unauthorized('Bearer realm="https://r/t"')))
        async with http.send(get(registry.host)) as response:
            assert response.status == 401
            assert response.headers.get("www-authenticate") == 'Bearer realm="https://r/t"'


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(Answer(201), id="taken"),
        pytest.param(Answer(401, early=True), id="answered early"),
        pytest.param(Refused(), id="reset"),
    ],
)
async def test_content_is_not_read_any_more_when_the_request_is_over(behaviour: Behaviour) -> None:
    """However it ended, what the content holds was let go of before."""
    closed = False

    async def content() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            for _ in range(100):
                yield PIECE
        finally:
            await anyio.lowlevel.checkpoint()
            closed = True

    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        registry.inject(Fault("PATCH", "*", behaviour))
        asked = get(registry.host, method="PATCH", content=content())
        with suppress(RegistryError):
            await body_of(http, asked)
        assert closed


async def test_content_that_is_waited_for_ends_with_its_request() -> None:
    """An answer ends the wait for more; so does a cancellation."""
    ended = 0

    async def content(began: anyio.Event) -> AsyncIterator[bytes]:
        nonlocal ended
        try:
            yield PIECE
            began.set()
            await anyio.sleep_forever()
        finally:
            ended += 1

    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        registry.inject(Fault("PATCH", "*", Answer(401, early=True)))
        asked = get(registry.host, method="PATCH", content=content(anyio.Event()))
        assert (await body_of(http, asked))[0] == 401
        assert ended == 1
        registry.inject(Fault("PUT", "*", Unread()))
        began = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                body_of, http, get(registry.host, method="PUT", content=content(began))
            )
            await began.wait()
            tasks.cancel_scope.cancel()
        assert ended == 2


async def test_a_request_may_be_granted_more_time() -> None:
    """Where the answer to one takes longer than others (fault row 25)."""
    async with (
        HostileRegistry() as registry,
        Http(policies={}, emit=nothing, deadlines=HASTY) as http,
    ):
        registry.inject(Fault("PUT", "*", Composed(Late(HASTY.headers + HASTY.idle), Answer(201))))
        asked = get(registry.host, method="PUT", content=b"x" * 100_000)
        assert await kind_of(http, asked) is ErrorKind.TIMEOUT
        for content in (b"x", b"x" * 100_000, endless_for(100)):
            patient = get(registry.host, method="PUT", content=content, patience=5.0)
            assert (await body_of(http, patient))[0] == 201


class Late:
    """The honest answer after some seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def __call__(self, exchange: Exchange) -> Response:
        answer = await exchange.proceed()
        await anyio.sleep(self._seconds)
        return answer


async def endless_for(pieces: int) -> AsyncIterator[bytes]:
    for _ in range(pieces):
        yield PIECE
