"""What goes wrong at the cache, row by row of tests/hostile/README.md: right bytes, or a clear
word.

Nothing incomplete is ever a blob, and no upload is left that nobody goes on with. What goes wrong
at the source is in `test_faults.py`.
"""

import anyio
import pytest

from image_sync.engines import CopyRequest
from image_sync.errors import ErrorKind, Side
from tests.engines.builtin.one_layer import (
    HALF,
    LAYER,
    LAYER_DIGEST,
    LAYER_PATH,
    LAYER_QUERY,
    failure,
    finishing,
    image,
    ranges,
)
from tests.engines.builtin.support import (
    AT_ONCE,
    MANIFESTS,
    REPOSITORY,
    UPLOADS,
    Lab,
    Place,
    Sending,
    laboratory,
)
from tests.hostile import (
    Answer,
    Bearer,
    Dropped,
    Exchange,
    Fault,
    Gate,
    LargeRefused,
    LocationForm,
    Refusal,
    Response,
    Stalled,
    StreamsRefused,
    TokenServer,
    Torn,
    Unauthorized,
    UploadLost,
    WrongBytes,
)
from tests.hostile.fault import Behaviour
from tests.hostile.store import digest_of

pytestmark = pytest.mark.anyio

PUSH = frozenset({(REPOSITORY, "pull"), (REPOSITORY, "push")})


async def test_a_cache_that_breaks_says_how_far_it_got() -> None:
    """The upload goes on from there, with the rest of the blob (fault row 45)."""
    async with laboratory() as lab:
        request = image(lab)
        torn = Torn(lab.cache.uploads, HALF)
        lab.cache.inject(Fault("PATCH", UPLOADS, torn, times=2))  # the config, and the layer
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert ranges(lab) == [None, None]
        sent = [len(each.body) for each in lab.cache.asked("PATCH", UPLOADS)]
        assert sorted(sent)[1:] == [HALF, len(LAYER) - HALF]
        assert lab.cache.uploads.sessions == {}


async def test_an_upload_that_broke_with_wrong_bytes_is_never_to_become_a_blob() -> None:
    """Although the source sends the right ones when they are read again for the hash (row 27)."""
    async with laboratory() as lab:
        layer = bytes(12 * 1024 * 1024)  # more than the connection takes before it breaks
        request = lab.request(lab.source.store.put_image(REPOSITORY, layers=[layer]))
        path = f"/v2/*/blobs/{digest_of(layer)}"
        lab.source.inject(Fault("GET", path, WrongBytes(first=True), times=1))
        torn = Torn(lab.cache.uploads, HALF)
        lab.cache.inject(Fault("PATCH", UPLOADS, torn, times=2))  # the config, and the layer
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        named = f"*digest=*{digest_of(layer).partition(':')[2]}*"
        assert len(lab.cache.asked("PUT", UPLOADS, query=named)) == 1
        assert lab.cache.uploads.sessions == {}


async def test_a_blob_that_breaks_in_its_one_request_is_streamed_then() -> None:
    """In a session that can go on; what the broken one holds is deleted (fault row 45)."""
    async with laboratory(sending=AT_ONCE) as lab:
        request = image(lab)
        torn = Torn(lab.cache.uploads, HALF)
        lab.cache.inject(Fault("PUT", UPLOADS, torn, times=1, query=LAYER_QUERY))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert ranges(lab) == [None, None]
        assert [len(each.body) for each in lab.cache.asked("PATCH", UPLOADS)] == [len(LAYER)]
        assert len(lab.cache.asked("DELETE", UPLOADS)) == 1
        assert lab.cache.uploads.sessions == {}


async def test_an_upload_that_the_cache_lost_is_begun_anew(sending: Sending) -> None:
    """Fault row 44: this blob only, and its source is asked again."""
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        lost = UploadLost(lab.cache.uploads)
        lab.cache.inject(Fault(sending.method, UPLOADS, lost, times=1))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert len(lab.source.asked("GET", MANIFESTS)) == 1
        assert lab.cache.uploads.sessions == {}


async def test_an_upload_that_the_cache_lost_at_its_end_is_begun_anew() -> None:
    """Fault row 44: all of it was sent already, and is sent again."""
    async with laboratory() as lab:
        request = image(lab)
        lab.cache.inject(Fault("PUT", UPLOADS, UploadLost(lab.cache.uploads), times=1))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert lab.cache.uploads.sessions == {}


@pytest.mark.parametrize("which", ["opening", "bytes", "end"])
async def test_an_answer_of_the_cache_that_is_lost_is_no_harm(which: str, sending: Sending) -> None:
    """Fault rows 19, 54: what happened is found out."""
    method = {"opening": "POST", "bytes": sending.method, "end": "PUT"}[which]
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        lost = lab.cache.inject(Fault(method, "*", Dropped(), times=1))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert lost.hits == 1


async def test_a_blob_that_arrived_before_the_answer_was_lost_is_not_moved_again(
    sending: Sending,
) -> None:
    """The cache is asked for it (fault row 54)."""
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        lost = lab.cache.inject(Fault("PUT", UPLOADS, Dropped(), times=1, query=LAYER_QUERY))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert lost.hits == 1
        assert ranges(lab) == [None]
        assert len(lab.cache.asked("POST", UPLOADS)) == 2


