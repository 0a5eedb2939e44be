"""The small parts, each alone: hashes that go back, facts that age, uploads that are kept."""

import random

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.engines import Builtin, CopyRequest
from image_sync.engines.builtin.allowance import Allowance, OutOfTime
from image_sync.engines.builtin.flights import Flights, any_ended
from image_sync.engines.builtin.hashing import Hashing, WrongBytes
from image_sync.engines.builtin.holders import Holders
from image_sync.engines.builtin.image import ImageCopy
from image_sync.engines.builtin.strikes import ENOUGH, Strikes
from image_sync.engines.builtin.transfer import Upload
from image_sync.engines.builtin.uploads import Uploads
from image_sync.errors import Side
from image_sync.model import Endpoint, Security, TlsPolicy
from image_sync.oci import Digest, Repository
from tests.clock import START, VIRTUAL_TIME, Backend
from tests.engines.builtin.simulation import SimulatedTarget, descriptor_of
from tests.engines.builtin.support import Place
from tests.registry.asking import asking

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
CONTENT = random.Random(2).randbytes(3 * MIB)
HERE, THERE, FAR = (Repository("cache.example", f"team/{name}") for name in ("a", "b", "c"))
BLOB = Digest.of(b"a blob")
KEY = ("cache.example", BLOB)


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


@given(
    steps=st.lists(
        st.one_of(st.integers(1, MIB), st.floats(0, 1).map(lambda part: -part)), max_size=30
    ),
    spacing=st.integers(1, MIB),
)
def test_a_hash_goes_back_to_where_it_can_go_on(steps: list[int | float], spacing: int) -> None:
    """Wherever it was taken back to, the bytes from there on make it right; it never goes further
    back than the spacing of its states."""
    blob = descriptor_of(CONTENT)
    hashing = Hashing(blob, spacing)
    for step in steps:
        if step > 0:
            hashing.update(CONTENT[hashing.position : hashing.position + int(step)])
            continue
        offset = int(-step * hashing.position)
        before = hashing.position
        hashing.rewind(offset)
        assert hashing.position <= offset
        assert offset - hashing.position < spacing + MIB or before == offset
    hashing.update(CONTENT[hashing.position :])
    hashing.check()
    assert hashing.furthest == len(CONTENT)


def test_a_hash_of_other_bytes_says_which() -> None:
    """Only once all of them are there."""
    hashing = Hashing(descriptor_of(b"right"))
    hashing.update(b"wron")
    hashing.check()
    hashing.update(b"g")
    with pytest.raises(WrongBytes, match=str(Digest.of(b"wrong"))):
        hashing.check()


def test_a_hash_of_bytes_that_were_others_before_is_none() -> None:
    """What an upload has of the first reading is not what the second one came to."""
    hashing = Hashing(descriptor_of(b"right"))
    hashing.update(b"wri")
    hashing.rewind(2)
    hashing.update(b"ri")
    with pytest.raises(WrongBytes, match="first 3 bytes were others"):
        hashing.update(b"ght")


def test_a_hash_forgets_what_an_upload_lost() -> None:
    """All of it: then it does not matter what was read before."""
    hashing = Hashing(descriptor_of(b"right"))
    hashing.update(b"wron")
    hashing.rewind(0)
    hashing.update(b"right")
    hashing.check()


def test_failures_count_anew_after_progress() -> None:
    """And bytes that come a second time are none."""
    strikes = Strikes(3)
    assert not strikes.out(0)
    assert not strikes.out(ENOUGH - 1)
    assert strikes.out(ENOUGH - 1)
    strikes = Strikes(3)
    assert not any(strikes.out(ENOUGH * number) for number in range(50))
    assert [strikes.out(0), strikes.out(0)] == [False, True]


async def test_what_was_seen_is_believed_for_a_while() -> None:
    """In its own repository; another one is a place to mount from for as long as it is known."""
    holders = Holders()
    holders.learn(THERE, [BLOB])
    assert not holders.knows(THERE, BLOB)
    assert holders.elsewhere(HERE, BLOB) == THERE
    assert holders.elsewhere(THERE, BLOB) is None
    holders.saw(HERE, BLOB)
    assert holders.knows(HERE, BLOB)
    assert holders.elsewhere(THERE, BLOB) == HERE
    assert holders.elsewhere(FAR, BLOB) == HERE  # the surest
    await anyio.sleep(601)
    assert not holders.knows(HERE, BLOB)
    holders.forget(HERE, [BLOB, Digest.of(b"never seen")])
    assert holders.elsewhere(FAR, BLOB) == THERE
    assert holders.elsewhere(Repository("other.example", "team/a"), BLOB) is None


