"""A blob that takes longer than one attempt: what was reached is kept, and gone on with."""

import anyio
import pytest

from image_sync.engines import CopyRequest, Engine, leads_on
from image_sync.errors import EngineError, ErrorKind
from tests.engines.builtin.one_layer import HALF, LAYER, LAYER_PATH, arrived, ranges
from tests.engines.builtin.support import (
    AT_ONCE,
    REPOSITORY,
    UPLOADS,
    Lab,
    Place,
    Sending,
    laboratory,
)
from tests.hostile import Fault, Gate, Refusal, Stalled

pytestmark = pytest.mark.anyio

REST = f"bytes={HALF}-"


async def cut_off(lab: Lab, times: int = 1) -> CopyRequest:
    """The request for an image whose layer did not come in time, in so many attempts."""
    digest = lab.source.store.put_image(REPOSITORY, layers=[LAYER])
    request = lab.request(digest, deadline=0.5)
    for _ in range(times):
        stall = lab.source.inject(Fault("GET", LAYER_PATH, Stalled(after=HALF), times=1))
        with pytest.raises(EngineError) as caught:
            await lab.builtin.copy(request, Place())
        assert caught.value.kind is ErrorKind.TIMEOUT
        assert caught.value.progressed
        engine: Engine = lab.builtin
        assert leads_on(caught.value, engine)
        assert stall.hits == 1
    return lab.request(digest)


async def test_the_next_attempt_goes_on_where_the_deadline_struck() -> None:
    """In the same upload, with a Range: no byte comes twice."""
    async with laboratory() as lab:
        request = await cut_off(lab)
        assert arrived(lab) == [HALF]
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert ranges(lab) == [None, REST]
        assert len(lab.cache.asked("POST", UPLOADS)) == 2
        assert lab.cache.uploads.sessions == {}


async def test_a_blob_that_did_not_get_there_in_one_request_goes_on_from_then_on() -> None:
    """Its second attempt begins anew, and its third does not."""
    async with laboratory(sending=AT_ONCE) as lab:
        request = await cut_off(lab, times=2)
        assert arrived(lab) == [HALF]
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert ranges(lab) == [None, None, REST]
        assert lab.cache.uploads.sessions == {}


async def test_a_deadline_without_a_byte_is_no_progress(sending: Sending) -> None:
    """Another engine would get no further."""
    async with laboratory(sending=sending) as lab:
        request = lab.request(lab.source.store.put_image(REPOSITORY), deadline=0.2)
        lab.source.inject(Fault("GET", "*", Stalled()))
        with pytest.raises(EngineError) as caught:
            await lab.builtin.copy(request, Place())
        assert (caught.value.kind, caught.value.progressed) == (ErrorKind.TIMEOUT, False)


async def test_what_a_cancelled_copy_reached_is_gone_on_with(sending: Sending) -> None:
    """Cancellation passes through, and the upload stays until the engine is closed."""
    async with laboratory(sending=sending) as lab:
        request = lab.request(lab.source.store.put_image(REPOSITORY, layers=[LAYER]))
        gate = Gate()
        lab.source.inject(Fault("GET", LAYER_PATH, Stalled(after=HALF, gate=gate), times=1))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lab.builtin.copy, request, Place())
            await gate.reached(1)
            tasks.cancel_scope.cancel()
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert lab.cache.uploads.sessions == {}


async def test_what_nobody_goes_on_with_is_deleted_at_the_end(sending: Sending) -> None:
    """No upload of ours is left at the cache."""
    async with laboratory(sending=sending) as lab:
        await cut_off(lab)
        assert lab.cache.uploads.sessions
        await lab.builtin.aclose()
        assert lab.cache.uploads.sessions == {}
        assert lab.cache.asked("DELETE", UPLOADS)


async def test_an_upload_that_the_cache_forgot_between_attempts_is_begun_anew(
    sending: Sending,
) -> None:
    """As after a restart of the cache without a shared secret (fault row 50)."""
    async with laboratory(sending=sending) as lab:
        request = await cut_off(lab)
        async with lab.cache.down():
            lab.cache.uploads.forget()
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert ranges(lab) == [None, None]
        assert lab.cache.uploads.sessions == {}


async def test_an_upload_that_outlived_a_restart_between_attempts_goes_on() -> None:
    """Fault row 50: over connections that are new."""
    async with laboratory() as lab:
        request = await cut_off(lab)
        async with lab.cache.down():
            pass
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert ranges(lab) == [None, REST]
        assert lab.cache.uploads.sessions == {}


async def test_an_upload_that_cannot_be_asked_about_is_begun_anew() -> None:
    """Within the same attempt: a session that only fails does not spoil its blob for ever."""
    async with laboratory() as lab:
        request = await cut_off(lab)
        lab.cache.inject(Fault("GET", UPLOADS, Refusal(500, "UNKNOWN")))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert lab.cache.uploads.sessions == {}


async def test_a_blob_that_cannot_be_asked_for_after_its_one_request_is_begun_anew() -> None:
    """As an upload: what broke off says nothing about the blob any more."""
    async with laboratory(sending=AT_ONCE) as lab:
        request = await cut_off(lab)
        failing = Fault("HEAD", LAYER_PATH, Refusal(500, "UNKNOWN"), after=1)
        asked = lab.cache.inject(failing)
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert asked.hits
        assert lab.cache.uploads.sessions == {}
