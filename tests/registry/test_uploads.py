"""Uploads arrive, and go on from what the registry has after a failure."""

from collections.abc import AsyncIterator

import anyio
import pytest

from image_sync.errors import ErrorKind
from image_sync.oci import Digest
from image_sync.registry import (
    UploadSession,
    open_upload,
    upload_broken,
    upload_lost,
)
from tests.hostile import (
    Answer,
    Bearer,
    Behaviour,
    Composed,
    Dropped,
    Fault,
    Gate,
    Held,
    HostileRegistry,
    HtmlPage,
    LocationForm,
    Refusal,
    Refused,
    Sink,
    TokenServer,
    Torn,
    Unread,
    UploadLost,
    WithField,
    WithoutFields,
)
from tests.registry.asking import (
    CANARY,
    HASTY,
    OPERATOR,
    REPOSITORY,
    asking,
    failure,
    target,
    texts,
)
from tests.registry.uploading import CONTENT, DIGEST, RIGHT, SIZE, Pieces, opened, stored, upload

pytestmark = pytest.mark.anyio

SESSIONS = "/v2/*/blobs/uploads/?*"


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    """Holds nothing yet."""
    async with HostileRegistry() as running:
        yield running


async def test_a_blob_is_streamed(registry: HostileRegistry) -> None:
    """One PATCH without a length, and a PUT that makes it a blob."""
    async with asking() as client:
        session = await opened(client, target(registry.host))
        assert session.holds == 0
        await session.append(Pieces(), SIZE)
        assert session.offset == SIZE
        assert stored(registry) == {}
        await session.finish()
    assert stored(registry) == RIGHT
    assert [request.method for request in registry.requests[-3:]] == ["POST", "PATCH", "PUT"]
    patch = registry.asked("PATCH")[0]
    assert patch.headers.get("Transfer-Encoding") == "chunked"
    assert "Content-Length" not in patch.headers
    assert registry.uploads.sessions == {}


async def test_a_blob_of_sha512_is_streamed(registry: HostileRegistry) -> None:
    """The digest's algorithm is the image's choice."""
    digest = Digest.of(CONTENT, "sha512")
    async with asking() as client:
        session = await open_upload(client, target(registry.host), digest)
        assert isinstance(session, UploadSession)
        await session.append(Pieces(), SIZE)
        await session.finish()
    assert stored(registry) == {str(digest): CONTENT}


async def test_an_empty_blob_is_made_by_the_last_request(registry: HostileRegistry) -> None:
    """There is nothing to send before."""
    async with asking() as client:
        empty = Digest.of(b"")
        session = await open_upload(client, target(registry.host), empty)
        assert isinstance(session, UploadSession)
        await session.append(Pieces(0, 0), 0)
        await session.finish()
    assert stored(registry) == {str(empty): b""}
    assert registry.asked("PATCH") == []


@pytest.mark.parametrize("form", [form for form in LocationForm if form != LocationForm.ELSEWHERE])
async def test_every_form_of_location_is_followed(
    registry: HostileRegistry, form: LocationForm
) -> None:
    """In every answer anew, with our credentials where it is the registry itself (row 46)."""
    registry.uploads.location_form = form
    async with TokenServer() as tokens:
        registry.authorization = Bearer(tokens)
        async with asking() as client:
            session = await opened(client, target(registry.host))
            await session.append(Pieces(0, 50_000), SIZE)
            assert await session.settle() == 50_000
            await session.append(Pieces(50_000), SIZE - 50_000)
            await session.finish()
    assert stored(registry) == RIGHT


