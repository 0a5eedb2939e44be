"""What a replica does once its Lease is lost is over before another begins, in virtual time."""

from collections.abc import Awaitable, Callable

import anyio
import pytest
from typing_extensions import override

from image_sync.compose import Orders, Parts, assembled
from image_sync.engines.builtin.hashing import Hashing
from image_sync.engines.builtin.transfer import Upload
from image_sync.errors import Side
from image_sync.events import Event
from image_sync.kubernetes import SHORTEST, Election
from image_sync.model import Endpoint, TlsPolicy
from image_sync.oci import Repository
from image_sync.runtime.farewell import GRACE, completed
from tests.clock import VIRTUAL_TIME, Backend
from tests.config.support import resolved, with_images
from tests.engines.builtin.simulation import SimulatedSession, SimulatedTarget, descriptor_of
from tests.kubernetes.replicas import DURATION, Access, Diary, Fate, Replica, Shelf, Way

pytestmark = pytest.mark.anyio

CACHE = "cache.test"
BLOB = descriptor_of(b"a blob of some bytes")


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


class Unanswered(SimulatedSession):
    """An upload at a registry that answers nothing any more."""

    @override
    async def cancel(self) -> None:
        await anyio.sleep_forever()


def keep_an_upload(parts: Parts) -> None:
    """Leave something to be taken back at the end."""
    place = Endpoint(Side.TARGET, Repository(CACHE, "app"), TlsPolicy.PLAIN)
    upload = Upload(Unanswered(SimulatedTarget(BLOB.digest, [])), Hashing(BLOB))
    parts.builtin._shared.uploads.keep((CACHE, BLOB.digest), place, upload)


async def take_back(_: object) -> None:
    await anyio.sleep_forever()


async def opening(seconds: float) -> None:
    """Open uploads, which takes the cache some seconds; closing them, it takes for ever."""
    while True:
        await completed(lambda: anyio.sleep(seconds), take_back)


async def running_a_tool() -> None:
    """Copy with a tool that does not heed TERM."""
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(GRACE)


@pytest.mark.parametrize("duration", [SHORTEST, DURATION])
@pytest.mark.parametrize(
    "copying",
    [
        pytest.param(anyio.sleep_forever, id="downloading"),
        pytest.param(lambda: opening(1e9), id="opening an upload"),
        pytest.param(lambda: opening(4.3), id="opening uploads slowly"),
        pytest.param(running_a_tool, id="running a tool that heeds no TERM"),
    ],
)
async def test_copies_are_over_and_uploads_are_given_up_when_another_begins(
    copying: Callable[[], Awaitable[None]], duration: float
) -> None:
    """Also when the cache answers nothing any more: what is to be taken back is left then."""
    shelf, diary = Shelf(), Diary()
    events: list[Event] = []
    nothing = Orders(specs=())

    async def work() -> None:
        found = resolved(with_images())
        with diary.working("a"):
            async with assembled(found, nothing, events.append, {"PATH": ""}) as parts:
                keep_an_upload(parts)
                await copying()

    async with anyio.create_task_group() as tasks:
        access = Access(shelf, tasks)
        tasks.start_soon(Election(access, "a", duration, events.append).run, work)
        await diary.led("a")
        tasks.start_soon(Replica("b", Access(shelf, tasks), diary, duration=duration).run)
        await anyio.sleep(60)
        access.cut = Way(Fate.LOST)
        with anyio.fail_after(2 * duration):
            await diary.led("b")
        assert [stretch.who for stretch in diary.done] == ["a"]
        tasks.cancel_scope.cancel()