REFUSALS = {
    "1-push": ("POST", Refusal(401, "UNAUTHORIZED"), ErrorKind.UNAUTHORIZED),
    "49-full": ("POST", Refusal(500, "UNKNOWN", "no space left on device"), ErrorKind.TARGET_FULL),
    "51-read-only": ("POST", Refusal(405, "UNSUPPORTED"), ErrorKind.DENIED),
    "51-denied": ("POST", Refusal(403, "DENIED"), ErrorKind.DENIED),
}


@pytest.mark.parametrize(("method", "refusal", "kind"), REFUSALS.values(), ids=REFUSALS)
async def test_what_the_cache_refuses_is_told_in_its_words(
    method: str, refusal: Refusal, kind: ErrorKind, sending: Sending
) -> None:
    """On the side of the target, with code and URL, and nothing is repeated."""
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        lab.cache.inject(Fault(method, UPLOADS, refusal))
        error = await failure(lab, request)
        assert (error.kind, error.side) == (kind, Side.TARGET)
        assert f"{method} {lab.cache.url}" in error.message
        assert not error.message.startswith("target")


async def test_a_cache_that_is_full_in_the_middle_gets_no_more(sending: Sending) -> None:
    """Fault row 49: the upload is deleted, and none is begun for that blob."""
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        refusal = Refusal(500, "UNKNOWN", "no space left on device")
        lab.cache.inject(Fault(sending.method, UPLOADS, refusal))
        error = await failure(lab, request)
        assert (error.kind, error.side) == (ErrorKind.TARGET_FULL, Side.TARGET)
        assert f"{sending.method} {lab.cache.url}" in error.message
        assert len(ranges(lab)) <= 1
        await lab.builtin.aclose()
        assert lab.cache.uploads.sessions == {}


async def test_a_type_that_the_cache_does_not_take_is_told_with_advice() -> None:
    """Fault row 52: once, in its words."""
    async with laboratory() as lab:
        request = image(lab)
        refusal = Refusal(415, "MANIFEST_INVALID", "vnd.docker not allowed")
        refused = lab.cache.inject(Fault("PUT", MANIFESTS, refusal))
        error = await failure(lab, request)
        assert (error.kind, error.side) == (ErrorKind.REFUSED_BY_TARGET, Side.TARGET)
        assert "docker2s2" in error.hint
        assert refused.hits == 1


async def comes_to(lab: Lab, request: CopyRequest, content: str) -> None:
    """The image is there if the source sends right bytes, and its copy fails if it does not."""
    if content == "right":
        await lab.builtin.copy(request, Place())
        lab.assert_same()
    else:
        lab.source.inject(Fault("GET", LAYER_PATH, WrongBytes()))
        error = await failure(lab, request)
        assert error.kind is ErrorKind.BAD_CONTENT


WAYS = {
    "47-least-chunk": (None, 300_000),
    "411-no-streams": (StreamsRefused(), 0),
    "413-small-ones": (LargeRefused(200_000), 0),
    "405-no-patch": (Refusal(405, "UNSUPPORTED"), 0),
}


@pytest.mark.parametrize("content", ["right", "wrong"])
@pytest.mark.parametrize(("behaviour", "least"), WAYS.values(), ids=list(WAYS))
async def test_a_cache_is_sent_to_in_the_way_it_wants(
    behaviour: Behaviour | None, least: int, content: str
) -> None:
    """Whatever it takes to find out; and in no way are wrong bytes ever made a blob."""
    async with laboratory() as lab:
        request = image(lab)
        lab.cache.uploads.least_chunk = least
        if behaviour:
            lab.cache.inject(Fault("PATCH", UPLOADS, behaviour))
        await comes_to(lab, request, content)
        if content == "wrong":
            assert LAYER_DIGEST not in lab.cache.store.repository(REPOSITORY).blobs
        assert lab.cache.uploads.sessions == {}


@pytest.mark.parametrize("content", ["right", "wrong"])
async def test_a_cache_that_takes_no_blob_in_one_request_gets_it_in_several(content: str) -> None:
    """Fault row 47: 413 to the whole of it; and wrong bytes are no blob in pieces either."""
    async with laboratory(sending=AT_ONCE) as lab:
        request = image(lab)
        refused = lab.cache.inject(Fault("PUT|PATCH", UPLOADS, LargeRefused(200_000)))
        await comes_to(lab, request, content)
        if content == "wrong":
            assert finishing(lab) == []
        assert refused.hits > 2
        assert lab.cache.uploads.sessions == {}


@pytest.mark.parametrize("form", list(LocationForm)[:-1])
async def test_an_upload_is_found_wherever_it_is_said_to_be(
    form: LocationForm, sending: Sending
) -> None:
    """Fault row 46."""
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        lab.cache.uploads.location_form = form
        await lab.builtin.copy(request, Place())
        lab.assert_same()


