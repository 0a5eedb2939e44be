"""A blob that takes longer than one attempt: what was reached is kept, and gone on with."""

import anyio
import pytest

from image_sync.engines import Engine, leads_on
from image_sync.errors import EngineError, ErrorKind
from tests.engines.builtin.support import REPOSITORY, UPLOADS, Place, laboratory
from tests.hostile import Fault, Gate, Refusal, Stalled
from tests.hostile.store import digest_of

pytestmark = pytest.mark.anyio

LAYER = bytes(range(256)) * 8192  # 2 MiB
LAYER_PATH = f"/v2/*/blobs/{digest_of(LAYER)}"
HALF = len(LAYER) // 2


async def test_the_next_attempt_goes_on_where_the_deadline_struck() -> None:
    """In the same upload, with a Range: no byte comes twice."""
    async with laboratory() as lab:
        request = lab.request(lab.source.store.put_image(REPOSITORY, layers=[LAYER]), deadline=0.5)
        lab.source.inject(Fault("GET", LAYER_PATH, Stalled(after=HALF), times=1))
        with pytest.raises(EngineError) as caught:
            await lab.builtin.copy(request, Place())
        assert caught.value.kind is ErrorKind.TIMEOUT
        assert caught.value.progressed
        engine: Engine = lab.builtin
        assert leads_on(caught.value, engine)
        assert [len(each.received) for each in lab.cache.uploads.sessions.values()] == [HALF]
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        ranges = [each.headers.get("Range") for each in lab.source.asked("GET", LAYER_PATH)]
        assert ranges == [None, f"bytes={HALF}-"]
        assert len(lab.cache.asked("POST", UPLOADS)) == 2


async def test_a_deadline_without_a_byte_is_no_progress() -> None:
    """Another engine would get no further."""
    async with laboratory() as lab:
        request = lab.request(lab.source.store.put_image(REPOSITORY), deadline=0.2)
        lab.source.inject(Fault("GET", "*", Stalled()))
        with pytest.raises(EngineError) as caught:
            await lab.builtin.copy(request, Place())
        assert (caught.value.kind, caught.value.progressed) == (ErrorKind.TIMEOUT, False)


async def test_what_a_cancelled_copy_reached_is_gone_on_with() -> None:
    """Cancellation passes through, and the upload stays until the engine is closed."""
    async with laboratory() as lab:
        request = lab.request(lab.source.store.put_image(REPOSITORY, layers=[LAYER]))
        gate = Gate()
        lab.source.inject(Fault("GET", LAYER_PATH, Stalled(after=HALF, gate=gate), times=1))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lab.builtin.copy, request, Place())
            await gate.reached(1)
            tasks.cancel_scope.cancel()
        await lab.builtin.copy(request, Place())
        lab.assert_same()


async def test_what_nobody_goes_on_with_is_deleted_at_the_end() -> None:
    """No upload of ours is left at the cache."""
    async with laboratory() as lab:
        request = lab.request(lab.source.store.put_image(REPOSITORY, layers=[LAYER]), deadline=0.5)
        lab.source.inject(Fault("GET", LAYER_PATH, Stalled(after=HALF)))
        with pytest.raises(EngineError):
            await lab.builtin.copy(request, Place())
        assert lab.cache.uploads.sessions
        await lab.builtin.aclose()
        assert lab.cache.uploads.sessions == {}
        assert lab.cache.asked("DELETE", UPLOADS)


async def test_an_upload_that_the_cache_forgot_between_attempts_is_begun_anew() -> None:
    """As after a restart of the cache (fault row 50)."""
    async with laboratory() as lab:
        request = lab.request(lab.source.store.put_image(REPOSITORY, layers=[LAYER]), deadline=0.5)
        lab.source.inject(Fault("GET", LAYER_PATH, Stalled(after=HALF), times=1))
        with pytest.raises(EngineError):
            await lab.builtin.copy(request, Place())
        lab.cache.uploads.forget()
        await lab.builtin.copy(request, Place())
        lab.assert_same()


async def test_an_upload_that_cannot_be_asked_about_is_begun_anew() -> None:
    """Within the same attempt: a session that only fails does not spoil its blob for ever."""
    async with laboratory() as lab:
        request = lab.request(lab.source.store.put_image(REPOSITORY, layers=[LAYER]), deadline=0.5)
        lab.source.inject(Fault("GET", LAYER_PATH, Stalled(after=HALF), times=1))
        with pytest.raises(EngineError):
            await lab.builtin.copy(request, Place())
        lab.cache.inject(Fault("GET", UPLOADS, Refusal(500, "UNKNOWN")))
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert lab.cache.uploads.sessions == {}
