"""Blobs are whole, hashed, and pushed in sessions that may get lost."""

from collections.abc import AsyncIterator

import pytest

from image_sync.errors import ErrorKind
from image_sync.oci import Descriptor, Digest
from image_sync.registry import push_blob
from tests.hostile import (
    Answer,
    Basic,
    Dropped,
    Endless,
    Exchange,
    Fault,
    Gzipped,
    HostileRegistry,
    HtmlPage,
    LocationForm,
    Redirect,
    Refusal,
    Refused,
    Reset,
    Response,
    Sink,
    TooLong,
    Truncated,
    UploadLost,
    WithField,
    WithoutFields,
    WrongBytes,
)
from tests.hostile.fault import Behaviour
from tests.registry.asking import OPERATOR, REPOSITORY, asking, failure, source, target, texts

pytestmark = pytest.mark.anyio

CONTENT = b"0123456789" * 100
BLOB = Descriptor("a/b", Digest.of(CONTENT), len(CONTENT))
UPLOADS = f"/v2/{REPOSITORY}/blobs/uploads/"


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    """Wants to know nobody, and holds one blob."""
    async with HostileRegistry() as running:
        running.store.put_blob(REPOSITORY, CONTENT)
        yield running


@pytest.fixture
async def empty() -> AsyncIterator[HostileRegistry]:
    """Holds nothing yet."""
    async with HostileRegistry() as running:
        yield running


async def test_a_blob_is_read(registry: HostileRegistry) -> None:
    """Whole, by one request."""
    async with asking() as client:
        assert await client.get_blob(source(registry.host), BLOB, 5000) == CONTENT
    assert len(registry.requests) == 1


async def test_a_blob_behind_a_redirect_is_read(registry: HostileRegistry) -> None:
    """As registries with a CDN serve them (row 33)."""
    async with HostileRegistry("127.0.0.2") as cdn:
        cdn.store.put_blob(REPOSITORY, CONTENT)
        registry.inject(Fault("GET", "*", Redirect(cdn.url, signed="sig=1")))
        async with asking() as client:
            assert await client.get_blob(source(registry.host), BLOB, 5000) == CONTENT


async def test_a_signed_link_is_not_told(registry: HostileRegistry) -> None:
    """Not even when what came by it was wrong (rows 27, 33)."""
    async with HostileRegistry("127.0.0.2") as cdn:
        cdn.store.put_blob(REPOSITORY, CONTENT)
        cdn.inject(Fault("GET", "*", WrongBytes()))
        registry.inject(Fault("GET", "*", Redirect(cdn.url, signed="sig=secret")))
        async with asking() as client:
            error = await failure(client.get_blob(source(registry.host), BLOB, 5000))
        assert error.url.startswith(cdn.url)
        assert "secret" not in texts(error)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(WrongBytes(), ErrorKind.BAD_CONTENT, id="flipped, row 27"),
        pytest.param(Refusal(404, "BLOB_UNKNOWN"), ErrorKind.BLOB_MISSING, id="missing, row 15"),
        pytest.param(HtmlPage(404), ErrorKind.BLOB_MISSING, id="missing in HTML, row 14"),
        pytest.param(Truncated(10, declared=False), ErrorKind.TRUNCATED, id="cut, row 23"),
        pytest.param(Gzipped(), ErrorKind.TRUNCATED, id="encoded, row 28"),
    ],
)
@pytest.mark.parametrize("times", [1, 2])
async def test_what_may_be_a_slip_is_asked_for_once_more(
    registry: HostileRegistry, fault: Behaviour, kind: ErrorKind, times: int
) -> None:
    """Twice the same is no slip any more."""
    registry.inject(Fault("GET", "*", fault, times=times))
    async with asking() as client:
        asked = client.get_blob(source(registry.host), BLOB, 5000)
        if times == 1:
            assert await asked == CONTENT
        else:
            assert (await failure(asked)).kind is kind
    assert len(registry.requests) == 2


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(TooLong(), id="a byte too many, row 24"),
        pytest.param(Endless(), id="endless, row 24"),
    ],
)
async def test_a_blob_that_is_too_long_is_not_read(
    registry: HostileRegistry, fault: Behaviour
) -> None:
    """One byte beyond its descriptor's size is the end, and nothing to try again."""
    registry.inject(Fault("GET", "*", fault))
    async with asking() as client:
        error = await failure(client.get_blob(source(registry.host), BLOB, 5000))
    assert error.kind is ErrorKind.BAD_CONTENT
    assert len(registry.requests) == 1


