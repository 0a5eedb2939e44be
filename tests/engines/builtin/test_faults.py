"""What goes wrong at the source, row by row of tests/hostile/README.md: right bytes, or a clear
word.

Nothing incomplete is ever a blob, and no upload is left that nobody goes on with. What goes wrong
at the cache is in `test_faults_of_the_cache.py`.
"""

import json
import random
import re
from collections.abc import Callable
from functools import partial

import anyio
import pytest

from image_sync.errors import ErrorKind, Side
from tests.engines.builtin.one_layer import (
    HALF,
    LAYER,
    LAYER_DIGEST,
    LAYER_PATH,
    arrived,
    failure,
    finishing,
    image,
    ranges,
)
from tests.engines.builtin.support import (
    AT_ONCE,
    REPOSITORY,
    STREAMED,
    UPLOADS,
    Place,
    Sending,
    laboratory,
)
from tests.hostile import (
    Answer,
    CdnDenial,
    Composed,
    Endless,
    Fault,
    Gate,
    Gzipped,
    Held,
    HostileRegistry,
    Impatient,
    OnlyRanged,
    RangeIgnored,
    Redirect,
    Refusal,
    Reset,
    ShiftedRange,
    Stalled,
    TooLong,
    TooManyRequests,
    Truncated,
    Unread,
    WrongBytes,
)
from tests.hostile.fault import Behaviour
from tests.hostile.store import OCI_INDEX, OCI_MANIFEST, descriptor, digest_of, document
from tests.registry.asking import HASTY

pytestmark = pytest.mark.anyio

BREAKS: dict[str, Callable[[], Behaviour]] = {
    "20-reset": partial(Reset, HALF),
    "22-short": partial(Truncated, HALF),
    "23-short-without-length": partial(Truncated, HALF, declared=False),
    "25-stall": partial(Stalled, HALF),
}


@pytest.mark.parametrize("name", BREAKS)
async def test_a_download_that_breaks_goes_on_where_it_stopped(name: str, sending: Sending) -> None:
    """With a Range, and inside the same request to the cache, which does not notice."""
    async with laboratory(deadlines=HASTY, sending=sending) as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, BREAKS[name](), times=1))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        first, second = ranges(lab)
        assert first is None
        # A reset takes away what was on its way.
        expected = r"bytes=[1-9]\d*-" if "reset" in name else f"bytes={HALF}-"
        assert re.fullmatch(expected, second or "")
        assert len(lab.cache.asked(sending.method, UPLOADS)) == 2  # config and layer
        assert lab.cache.uploads.sessions == {}


RANGES = {
    "ignored": RangeIgnored(),
    "400": OnlyRanged(Answer(400)),
    "416": OnlyRanged(Refusal(416, "RANGE_INVALID")),
    "shifted": OnlyRanged(ShiftedRange(7)),
}


@pytest.mark.parametrize("behaviour", RANGES.values(), ids=RANGES)
async def test_a_source_without_usable_ranges_sends_all_again(
    behaviour: Behaviour, sending: Sending
) -> None:
    """What is known of it is thrown away, and the upload goes on (fault row 21)."""
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, Truncated(HALF), times=1))
        lab.source.inject(Fault("GET", LAYER_PATH, behaviour))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert len(lab.cache.asked(sending.method, UPLOADS)) == 2


async def test_a_source_that_always_breaks_is_given_up(sending: Sending) -> None:
    """With its own words, on its side, as something that may pass."""
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, Reset(after=0)))
        error = await failure(lab, request)
        assert error.side is Side.SOURCE
        assert error.kind in {ErrorKind.NETWORK, ErrorKind.TRUNCATED}
        assert len(ranges(lab)) == 4


async def test_a_source_that_loses_patience_with_a_slow_cache_is_asked_for_the_rest() -> None:
    """Fault row 26: what is not read from it is read later, and nothing twice."""
    large = bytes(24 * 1024 * 1024)  # more than sockets and window hold
    path = f"/v2/*/blobs/{digest_of(large)}"
    async with laboratory() as lab:
        request = lab.request(lab.source.store.put_image(REPOSITORY, layers=[large]))
        slow, impatient = Unread(), Impatient(0.2)
        lab.cache.inject(Fault("PATCH", UPLOADS, slow, after=1, times=1))
        lab.source.inject(Fault("GET", path, impatient, times=1))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lab.builtin.copy, request, Place())
            await impatient.lost.reached(1)
            slow.gate.open()
        lab.assert_same()
        first, second = (each.headers.get("Range") for each in lab.source.asked("GET", path))
        assert first is None
        assert re.fullmatch(r"bytes=[1-9]\d*-", second or "")
        assert len(lab.cache.asked("PATCH", UPLOADS)) == 2
        assert lab.cache.uploads.sessions == {}