async def test_a_session_elsewhere_gets_no_credentials(registry: HostileRegistry) -> None:
    """Neither in its PATCH nor in its DELETE (rows 36, 46)."""
    async with Sink("127.0.0.2") as sink, TokenServer() as tokens:
        registry.authorization = Bearer(tokens)
        registry.uploads.location_form = LocationForm.ELSEWHERE
        registry.uploads.location_origin = sink.url
        async with asking() as client:
            session = await opened(client, target(registry.host))
            error = await failure(session.append(Pieces(), SIZE))
            assert upload_broken(error)
            assert await session.settle() is None
            await session.cancel()
        assert {request.method for request in sink.requests} == {"PATCH", "GET", "DELETE"}
        assert all("Authorization" not in request.headers for request in sink.requests)


async def test_a_stream_that_ends_early_is_kept(registry: HostileRegistry) -> None:
    """What its source gave is there, and the rest follows in another request (row 20)."""
    async with asking() as client:
        session = await opened(client, target(registry.host))
        await session.append(Pieces(0, 12_345), SIZE)
        assert session.offset == 12_345
        await session.append(Pieces(12_345), SIZE - 12_345)
        await session.finish()
    assert stored(registry) == RIGHT


async def test_a_failure_of_the_content_comes_out_as_it_is(registry: HostileRegistry) -> None:
    """The source's fault is not the target's; the session is of use still."""
    broken = ValueError("of the source")

    async def content() -> AsyncIterator[bytes]:
        yield CONTENT[20_000:30_000]
        raise broken

    async with asking() as client:
        session = await opened(client, target(registry.host))
        await session.append(Pieces(0, 20_000), SIZE)
        with pytest.raises(ValueError, match="of the source"):
            await session.append(content(), SIZE - 20_000)
        assert await session.settle() == 20_000
        await session.append(Pieces(20_000), SIZE - 20_000)
        await session.finish()
    assert stored(registry) == RIGHT


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        pytest.param(Refusal(413, "SIZE_INVALID"), None, id="refused"),
        pytest.param(Answer(401, early=True), None, id="refused early"),
        pytest.param(Refused(), None, id="reset"),
        pytest.param(None, SIZE, id="taken"),
    ],
)
async def test_content_has_ended_when_the_upload_has(
    registry: HostileRegistry, fault: Behaviour | None, sent: int | None
) -> None:
    """Whatever became of it: nothing goes on reading the source."""
    if fault:
        registry.inject(Fault("PATCH", "*", fault))
    pieces = Pieces(size=100)
    async with asking() as client:
        session = await opened(client, target(registry.host))
        if sent is None:
            await failure(session.append(pieces, SIZE))
        else:
            await session.append(pieces, SIZE)
        assert pieces.closed


async def test_a_cancelled_upload_lets_its_content_clean_up(registry: HostileRegistry) -> None:
    """Before the one who cancelled goes on."""
    registry.inject(Fault("PATCH", "*", Unread()))
    begun, closed = anyio.Event(), False

    async def content() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            yield CONTENT[:10]
            begun.set()
            await anyio.sleep_forever()
        finally:
            closed = True

    async with asking() as client:
        session = await opened(client, target(registry.host))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.append, content(), SIZE)
            await begun.wait()
            tasks.cancel_scope.cancel()
        assert closed


@pytest.mark.parametrize("after", [0, 2, 50_000, SIZE])
async def test_a_torn_upload_goes_on_from_what_arrived(
    registry: HostileRegistry, after: int
) -> None:
    """The registry says how much that is, and nothing is sent twice (rows 20, 45)."""
    registry.inject(Fault("PATCH", "*", Torn(registry.uploads, after), times=1))
    async with asking() as client:
        (error,) = await upload(client, target(registry.host))
    assert error.kind in {ErrorKind.NETWORK, ErrorKind.TRUNCATED}
    assert stored(registry) == RIGHT
    first, *others = registry.asked("PATCH")
    taken = len(first.body) if after > 1 else 0  # `0-0` may mean none: then there is a new session
    assert sum(len(request.body) for request in others) == SIZE - taken
    assert len(registry.asked("POST")) == (1 if after > 1 else 2)