async def test_a_blob_that_is_larger_than_wanted_is_not_read(registry: HostileRegistry) -> None:
    """The caller's limit holds whatever the descriptor says."""
    async with asking() as client:
        error = await failure(client.get_blob(source(registry.host), BLOB, 10))
    assert error.kind is ErrorKind.BAD_CONTENT


@pytest.mark.parametrize("fault", [Reset(100), Truncated(100)], ids=["row 20", "row 22"])
async def test_a_blob_that_broke_off_is_read_again(
    registry: HostileRegistry, fault: Behaviour
) -> None:
    """Small as it is, from its beginning."""
    registry.inject(Fault("GET", "*", fault, times=3))
    async with asking() as client:
        assert await client.get_blob(source(registry.host), BLOB, 5000) == CONTENT


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(None, len(CONTENT), id="as it is"),
        pytest.param(Refusal(404, "BLOB_UNKNOWN"), None, id="missing"),
        pytest.param(WithoutFields("Content-Length"), -1, id="without a length"),
    ],
)
async def test_the_size_of_a_blob_is_told(
    registry: HostileRegistry, fault: Behaviour | None, expected: int | None
) -> None:
    """By one HEAD: its bytes, -1 if the registry does not say, None if it has no such blob."""
    if fault:
        registry.inject(Fault("HEAD", "*", fault))
    async with asking() as client:
        assert await client.head_blob(target(registry.host), BLOB.digest) == expected
    assert len(registry.requests) == 1


async def test_a_blob_that_cannot_be_asked_for_is_no_missing_one(registry: HostileRegistry) -> None:
    """Only a 404 says that it is not there."""
    registry.inject(Fault("HEAD", "*", HtmlPage(403)))
    async with asking() as client:
        error = await failure(client.head_blob(target(registry.host), BLOB.digest))
    assert error.kind is ErrorKind.DENIED


async def test_a_blob_that_is_there_is_not_pushed(registry: HostileRegistry) -> None:
    """One HEAD."""
    async with asking() as client:
        assert await push_blob(client, target(registry.host), CONTENT) == BLOB.digest
    assert [request.method for request in registry.requests] == ["HEAD"]


@pytest.mark.parametrize("form", [form for form in LocationForm if form != LocationForm.ELSEWHERE])
@pytest.mark.parametrize("content", [CONTENT, b""], ids=["some bytes", "none"])
async def test_every_form_of_location_is_understood(
    empty: HostileRegistry, form: LocationForm, content: bytes
) -> None:
    """A path, absolute, relative, with a query that has to come back; on the registry itself
    it is asked with our credentials (row 46)."""
    empty.uploads.location_form = form
    empty.authorization = Basic({OPERATOR.username: OPERATOR.secret})
    async with asking(OPERATOR) as client:
        digest = await push_blob(client, target(empty.host), content)
    assert empty.store.repositories[REPOSITORY].blobs == {str(digest): content}
    assert [request.method for request in empty.requests] == ["HEAD", "HEAD", "POST", "PUT"]
    assert empty.requests[3].parameters["digest"] == str(Digest.of(content))


async def test_an_upload_that_the_registry_places_elsewhere_goes_there(
    empty: HostileRegistry,
) -> None:
    """Another origin takes the bytes, and no credentials (row 46)."""
    async with HostileRegistry("127.0.0.2") as store:
        empty.inject(Fault("POST", "*", _OpenedAt(store)))
        async with asking() as client:
            await push_blob(client, target(empty.host), CONTENT)
        assert store.store.repositories[REPOSITORY].blobs == {str(BLOB.digest): CONTENT}


@pytest.mark.parametrize(
    "location",
    [
        pytest.param("", id="none"),
        pytest.param("http://[::1/x", id="no URL"),
        pytest.param("ftp://127.0.0.1/x", id="another scheme"),
    ],
)
async def test_an_upload_without_a_place_is_an_error(empty: HostileRegistry, location: str) -> None:
    """Nothing is sent anywhere (row 46)."""
    fault = WithField("Location", location) if location else WithoutFields("Location")
    empty.inject(Fault("POST", "*", fault))
    async with asking() as client:
        error = await failure(push_blob(client, target(empty.host), CONTENT))
    assert error.kind is ErrorKind.BAD_CONTENT
    assert "Location" in error.message
    assert empty.asked("PUT") == []


