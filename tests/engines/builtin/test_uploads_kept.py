"""Uploads that were left: which of two stays, for how long, and how the others are deleted."""

import anyio
import pytest

from image_sync.engines.builtin.hashing import Hashing
from image_sync.engines.builtin.transfer import Upload
from image_sync.engines.builtin.uploads import Uploads
from image_sync.errors import Side
from image_sync.model import Endpoint, TlsPolicy
from image_sync.oci import Repository
from tests.clock import VIRTUAL_TIME, Backend
from tests.engines.builtin.simulation import TICK, SimulatedTarget, descriptor_of

pytestmark = pytest.mark.anyio

CONTENT = b"a blob of some bytes"
BLOB = descriptor_of(CONTENT)
HERE, THERE = (
    Endpoint(Side.TARGET, Repository("cache.example", f"team/{name}"), TlsPolicy.PLAIN)
    for name in ("a", "b")
)
KEY = ("cache.example", BLOB.digest)
HOUR = 3600.0


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


async def left(target: SimulatedTarget, sent: int) -> Upload:
    """An upload that so many bytes were sent into."""
    session = await target.open()
    assert session
    upload = Upload(session, Hashing(BLOB))
    upload.hashing.update(CONTENT[:sent])
    return upload


@pytest.mark.parametrize("sent", [(5, 0), (0, 5), (5, 3), (3, 5)], ids=str)
async def test_of_two_uploads_the_one_that_got_further_stays(sent: tuple[int, int]) -> None:
    """Whichever comes first; the other one is deleted."""
    uploads, target = Uploads(), SimulatedTarget(BLOB.digest, [])
    for count in sent:
        uploads.keep(KEY, HERE, await left(target, count))
    await uploads.tidy()
    kept = uploads.take(KEY, HERE.repository)
    assert kept
    assert kept.sent == max(sent)
    assert target.open_sessions == [kept.session]


async def test_an_upload_is_taken_where_it_lies() -> None:
    """Nobody takes it who asks for one in another repository, and it stays."""
    uploads, target = Uploads(), SimulatedTarget(BLOB.digest, [])
    upload = await left(target, 3)
    uploads.keep(KEY, THERE, upload)
    assert uploads.take(KEY, HERE.repository) is None
    assert uploads.take(KEY, THERE.repository) is upload
    assert uploads.get(KEY) is None


async def test_an_upload_that_gets_no_further_is_given_up_some_day() -> None:
    """However often it is taken and left: an hour after it was left with what it has."""
    uploads, target = Uploads(), SimulatedTarget(BLOB.digest, [])
    upload = await left(target, 3)
    for _ in range(4):
        uploads.keep(KEY, HERE, upload)
        await uploads.tidy()
        assert uploads.take(KEY, HERE.repository)
        await anyio.sleep(HOUR * 0.3)
    uploads.keep(KEY, HERE, upload)
    await uploads.tidy()
    assert target.open_sessions == []


async def test_an_upload_that_gets_further_is_kept() -> None:
    """However long it takes in all."""
    uploads, target = Uploads(), SimulatedTarget(BLOB.digest, [])
    upload = await left(target, 3)
    for _ in range(10):
        uploads.keep(KEY, HERE, upload)
        await anyio.sleep(HOUR * 0.9)
        await uploads.tidy()
        assert uploads.take(KEY, HERE.repository)
        upload.hashing.update(b"x")


async def test_tidying_that_is_cut_off_goes_on_another_time() -> None:
    """Nothing of what is to be deleted is forgotten."""
    uploads, target = Uploads(), SimulatedTarget(BLOB.digest, [])
    for _ in range(21):
        uploads.keep(KEY, HERE, await left(target, 0))
    with anyio.move_on_after(1.5 * TICK):
        await uploads.tidy()
    assert len(target.open_sessions) == 13
    await uploads.tidy()
    assert len(target.open_sessions) == 1
    await uploads.aclose()
    assert target.open_sessions == []