async def test_what_is_known_has_a_bound() -> None:
    """Old facts go first."""
    holders = Holders()
    digests = [Digest.of(str(number).encode()) for number in range(20_010)]
    holders.learn(HERE, digests)
    assert holders.elsewhere(THERE, digests[9]) is None
    assert holders.elsewhere(THERE, digests[10]) == HERE
    for number in range(100):
        holders.saw(Repository("cache.example", f"team/n{number}"), digests[-1])
    assert len(holders._facts[("cache.example", bytes.fromhex(digests[-1].hex))]) == 8


async def test_a_flight_wakes_all_who_wait() -> None:
    """Also when it fails, and when it ended before anybody waited."""
    flights, woken = Flights(), list[int]()

    async def lead() -> None:
        with flights.leading(KEY):
            await anyio.sleep(5)
            raise RuntimeError

    async def wait(number: int) -> None:
        flight = flights.get(KEY)
        assert flight
        await any_ended([flight])
        assert flight.ended
        woken.append(number)
        await any_ended([flight])

    async def lead_and_fail() -> None:
        with pytest.raises(RuntimeError):
            await lead()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lead_and_fail)
        await anyio.sleep(1)
        with pytest.raises(ValueError, match="already"), flights.leading(KEY):
            pass
        for number in range(3):
            tasks.start_soon(wait, number)
    assert sorted(woken) == [0, 1, 2]
    assert flights.get(KEY) is None


async def test_rest_does_not_count() -> None:
    """An attempt has its seconds for work."""
    allowance, place = Allowance(10), Place()
    async with allowance.resting(place.resting()):
        await anyio.sleep(100)
    await allowance.within(lambda: anyio.sleep(9))
    with pytest.raises(OutOfTime):
        await allowance.within(lambda: anyio.sleep(9))
    assert anyio.current_time() == START + 110
    with pytest.raises(OutOfTime):
        await allowance.within(anyio.sleep_forever, grace=5)


async def test_an_attempt_that_is_ended_gives_its_grace() -> None:
    """To what is to end in order, and to nothing else."""
    allowance, ended = Allowance(1_000), dict[str, float]()

    async def work(name: str, grace: float) -> None:
        with pytest.raises(OutOfTime):
            await allowance.within(anyio.sleep_forever, grace)
        ended[name] = anyio.current_time() - START

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work, "at once", 0.0)
        tasks.start_soon(work, "in order", 7.0)
        await anyio.sleep(20)
        allowance.end()
    assert ended == {"at once": 20, "in order": 27}


async def test_kept_uploads_have_a_bound_and_an_age() -> None:
    """What finds no place, and what is too old, is deleted at the registry."""
    uploads, target = Uploads(), SimulatedTarget(BLOB, [])
    endpoint = Endpoint(Side.TARGET, HERE, TlsPolicy.PLAIN)

    async def keep(number: int) -> None:
        session = await target.open()
        assert session
        key = ("cache.example", Digest.of(str(number).encode()))
        uploads.keep(key, endpoint, Upload(session, Hashing(descriptor_of(b""))))

    for number in range(66):
        await keep(number)
    await keep(65)
    await uploads.tidy()
    alive = [session.alive for session in target.sessions]
    assert alive == [False, False, *[True] * 63, False, True]
    await anyio.sleep(3601)
    await keep(100)
    await uploads.tidy()
    assert len(target.open_sessions) == 1
    await uploads.aclose()
    assert target.open_sessions == []


async def test_progress_is_told_once_a_second() -> None:
    """However many pieces come, and what was told never shrinks."""
    async with asking() as client:
        place = Place()
        request = CopyRequest(
            source=Endpoint(Side.SOURCE, FAR, TlsPolicy.PLAIN),
            target=Endpoint(Side.TARGET, HERE, TlsPolicy.PLAIN),
            digest=BLOB,
            source_security=Security.CLEAR,
            target_security=Security.CLEAR,
            deadline=60.0,
        )
        copying = ImageCopy(Builtin(client)._shared, request, place)
        for _ in range(105):
            await anyio.sleep(0.1)
            copying._count(1_000)
        assert place.told == sorted(place.told)
        assert len(place.told) in {9, 10}
        assert copying.moved == 105_000