@pytest.mark.parametrize("behaviour", [TooLong(10), Endless()], ids=["longer", "endless"])
async def test_a_body_that_is_too_long_is_refused_at_once(
    behaviour: Behaviour, sending: Sending
) -> None:
    """Fault row 24: it is not asked for again, and the upload is thrown away."""
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, behaviour))
        error = await failure(lab, request)
        assert (error.kind, error.side) == (ErrorKind.BAD_CONTENT, Side.SOURCE)
        assert len(ranges(lab)) == 1
        assert LAYER_DIGEST not in lab.cache.store.repository(REPOSITORY).blobs
        assert lab.cache.uploads.sessions == {}


async def test_wrong_bytes_are_fetched_once_more(sending: Sending) -> None:
    """Fault row 27: the upload that got them is thrown away, unfinished."""
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, WrongBytes(), times=1))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert ranges(lab) == [None, None]
        assert len(finishing(lab)) == 1
        assert len(lab.cache.asked("DELETE", UPLOADS)) == 1


async def test_bytes_that_stay_wrong_are_never_pushed(sending: Sending) -> None:
    """The error names what was wanted; no upload of it is ever finished (fault row 27)."""
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, WrongBytes()))
        error = await failure(lab, request)
        assert (error.kind, error.side) == (ErrorKind.BAD_CONTENT, Side.SOURCE)
        assert LAYER_DIGEST in error.message
        assert ranges(lab) == [None, None]
        assert finishing(lab) == []
        assert LAYER_DIGEST not in lab.cache.store.repository(REPOSITORY).blobs
        assert lab.cache.uploads.sessions == {}


ENCODED = {
    "shorter": (LAYER, ErrorKind.TRUNCATED, 4),
    "longer": (random.Random(1).randbytes(len(LAYER)), ErrorKind.BAD_CONTENT, 1),
}


@pytest.mark.parametrize(("layer", "kind", "tries"), ENCODED.values(), ids=ENCODED)
async def test_what_is_encoded_unasked_is_not_decoded(
    layer: bytes, kind: ErrorKind, tries: int, sending: Sending
) -> None:
    """Fault row 28: it counts as it came, which is what cannot be the blob."""
    async with laboratory(sending=sending) as lab:
        digest = digest_of(layer)
        request = lab.request(lab.source.store.put_image(REPOSITORY, layers=[layer]))
        lab.source.inject(Fault("GET", f"*{digest}", Gzipped()))
        error = await failure(lab, request)
        assert (error.kind, error.side) == (kind, Side.SOURCE)
        assert digest in error.message
        asked = lab.source.asked("GET", f"*{digest}")
        assert len(asked) == tries
        assert {each.headers.get("Accept-Encoding") for each in asked} == {"identity"}
        await lab.builtin.aclose()
        assert digest not in lab.cache.store.repository(REPOSITORY).blobs
        assert lab.cache.uploads.sessions == {}


async def test_a_blob_that_is_missing_once_is_had(sending: Sending) -> None:
    """Fault row 15."""
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, Refusal(404, "BLOB_UNKNOWN"), times=1))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert ranges(lab) == [None, None]


async def test_a_link_that_ran_out_is_renewed_by_the_registry(sending: Sending) -> None:
    """Fault row 6: the rest is asked of the registry, which makes a new link."""
    async with laboratory(sending=sending) as lab, HostileRegistry("127.0.0.1") as cdn:
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


LIMITED = {"streamed": (STREAMED, [HALF], f"bytes={HALF}-"), "at-once": (AT_ONCE, [0], None)}


@pytest.mark.parametrize(("sending", "kept", "resumed"), LIMITED.values(), ids=LIMITED)
async def test_a_source_that_limits_us_is_left_alone(
    sending: Sending, kept: list[int], resumed: str | None
) -> None:
    """The attempt ends at once and says for how long; what came is gone on with afterwards, unless
    the cache was to get it in one request."""
    async with laboratory(sending=sending) as lab:
        request = image(lab)
        lab.source.inject(Fault("GET", LAYER_PATH, Truncated(HALF), times=1))
        limit = lab.source.inject(Fault("GET", LAYER_PATH, TooManyRequests(100), times=1))
        error = await failure(lab, request)
        assert (error.kind, error.side) == (ErrorKind.RATE_LIMITED, Side.SOURCE)
        assert error.retry_after == pytest.approx(100, abs=2)
        assert (len(ranges(lab)), limit.hits) == (2, 1)
        assert arrived(lab) == kept
        await lab.builtin.aclose()
        assert lab.cache.uploads.sessions == {}


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


@pytest.mark.parametrize(("sending", "kept", "resumed"), LIMITED.values(), ids=LIMITED)
async def test_one_broken_blob_does_not_cost_the_others(
    sending: Sending, kept: list[int], resumed: str | None
) -> None:
    """What else was on its way comes to an end in order, and is gone on with where that can be."""
    async with laboratory(sending=sending) as lab:
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
        assert set(kept) <= set(arrived(lab))
        await lab.builtin.copy(lab.request(digest), Place())
        lab.assert_same()
        assert ranges(lab) == [None, resumed]
        assert lab.cache.uploads.sessions == {}
