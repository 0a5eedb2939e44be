"""What goes wrong on the wire, row by row of tests/hostile/README.md: right bytes, or a clear word.

Nothing incomplete is ever a blob, and no upload is left that nobody goes on with.
"""

import json
import re

import anyio
import pytest

from image_sync.engines import CopyRequest
from image_sync.errors import EngineError, ErrorKind, Side
from tests.engines.builtin.support import (
    MANIFESTS,
    REPOSITORY,
    UPLOADS,
    Lab,
    Place,
    laboratory,
)
from tests.hostile import (
    Answer,
    Bearer,
    CdnDenial,
    Composed,
    Dropped,
    Endless,
    Fault,
    Gate,
    Gzipped,
    Held,
    HostileRegistry,
    LargeRefused,
    LocationForm,
    OnlyRanged,
    RangeIgnored,
    Redirect,
    Refusal,
    Reset,
    ShiftedRange,
    Stalled,
    StreamsRefused,
    TokenServer,
    TooLong,
    TooManyRequests,
    Torn,
    Truncated,
    UploadLost,
    WrongBytes,
)
from tests.hostile.fault import Behaviour
from tests.hostile.message import Request
from tests.hostile.store import OCI_INDEX, OCI_MANIFEST, descriptor, digest_of, document
from tests.registry.asking import HASTY

pytestmark = pytest.mark.anyio

LAYER = bytes(range(256)) * 4096  # 1 MiB
LAYER_DIGEST = digest_of(LAYER)
LAYER_PATH = f"/v2/*/blobs/{LAYER_DIGEST}"
HALF = 500_000


def image(lab: Lab) -> CopyRequest:
    return lab.request(lab.source.store.put_image(REPOSITORY, layers=[LAYER]))


async def failure(lab: Lab, request: CopyRequest) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await lab.builtin.copy(request, Place())
    assert caught.value.engine == "builtin"
    assert caught.value.kind is not ErrorKind.INTERNAL
    assert lab.cache.store.repository(REPOSITORY).manifests == {}
    return caught.value


def layer_gets(lab: Lab) -> list[Request]:
    return lab.source.asked("GET", LAYER_PATH)


BREAKS = {
    "20-reset": Reset(after=HALF),
    "22-short": Truncated(HALF),
    "23-short-without-length": Truncated(HALF, declared=False),
    "25-stall": Stalled(after=HALF),
}


@pytest.mark.parametrize("name", BREAKS)
async def test_a_download_that_breaks_goes_on_where_it_stopped(name: str) -> None:
    """With a Range, and inside the same PATCH: the cache does not notice."""
    async with laboratory(deadlines=HASTY) as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, BREAKS[name], times=1))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        first, second = (each.headers.get("Range") or "" for each in layer_gets(lab))
        assert first == ""
        # A reset takes away what was on its way.
        assert re.fullmatch(r"bytes=[1-9]\d*-" if "reset" in name else f"bytes={HALF}-", second)
        assert len(lab.cache.asked("PATCH", UPLOADS)) == 2  # config and layer
        assert lab.cache.uploads.sessions == {}


RANGES = {
    "ignored": RangeIgnored(),
    "400": OnlyRanged(Answer(400)),
    "416": OnlyRanged(Refusal(416, "RANGE_INVALID")),
    "shifted": OnlyRanged(ShiftedRange(7)),
}


@pytest.mark.parametrize("behaviour", RANGES.values(), ids=RANGES)
async def test_a_source_without_usable_ranges_sends_all_again(behaviour: Behaviour) -> None:
    """What is known of it is thrown away, and the upload goes on (fault row 21)."""
    async with laboratory() as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, Truncated(HALF), times=1))
        lab.source.inject(Fault("GET", LAYER_PATH, behaviour))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert len(lab.cache.asked("PATCH", UPLOADS)) == 2


async def test_a_source_that_always_breaks_is_given_up() -> None:
    """With its own words, on its side, as something that may pass."""
    async with laboratory() as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, Reset(after=0)))
        error = await failure(lab, request)
        assert error.side is Side.SOURCE
        assert error.kind in {ErrorKind.NETWORK, ErrorKind.TRUNCATED}
        assert len(layer_gets(lab)) == 4