async def test_a_target_that_takes_nothing_more_is_asked_where_it_stands(
    registry: HostileRegistry,
) -> None:
    """After the idle time (row 25)."""
    registry.inject(Fault("PATCH", "*", Unread(), times=1))

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(65_536)

    async with asking(deadlines=HASTY) as client:
        session = await opened(client, target(registry.host))
        error = await failure(session.append(endless(), 1 << 40))
        assert error.kind is ErrorKind.TIMEOUT
        assert upload_broken(error)
        assert await session.settle() is None  # `0-0`: nobody knows


@pytest.mark.parametrize("code", ["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_a_lost_session_says_so(registry: HostileRegistry, method: str, code: str) -> None:
    """A new one takes the blob (row 44)."""
    registry.inject(Fault(method, SESSIONS, Refusal(404, code), times=1))
    async with asking() as client:
        (error,) = await upload(client, target(registry.host))
    assert upload_lost(error)
    assert not upload_broken(error)
    assert stored(registry) == RIGHT
    assert len(registry.asked("POST")) == 2


async def test_a_session_that_the_registry_forgot_is_settled_as_lost(
    registry: HostileRegistry,
) -> None:
    """As after a restart of the registry (rows 44, 50)."""
    async with asking() as client:
        session = await opened(client, target(registry.host))
        await session.append(Pieces(0, 20_000), SIZE)
        registry.uploads.forget()
        assert await session.settle() is None
        assert upload_lost(await failure(session.append(Pieces(20_000), SIZE - 20_000)))
        assert upload_lost(await failure(session.finish()))


async def test_a_restart_between_two_requests_costs_what_was_lost(
    registry: HostileRegistry,
) -> None:
    """The session survives the restart, and the bytes in it (row 50)."""
    async with asking() as client:
        session = await opened(client, target(registry.host))
        await session.append(Pieces(0, 20_000), SIZE)
        async with registry.down():
            error = await failure(session.append(Pieces(20_000), SIZE - 20_000))
        assert upload_broken(error)
        assert await session.settle() == 20_000


async def test_out_of_order_is_settled(registry: HostileRegistry) -> None:
    """416 asks for the place where to go on (row 45)."""
    for code in ("RANGE_INVALID", "BLOB_UPLOAD_INVALID"):
        registry.inject(Fault("PATCH", "*", Refusal(416, code), times=1, after=1))
    async with asking() as client:
        session = await opened(client, target(registry.host))
        await session.append(Pieces(0, 20_000), SIZE)
        error = await failure(session.append(Pieces(20_000), SIZE - 20_000))
        assert upload_broken(error)
        assert await session.settle() == 20_000


@pytest.mark.parametrize(
    ("told", "settled"),
    [
        pytest.param("0-9999", 10_000, id="less"),
        pytest.param("bytes=0-9999", 10_000, id="with its unit"),
        pytest.param(f"0-{SIZE * 2}", None, id="more than was sent"),
        pytest.param("0-0", None, id="a byte or none"),
        pytest.param("nonsense", 0, id="nonsense"),
    ],
)
async def test_what_a_registry_says_that_it_has_counts(
    registry: HostileRegistry, told: str, settled: int | None
) -> None:
    """As far as it can be true; a session that nobody can make sense of is given up."""
    registry.inject(Fault("GET", SESSIONS, WithField("Range", told)))
    async with asking() as client:
        session = await opened(client, target(registry.host))
        await session.append(Pieces(0, 20_000), SIZE)
        assert await session.settle() == settled
        if settled is None:
            assert registry.uploads.sessions == {}
        else:
            assert session.offset == settled


async def test_a_patch_of_which_less_was_taken_is_no_success(registry: HostileRegistry) -> None:
    """202 with a Range that ends too early (row 45)."""
    registry.inject(Fault("PATCH", "*", WithField("Range", "0-9999")))
    async with asking() as client:
        session = await opened(client, target(registry.host))
        error = await failure(session.append(Pieces(0, 20_000), SIZE))
    assert upload_broken(error)
    assert session.offset == 0


@pytest.mark.parametrize("fault", [WithoutFields("Range"), WithField("Range", "0-0")])
async def test_a_registry_that_does_not_count_is_believed(
    registry: HostileRegistry, fault: Behaviour
) -> None:
    """The digest in the last request decides."""
    registry.inject(Fault("PATCH", "*", fault))
    async with asking() as client:
        assert await upload(client, target(registry.host)) == []
    assert stored(registry) == RIGHT


async def test_an_answer_before_everything_was_sent_is_no_success(
    registry: HostileRegistry,
) -> None:
    """202 in the middle of a stream: where it stands is to be asked."""
    accepted = Answer(202, early=True)
    registry.inject(Fault("PATCH", "*", accepted))

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(65_536)

    async with asking() as client:
        session = await opened(client, target(registry.host))
        assert upload_broken(await failure(session.append(endless(), 1 << 40)))


@pytest.mark.parametrize("lost", [Dropped(), HtmlPage(502)], ids=["closed", "502"])
async def test_a_lost_answer_to_the_last_request_is_settled(
    registry: HostileRegistry, lost: Behaviour
) -> None:
    """By asking for the blob (row 54)."""
    registry.inject(Fault("PUT", "*", lost, times=1))
    async with asking() as client:
        assert await upload(client, target(registry.host)) == []
    assert stored(registry) == RIGHT
    assert len(registry.asked("POST")) == 1


async def test_a_last_request_that_arrived_twice_is_settled(registry: HostileRegistry) -> None:
    """The second one finds no session, and the blob is there (rows 44, 54)."""
    registry.inject(Fault("HEAD", "*", HtmlPage(404), times=1))
    registry.inject(Fault("PUT", "*", Dropped(), times=1))
    async with asking() as client:
        assert await upload(client, target(registry.host)) == []
    assert stored(registry) == RIGHT
    assert len(registry.asked("PUT")) == 2


@pytest.mark.parametrize(
    ("there", "find"),
    [
        pytest.param(bytes(SIZE), False, id="damaged"),
        pytest.param(CONTENT[:-1], True, id="short"),
    ],
)
async def test_what_was_there_before_does_not_settle_a_lost_answer(
    registry: HostileRegistry, there: bytes, *, find: bool
) -> None:
    """The last request is sent again, and the right bytes take the place (rows 54, 57)."""
    registry.store.repository(REPOSITORY).blobs[str(DIGEST)] = there
    registry.inject(Fault("PUT", "*", HtmlPage(502), times=1))
    async with asking() as client:
        session = await open_upload(client, target(registry.host), DIGEST, find=find)
        assert isinstance(session, UploadSession)
        await session.append(Pieces(), SIZE)
        await session.finish()
    assert stored(registry) == RIGHT
    assert len(registry.asked("PUT")) == 2


async def test_a_replacement_whose_answer_is_lost_is_sent_again(registry: HostileRegistry) -> None:
    """It may have arrived, and nothing can tell: the session is lost (rows 54, 57)."""
    registry.inject(Fault("PUT", "*", Dropped(), times=1))
    async with asking() as client:
        session = await open_upload(client, target(registry.host), DIGEST, find=False)
        assert isinstance(session, UploadSession)
        await session.append(Pieces(), SIZE)
        assert upload_lost(await failure(session.finish()))
    assert registry.asked("HEAD") == []


async def test_wrong_bytes_are_never_made_a_blob(registry: HostileRegistry) -> None:
    """The last request names the digest, and the registry refuses (row 27)."""
    async with asking() as client:
        session = await opened(client, target(registry.host))
        await session.append(Pieces(0, 20_000), SIZE)
        error = await failure(session.finish())
    assert error.kind is ErrorKind.BLOB_REFUSED
    assert not upload_lost(error)
    assert stored(registry) == {}


async def test_a_cancelled_session_is_gone(registry: HostileRegistry) -> None:
    """Nobody has to clean up after us; one that is a blob is left alone."""
    async with asking() as client:
        session = await opened(client, target(registry.host))
        await session.append(Pieces(0, 20_000), SIZE)
        await session.cancel()
        assert registry.uploads.sessions == {}
        await upload(client, target(registry.host))
    assert len(registry.asked("DELETE")) == 1


async def test_a_session_is_cancelled_once(registry: HostileRegistry) -> None:
    """And takes no bytes any more."""
    async with asking() as client:
        session = await opened(client, target(registry.host))
        await session.cancel()
        assert upload_lost(await failure(session.append(Pieces(), SIZE)))
        assert upload_lost(await failure(session.finish()))
        await session.cancel()
    assert registry.asked("PATCH|PUT") == []
    assert len(registry.asked("DELETE")) == 1


async def test_a_cancellation_that_was_cut_off_may_be_repeated(registry: HostileRegistry) -> None:
    """Whoever had no time for it has it done later."""
    gate = Gate()
    registry.inject(Fault("DELETE", "*", Held(gate), times=1))
    async with asking() as client:
        session = await opened(client, target(registry.host))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.cancel)
            await gate.reached(1)
            tasks.cancel_scope.cancel()
        await session.cancel()
        gate.open()
    assert len(registry.asked("DELETE", "*")) == 2
    assert registry.uploads.sessions == {}


async def test_a_cancellation_of_what_stands_elsewhere_asks_where(
    registry: HostileRegistry,
) -> None:
    """After bytes that broke off a registry does not know the URL any more that it gave before."""
    refusal = Refusal(416, "RANGE_INVALID")
    registry.inject(Fault("DELETE", "*", refusal, times=1))
    async with asking() as client:
        session = await opened(client, target(registry.host))
        await session.cancel()
    assert [request.method for request in registry.asked("DELETE|GET", "*/uploads/*")] == [
        "DELETE",
        "GET",
        "DELETE",
    ]
    assert registry.uploads.sessions == {}


async def test_a_cancellation_waits_for_a_registry_that_is_still_writing(
    registry: HostileRegistry,
) -> None:
    """It stands further each time that it is asked, until all that it received is written."""
    registry.inject(Fault("DELETE", "*", Refusal(416, "RANGE_INVALID"), times=3))
    async with asking() as client:
        session = await opened(client, target(registry.host))
        await session.cancel()
    assert len(registry.asked("DELETE", "*/uploads/*")) == 4
    assert registry.uploads.sessions == {}


async def test_a_cancellation_that_is_refused_for_good_ends(registry: HostileRegistry) -> None:
    """The registry collects old uploads by itself."""
    registry.inject(Fault("DELETE", "*", Refusal(416, "RANGE_INVALID")))
    async with asking() as client:
        await (await opened(client, target(registry.host))).cancel()
    assert len(registry.asked("DELETE", "*/uploads/*")) == 5


@pytest.mark.parametrize("fault", [HtmlPage(500), Refusal(405, "UNSUPPORTED"), Refused()])
async def test_a_cancellation_that_fails_is_no_error(
    registry: HostileRegistry, fault: Behaviour
) -> None:
    """It is a courtesy."""
    registry.inject(Fault("DELETE", "*", fault))
    async with asking() as client:
        await (await opened(client, target(registry.host))).cancel()
    assert len(registry.asked("DELETE")) == 1


async def test_a_token_that_runs_out_before_a_stream_is_renewed(registry: HostileRegistry) -> None:
    """The stream is refused, asking where it stands renews, and it goes on (row 2)."""
    async with TokenServer(accounts={OPERATOR.username: OPERATOR.secret}) as tokens:
        registry.authorization = Bearer(tokens)
        async with asking(OPERATOR) as client:
            session = await opened(client, target(registry.host))
            await session.append(Pieces(0, 20_000), SIZE)
            tokens.revoke()
            error = await failure(session.append(Pieces(20_000), SIZE - 20_000))
            assert error.kind is ErrorKind.UNAUTHORIZED
            assert upload_broken(error)
            assert await session.settle() == 20_000
            await session.append(Pieces(20_000), SIZE - 20_000)
            tokens.revoke()
            await session.finish()
            assert CANARY not in texts(error)
    assert stored(registry) == RIGHT


async def test_a_token_that_is_old_is_renewed_before_a_stream(registry: HostileRegistry) -> None:
    """Nothing is sent with one that is about to run out (row 2)."""
    now = 0.0
    async with TokenServer() as tokens:
        registry.authorization = Bearer(tokens)
        async with asking(clock=lambda: now) as client:
            session = await opened(client, target(registry.host))
            now = 0.9 * 300
            await session.append(Pieces(), SIZE)
            await session.finish()
        assert len(tokens.requests) == 2
    assert stored(registry) == RIGHT


async def test_a_full_cache_is_told(registry: HostileRegistry) -> None:
    """And is nothing that asking again would mend (row 49)."""
    registry.inject(Fault("PATCH", "*", Refusal(500, "UNKNOWN", "no space left on device")))
    async with asking() as client:
        session = await opened(client, target(registry.host))
        error = await failure(session.append(Pieces(), SIZE))
    assert error.kind is ErrorKind.TARGET_FULL
    assert not upload_broken(error)


async def test_a_registry_that_takes_a_while_to_make_a_large_blob_is_waited_for() -> None:
    """It reads everything again: longer than for other answers, by the blob's size."""
    ready = Gate()
    async with (
        HostileRegistry() as registry,
        asking(deadlines=HASTY) as client,
        anyio.create_task_group() as tasks,
    ):
        registry.inject(Fault("PUT", "*", Composed(Held(ready), Answer(201))))
        session = await opened(client, target(registry.host))
        session.offset = 256 * 1024 * 1024  # as if it were there; gives the registry 8 s more
        tasks.start_soon(session.finish)
        await ready.reached(1)
        await anyio.sleep(HASTY.connect + HASTY.headers + HASTY.idle)  # others are over by now
        ready.open()
    assert len(registry.asked("PUT")) == 1


async def test_the_state_of_a_session_is_not_told(registry: HostileRegistry) -> None:
    """It is a token in a URL: no error shows it."""
    registry.uploads.location_form = LocationForm.QUERY
    registry.inject(Fault("PATCH", "*", WithField("Range", "0-9999")))
    async with asking() as client:
        session = await opened(client, target(registry.host))
        error = await failure(session.append(Pieces(0, 20_000), SIZE))
    assert error.url
    assert "state-of" not in texts(error)


async def test_a_session_that_is_lost_under_way_is_told(registry: HostileRegistry) -> None:
    """By the registry's own answer to what is sent next (row 44)."""
    registry.inject(Fault("PATCH", "*", UploadLost(registry.uploads), after=1))
    async with asking() as client:
        session = await opened(client, target(registry.host))
        await session.append(Pieces(0, 20_000), SIZE)
        assert upload_lost(await failure(session.append(Pieces(20_000), SIZE - 20_000)))


async def test_an_upload_that_is_opened_for_nobody_is_taken_back(
    registry: HostileRegistry,
) -> None:
    """Cancelled while the registry opens it: its answer is awaited, and the upload deleted."""
    gate = Gate()
    registry.inject(Fault("POST", "*", Held(gate)))
    async with asking() as client, anyio.create_task_group() as tasks:

        async def want() -> None:
            await open_upload(client, target(registry.host), DIGEST)

        tasks.start_soon(want)
        await gate.reached(1)
        tasks.cancel_scope.cancel()
        gate.open()
    assert registry.uploads.sessions == {}
    assert len(registry.asked("DELETE", SESSIONS)) == 1