async def test_a_registry_that_knows_the_blob_already_is_done(empty: HostileRegistry) -> None:
    """201 to the POST needs no PUT."""
    empty.inject(Fault("POST", "*", Answer(201)))
    async with asking() as client:
        await push_blob(client, target(empty.host), CONTENT)
    assert empty.asked("PUT") == []


@pytest.mark.parametrize("code", ["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"])
async def test_a_lost_upload_is_begun_anew(empty: HostileRegistry, code: str) -> None:
    """With a session of its own (row 44)."""
    empty.inject(Fault("PUT", "*", Refusal(404, code), times=1))
    async with asking() as client:
        await push_blob(client, target(empty.host), CONTENT)
    assert [request.method for request in empty.requests] == ["HEAD", *["POST", "PUT"] * 2]
    assert len({request.path for request in empty.asked("PUT")}) == 2


async def test_uploads_that_always_get_lost_end(empty: HostileRegistry) -> None:
    """After four sessions, as something that may pass (row 44)."""
    empty.inject(Fault("PUT", "*", UploadLost(empty.uploads)))
    async with asking() as client:
        error = await failure(push_blob(client, target(empty.host), CONTENT))
    assert (error.kind, error.codes) == (ErrorKind.UNAVAILABLE, ("BLOB_UPLOAD_UNKNOWN",))
    assert len(empty.asked("POST")) == 4


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Refused(), id="closed before, row 19"),
        pytest.param(Dropped(), id="closed after, row 54"),
        pytest.param(HtmlPage(502), id="502, row 50"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_push_that_broke_never_sends_twice_into_one_session(
    empty: HostileRegistry, fault: Behaviour, method: str
) -> None:
    """A session may hold a part of the bytes already: each try opens one of its own."""
    empty.inject(Fault(method, f"{UPLOADS}*", fault, times=2))
    async with asking() as client:
        await push_blob(client, target(empty.host), CONTENT)
    puts = [request.path for request in empty.asked("PUT")]
    assert len(puts) == len(set(puts))
    assert empty.store.repositories[REPOSITORY].blobs == {str(BLOB.digest): CONTENT}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "DIGEST_INVALID", ErrorKind.BLOB_REFUSED),
        (403, "DENIED", ErrorKind.DENIED),
        (404, "NAME_UNKNOWN", ErrorKind.NOT_FOUND),
        (507, "UNKNOWN", ErrorKind.TARGET_FULL),
    ],
)
async def test_a_push_that_is_refused_is_told_at_once(
    empty: HostileRegistry, status: int, code: str, kind: ErrorKind
) -> None:
    """One POST (rows 49, 51, 52)."""
    empty.inject(Fault("POST", "*", Refusal(status, code)))
    async with asking() as client:
        error = await failure(push_blob(client, target(empty.host), CONTENT))
    assert error.kind is kind
    assert len(empty.asked("POST")) == 1


async def test_the_state_of_an_upload_is_not_told(empty: HostileRegistry) -> None:
    """It is a token in a URL: no error shows it."""
    empty.uploads.location_form = LocationForm.QUERY
    empty.inject(Fault("PUT", "*", HtmlPage(400)))
    async with asking() as client:
        error = await failure(push_blob(client, target(empty.host), CONTENT))
    assert "state-of" not in texts(error)
    assert "state-of" in empty.asked("PUT")[0].query


async def test_an_upload_to_nowhere_good_is_refused() -> None:
    """A sink that answers 404 is no registry that lost a session."""
    async with HostileRegistry() as registry, Sink() as sink:
        registry.uploads.location_form = LocationForm.ELSEWHERE
        registry.uploads.location_origin = sink.url
        async with asking() as client:
            error = await failure(push_blob(client, target(registry.host), CONTENT))
        assert error.kind is ErrorKind.NOT_FOUND
        assert len(sink.requests) == 1


class _OpenedAt:
    """Opens the session at another registry in place of here."""

    def __init__(self, store: HostileRegistry) -> None:
        self._store = store

    async def __call__(self, exchange: Exchange) -> Response:
        await exchange.connection.read_body(exchange.request)
        self._store.uploads.location_form = LocationForm.ABSOLUTE
        return self._store.uploads.start(exchange.request, REPOSITORY, self._store.url)