@pytest.mark.parametrize("behaviour", [TooLong(10), Endless()], ids=["longer", "endless"])
async def test_a_body_that_is_too_long_is_refused_at_once(behaviour: Behaviour) -> None:
    """Fault row 24: it is not asked for again, and the upload is thrown away."""
    async with laboratory() as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, behaviour))
        error = await failure(lab, request)
        assert (error.kind, error.side) == (ErrorKind.BAD_CONTENT, Side.SOURCE)
        assert len(layer_gets(lab)) == 1
        assert LAYER_DIGEST not in lab.cache.store.repository(REPOSITORY).blobs
        assert lab.cache.uploads.sessions == {}


async def test_wrong_bytes_are_fetched_once_more() -> None:
    """Fault row 27: the upload that got them is thrown away, unfinished."""
    async with laboratory() as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, WrongBytes(), times=1))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert len(lab.cache.asked("DELETE", UPLOADS)) == 1


@pytest.mark.parametrize("behaviour", [WrongBytes(), Gzipped()], ids=["27-wrong", "28-gzip"])
async def test_bytes_that_stay_wrong_are_never_pushed(behaviour: Behaviour) -> None:
    """The error names what was wanted; no upload of it is ever finished."""
    async with laboratory() as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, behaviour))
        error = await failure(lab, request)
        assert error.side is Side.SOURCE
        assert error.kind in {ErrorKind.BAD_CONTENT, ErrorKind.TRUNCATED}
        assert LAYER_DIGEST in error.message
        await lab.builtin.aclose()
        assert LAYER_DIGEST not in lab.cache.store.repository(REPOSITORY).blobs
        assert lab.cache.asked("PUT", UPLOADS, query=f"*{LAYER_DIGEST.partition(':')[2]}*") == []
        assert lab.cache.uploads.sessions == {}


async def test_a_blob_that_is_missing_once_is_had() -> None:
    """Fault row 15."""
    async with laboratory() as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, Refusal(404, "BLOB_UNKNOWN"), times=1))
        await lab.builtin.copy(request, Place())
        lab.assert_same()


async def test_a_link_that_ran_out_is_renewed_by_the_registry() -> None:
    """Fault row 6: the rest is asked of the registry, which makes a new link."""
    async with laboratory() as lab, HostileRegistry("127.0.0.1") as cdn:
        request = image(lab)
        cdn.store.repositories[REPOSITORY] = lab.source.store.repositories[REPOSITORY]
        lab.source.inject(Fault("GET", LAYER_PATH, Redirect(cdn.url)))
        cdn.inject(Fault("GET", LAYER_PATH, Truncated(HALF), times=1))
        cdn.inject(Fault("GET", LAYER_PATH, CdnDenial(), times=1))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert [each.headers.get("Range") for each in cdn.asked("GET", LAYER_PATH)] == [
            None,
            f"bytes={HALF}-",
            f"bytes={HALF}-",
        ]


async def test_a_cache_that_breaks_says_how_far_it_got() -> None:
    """The upload goes on from there, with the rest of the blob (fault row 45)."""
    async with laboratory() as lab:
        request = image(lab)
        torn = Torn(lab.cache.uploads, HALF)
        lab.cache.inject(Fault("PATCH", UPLOADS, torn, times=1))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert lab.cache.uploads.sessions == {}


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_an_upload_that_the_cache_lost_is_begun_anew(method: str) -> None:
    """Fault row 44: this blob only, and its source is asked again."""
    async with laboratory() as lab:
        request = image(lab)
        lost = UploadLost(lab.cache.uploads)
        lab.cache.inject(Fault(method, UPLOADS, lost, times=1))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert len(lab.source.asked("GET", MANIFESTS)) == 1


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
async def test_an_answer_of_the_cache_that_is_lost_is_no_harm(method: str) -> None:
    """Fault rows 19, 54: what happened is found out."""
    async with laboratory() as lab:
        request = image(lab)
        lab.cache.inject(Fault(method, "*", Dropped(), times=1))
        await lab.builtin.copy(request, Place())
        lab.assert_same()