async def test_a_token_that_runs_out_while_a_blob_is_sent_is_renewed(sending: Sending) -> None:
    """Fault row 2: the request with its bytes meets the 401, and only that blob is sent again."""
    async with laboratory(sending=sending) as lab, TokenServer("127.0.0.2") as tokens:
        request, gate = image(lab), Gate()
        lab.cache.authorization = bearer = Bearer(tokens)
        lab.source.inject(Fault("GET", LAYER_PATH, Stalled(HALF, gate=gate), times=1))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lab.builtin.copy, request, Place())
            await gate.reached(1)
            bearer.refused.clear()
            tokens.revoke()
            gate.open()
        lab.assert_same()
        assert sending.method in {each.method for each in bearer.refused}
        assert ranges(lab) == [None, None]
        assert len(lab.cache.asked("PUT", MANIFESTS)) == 1
        assert lab.cache.uploads.sessions == {}


async def test_a_token_that_is_refused_before_the_bytes_came_is_renewed(sending: Sending) -> None:
    """Fault row 2: as registries do that look at the head alone, in the middle of the body."""
    async with laboratory(sending=sending) as lab, TokenServer("127.0.0.2") as tokens:
        request = image(lab)
        lab.cache.authorization = bearer = Bearer(tokens)
        refusal = Unauthorized(bearer.challenge(PUSH, "invalid_token"), early=True)

        async def revoked(exchange: Exchange) -> Response:
            tokens.revoke()
            return await refusal(exchange)

        lab.cache.inject(Fault(sending.method, UPLOADS, revoked, times=1))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert len(tokens.requests) >= 2
        assert lab.cache.uploads.sessions == {}


async def test_a_token_that_runs_out_before_the_end_costs_no_bytes() -> None:
    """Fault row 2: all of them are there, and the end is asked for again."""
    async with laboratory() as lab, TokenServer("127.0.0.2") as tokens:
        request = image(lab)
        lab.cache.authorization = bearer = Bearer(tokens)
        refusal = Unauthorized(bearer.challenge(PUSH, "invalid_token"))
        lab.cache.inject(Fault("PUT", UPLOADS, refusal, times=1))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert ranges(lab) == [None]
        assert len(lab.cache.asked("PATCH", UPLOADS)) == 2


@pytest.mark.parametrize("remembers", [True, False], ids=["remembers-uploads", "forgets-uploads"])
async def test_a_cache_that_restarts_in_the_middle_gets_the_blob(
    sending: Sending, *, remembers: bool
) -> None:
    """Fault row 50: in the same attempt, if it is back when it is asked."""
    async with laboratory(sending=sending) as lab:
        request, gate = image(lab), Gate()
        lab.source.inject(Fault("GET", LAYER_PATH, Stalled(HALF, gate=gate), times=1))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lab.builtin.copy, request, Place())
            await gate.reached(1)
            async with lab.cache.down():
                if not remembers:
                    lab.cache.uploads.forget()
            gate.open()
        lab.assert_same()
        assert lab.cache.uploads.sessions == {}


async def test_a_cache_that_stays_away_is_told_as_such(sending: Sending) -> None:
    """Fault row 50: on its side, as something that may pass; once it is back, nothing is left."""
    async with laboratory(sending=sending) as lab:
        request, gate, failed = image(lab), Gate(), anyio.Event()
        lab.source.inject(Fault("GET", LAYER_PATH, Stalled(HALF, gate=gate), times=1))
        async with anyio.create_task_group() as tasks:

            async def fail() -> None:
                error = await failure(lab, request)
                assert (error.kind, error.side) == (ErrorKind.NETWORK, Side.TARGET)
                failed.set()

            tasks.start_soon(fail)
            await gate.reached(1)
            async with lab.cache.down():
                gate.open()
                await failed.wait()
        await lab.builtin.aclose()
        assert lab.cache.uploads.sessions == {}


async def test_a_blob_that_vanished_is_brought_again(sending: Sending) -> None:
    """Fault row 53: what was seen in the repository is forgotten, and asked for again, once."""
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        await lab.builtin.copy(request, Place())
        held = lab.cache.store.repositories[REPOSITORY]
        held.manifests.clear()
        del held.blobs[LAYER_DIGEST]
        lab.cache.requests.clear()
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert len(lab.cache.asked("PUT", MANIFESTS)) == 2


async def test_a_blob_that_only_seems_to_be_there_is_pushed_again(sending: Sending) -> None:
    """Fault row 53: a manifest was refused for it, so what HEAD says is not believed."""
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        lab.cache.inject(Fault("HEAD", LAYER_PATH, Answer(200, LAYER)))
        await lab.builtin.copy(request, Place())
        lab.assert_same()


async def test_a_cache_that_never_finds_its_blobs_is_given_up(sending: Sending) -> None:
    """Asked and pushed once more, and no more than that."""
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        refusal = Refusal(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown")
        lab.cache.inject(Fault("PUT", MANIFESTS, refusal))
        error = await failure(lab, request)
        assert (error.kind, error.side) == (ErrorKind.BLOB_MISSING, Side.TARGET)
        assert len(lab.cache.asked("PUT", MANIFESTS)) == 2
        assert len(ranges(lab)) == 2