REFUSALS = {
    "1-push": ("POST", UPLOADS, Refusal(401, "UNAUTHORIZED"), ErrorKind.UNAUTHORIZED),
    "49-full": (
        "PATCH",
        UPLOADS,
        Refusal(500, "UNKNOWN", "no space left on device"),
        ErrorKind.TARGET_FULL,
    ),
    "51-read-only": ("POST", UPLOADS, Refusal(405, "UNSUPPORTED"), ErrorKind.DENIED),
    "51-denied": ("POST", UPLOADS, Refusal(403, "DENIED"), ErrorKind.DENIED),
    "52-type": (
        "PUT",
        MANIFESTS,
        Refusal(415, "MANIFEST_INVALID", "vnd.docker not allowed"),
        ErrorKind.REFUSED_BY_TARGET,
    ),
}


@pytest.mark.parametrize(
    ("method", "path", "refusal", "kind"), REFUSALS.values(), ids=list(REFUSALS)
)
async def test_what_the_cache_refuses_is_told_in_its_words(
    method: str, path: str, refusal: Refusal, kind: ErrorKind
) -> None:
    """On the side of the target, with code and URL, and nothing is repeated."""
    async with laboratory() as lab:
        request = image(lab)
        lab.cache.inject(Fault(method, path, refusal))
        error = await failure(lab, request)
        assert (error.kind, error.side) == (kind, Side.TARGET)
        assert f"{method} {lab.cache.url}" in error.message
        assert not error.message.startswith("target")
        if kind is ErrorKind.REFUSED_BY_TARGET:
            assert "docker2s2" in error.hint


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
        if content == "right":
            await lab.builtin.copy(request, Place())
            lab.assert_same()
        else:
            lab.source.inject(Fault("GET", LAYER_PATH, WrongBytes()))
            error = await failure(lab, request)
            assert error.kind is ErrorKind.BAD_CONTENT
            assert LAYER_DIGEST not in lab.cache.store.repository(REPOSITORY).blobs
        assert lab.cache.uploads.sessions == {}


@pytest.mark.parametrize("form", list(LocationForm)[:-1])
async def test_an_upload_is_found_wherever_it_is_said_to_be(form: LocationForm) -> None:
    """Fault row 46."""
    async with laboratory() as lab:
        request = image(lab)
        lab.cache.uploads.location_form = form
        await lab.builtin.copy(request, Place())
        lab.assert_same()


async def test_a_token_that_runs_out_in_the_middle_is_renewed() -> None:
    """Fault row 2: nothing that is there already is moved again."""
    async with laboratory() as lab, TokenServer("127.0.0.2") as tokens:
        request = image(lab)
        lab.cache.authorization = Bearer(tokens)
        tokens.uses_per_token = 6
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert len(tokens.requests) >= 2
        assert lab.cache.uploads.sessions == {}


async def test_a_source_that_limits_us_is_left_alone() -> None:
    """The attempt ends at once and says for how long; what came is gone on with afterwards."""
    async with laboratory() as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, Truncated(HALF), times=1))
        lab.source.inject(Fault("GET", LAYER_PATH, TooManyRequests(100), times=1))
        error = await failure(lab, request)
        assert (error.kind, error.side) == (ErrorKind.RATE_LIMITED, Side.SOURCE)
        assert error.retry_after == pytest.approx(100, abs=2)
        assert len(layer_gets(lab)) == 2
        assert [len(each.received) for each in lab.cache.uploads.sessions.values()] == [HALF]
        await lab.builtin.aclose()
        assert lab.cache.uploads.sessions == {}


async def test_a_blob_that_vanished_is_brought_again() -> None:
    """Fault row 53: what was seen in the repository is forgotten, and asked for again, once."""
    async with laboratory() as lab:
        request = image(lab)
        await lab.builtin.copy(request, Place())
        held = lab.cache.store.repositories[REPOSITORY]
        held.manifests.clear()
        del held.blobs[LAYER_DIGEST]
        lab.cache.requests.clear()
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert len(lab.cache.asked("PUT", MANIFESTS)) == 2


async def test_a_blob_that_only_seems_to_be_there_is_pushed_again() -> None:
    """Fault row 53: a manifest was refused for it, so what HEAD says is not believed."""
    async with laboratory() as lab:
        request = image(lab)
        lab.cache.inject(Fault("HEAD", LAYER_PATH, Answer(200, LAYER)))
        await lab.builtin.copy(request, Place())
        lab.assert_same()


async def test_a_cache_that_never_finds_its_blobs_is_given_up() -> None:
    """Asked and pushed once more, and no more than that."""
    async with laboratory() as lab:
        request = image(lab)
        refusal = Refusal(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown")
        lab.cache.inject(Fault("PUT", MANIFESTS, refusal))
        error = await failure(lab, request)
        assert (error.kind, error.side) == (ErrorKind.BLOB_MISSING, Side.TARGET)
        assert len(lab.cache.asked("PUT", MANIFESTS)) == 2
        assert len(layer_gets(lab)) == 2


async def test_a_blob_of_two_sizes_is_refused() -> None:
    """Whichever one were right, some puller would refuse the image."""
    async with laboratory() as lab:
        store = lab.source.store
        digest = store.put_image(REPOSITORY, layers=[LAYER])
        parsed = json.loads(store.content(REPOSITORY, digest))
        parsed["layers"].append({**parsed["layers"][0], "size": 3})
        digest = store.put_manifest(REPOSITORY, None, document(parsed), OCI_MANIFEST)
        error = await failure(lab, lab.request(digest))
        assert (error.kind, error.side) == (ErrorKind.BAD_CONTENT, Side.SOURCE)
        assert lab.cache.requests == []


async def test_what_is_of_no_known_type_is_hashed_all_the_same() -> None:
    """Fault rows 27, 42: other bytes never reach the cache."""
    async with laboratory() as lab:
        stranger, media_type = b'{"strange": true}', "application/vnd.example.thing.v1+json"
        store = lab.source.store
        entry = descriptor(media_type, stranger)
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
        digest = store.put_manifest(REPOSITORY, None, document(index), OCI_INDEX)
        store.put_manifest(REPOSITORY, None, stranger, media_type)
        lab.source.inject(Fault("GET", f"/v2/*/manifests/{digest_of(stranger)}", WrongBytes()))
        error = await failure(lab, lab.request(digest))
        assert (error.kind, error.side) == (ErrorKind.BAD_CONTENT, Side.SOURCE)
        assert lab.cache.requests == []


async def test_a_missing_top_is_told_as_such() -> None:
    """Not as a part of an image (fault row 12)."""
    async with laboratory() as lab:
        missing = lab.request(digest_of(b"nothing"))
        lab.source.store.repository(REPOSITORY)
        error = await failure(lab, missing)
        assert (error.kind, error.side) == (ErrorKind.NOT_FOUND, Side.SOURCE)


async def test_one_broken_blob_does_not_cost_the_others() -> None:
    """What else was on its way comes to an end in order, and is gone on with."""
    async with laboratory() as lab:
        small = b"small"
        digest = lab.source.store.put_image(REPOSITORY, layers=[LAYER, small])
        stalled, gone = Stalled(after=HALF), Gate()
        missing = Composed(Held(gone), Refusal(404, "BLOB_UNKNOWN"))
        lab.source.inject(Fault("GET", f"*{digest_of(small)}", missing, times=2))
        lab.source.inject(Fault("GET", LAYER_PATH, stalled, times=1))
        async with anyio.create_task_group() as tasks:

            async def let_go() -> None:
                await stalled.gate.reached(1)
                gone.open()

            tasks.start_soon(let_go)
            error = await failure(lab, lab.request(digest))
        assert error.kind is ErrorKind.BLOB_MISSING
        assert HALF in [len(each.received) for each in lab.cache.uploads.sessions.values()]
        await lab.builtin.copy(lab.request(digest), Place())
        lab.assert_same()
        assert layer_gets(lab)[-1].headers.get("Range") == f"bytes={HALF}-"
