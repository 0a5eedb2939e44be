"""The machine that moves one blob, in virtual time, between sides that break anywhere."""

import random
from collections.abc import Awaitable
from typing import NamedTuple

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.engines.builtin.allowance import GRACE, Allowance, OutOfTime
from image_sync.engines.builtin.bandwidth import Bandwidth
from image_sync.engines.builtin.feed import Means
from image_sync.engines.builtin.hashing import Hashing
from image_sync.engines.builtin.pipe import ROOM
from image_sync.engines.builtin.transfer import Cramped, Transfer, Upload
from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.runtime.retry import TRIES
from tests.clock import VIRTUAL_TIME, Backend, run_virtually
from tests.engines.builtin.simulation import (
    TICK,
    SimulatedSession,
    SimulatedSource,
    SimulatedTarget,
    SourceBreak,
    TargetBreak,
    descriptor_of,
)

pytestmark = pytest.mark.anyio

CONTENT = random.Random(1).randbytes(3_000_000)
PIECE = 100_000
BREAKS = (ErrorKind.NETWORK, ErrorKind.TRUNCATED, ErrorKind.TIMEOUT, ErrorKind.UNAVAILABLE)


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


class Bench(NamedTuple):
    """A blob, and the two sides."""

    content: bytes
    source: SimulatedSource
    target: SimulatedTarget

    def transfer(self, upload: Upload | None = None, seconds: float = 3600.0) -> Transfer:
        pace = Bandwidth(None, {}).between()
        means = Means(Allowance(seconds), pace, lambda _: None, anyio.sleep)
        return Transfer(descriptor_of(self.content), self.source, self.target, means, upload)


def bench(
    *breaks: SourceBreak,
    target: tuple[TargetBreak, ...] = (),
    content: bytes = CONTENT,
    served: bytes | None = None,
    holds: int = 0,
) -> Bench:
    side = SimulatedTarget(descriptor_of(content).digest, list(target), holds=holds)
    return Bench(content, SimulatedSource(served or content, PIECE, list(breaks)), side)


async def refused(running: Awaitable[bool]) -> RegistryError:
    with pytest.raises(RegistryError) as caught:
        await running
    return caught.value


async def test_a_source_that_breaks_goes_on_in_the_same_upload() -> None:
    """No byte comes twice, and the target sees one append."""
    lab = bench(SourceBreak(700_000, ErrorKind.NETWORK), SourceBreak(0, ErrorKind.TRUNCATED))
    assert await lab.transfer().run()
    assert lab.target.finished == CONTENT
    assert lab.source.reads == [0, 700_000, 700_000]
    assert lab.source.given == len(CONTENT)
    assert len(lab.target.sessions) == 1


async def test_a_source_that_only_breaks_is_given_up() -> None:
    """After the tries that a request has; its upload is kept, as far as it went."""
    lab = bench(SourceBreak(700_000, ErrorKind.NETWORK), *[SourceBreak(0, ErrorKind.NETWORK)] * 9)
    transfer = lab.transfer()
    assert (await refused(transfer.run())).kind is ErrorKind.NETWORK
    assert len(lab.source.reads) == TRIES
    assert transfer.upload
    assert transfer.upload.session.offset == 700_000


async def test_a_source_that_breaks_often_gets_there() -> None:
    """Failures with progress between them are no failures in a row."""
    lab = bench(*[SourceBreak(1_100_000, ErrorKind.NETWORK)] * 10, content=CONTENT * 4)
    assert await lab.transfer().run()
    assert lab.source.given == len(CONTENT) * 4


async def test_a_source_that_asks_to_be_left_alone_is() -> None:
    """No second request, and what came is kept."""
    lab = bench(SourceBreak(500_000, ErrorKind.RATE_LIMITED, retry_after=60.0))
    transfer = lab.transfer()
    assert (await refused(transfer.run())).retry_after == 60.0
    assert lab.source.reads == [0]
    assert transfer.upload
    assert transfer.upload.session.offset == 500_000
    assert await lab.transfer(transfer.upload).run()
    assert lab.source.given == len(CONTENT)


@pytest.mark.parametrize(("times", "works"), [(1, True), (2, False)])
async def test_a_missing_blob_is_asked_for_once_more(times: int, *, works: bool) -> None:
    """Fault row 15."""
    lab = bench(*[SourceBreak(0, ErrorKind.BLOB_MISSING)] * times)
    if works:
        assert await lab.transfer().run()
    else:
        assert (await refused(lab.transfer().run())).kind is ErrorKind.BLOB_MISSING
    assert len(lab.source.reads) == 2


async def test_wrong_bytes_once_are_fetched_anew() -> None:
    """Fault row 27: the first upload is thrown away, unfinished."""
    lab = bench(SourceBreak(1_000_000, None))
    assert await lab.transfer().run()
    assert lab.target.finished == CONTENT
    assert [session.alive for session in lab.target.sessions] == [False, False]


async def test_wrong_bytes_twice_are_refused() -> None:
    """With what came and what was wanted; no upload is left, and none was finished."""
    lab = bench(served=CONTENT[:-1] + b"!")
    error = await refused(lab.transfer().run())
    assert (error.kind, error.side) == (ErrorKind.BAD_CONTENT, Side.SOURCE)
    assert str(descriptor_of(CONTENT).digest) in error.message
    assert str(descriptor_of(CONTENT[:-1] + b"!").digest) in error.message
    assert lab.target.finished is None
    assert lab.target.open_sessions == []


async def test_the_last_piece_waits_for_the_end() -> None:
    """A source that goes on after the last byte is never believed (fault row 24)."""
    lab = bench(SourceBreak(len(CONTENT), ErrorKind.BAD_CONTENT))
    assert (await refused(lab.transfer().run())).kind is ErrorKind.BAD_CONTENT
    assert max(len(session.kept) for session in lab.target.sessions) < len(CONTENT)
    assert lab.target.open_sessions == []


async def test_what_the_target_lost_is_read_again() -> None:
    """It says how far it got, and the upload goes on from there with the right hash."""
    lab = bench(target=(TargetBreak(2_000_000, 1_234_567, "broken"),))
    assert await lab.transfer().run()
    assert lab.target.finished == CONTENT
    assert len(lab.target.sessions) == 1


async def test_a_lost_upload_is_begun_anew() -> None:
    """Fault row 44, and a registry that loses every one is given up."""
    lab = bench(target=(TargetBreak(2_000_000, 0, "lost"),))
    assert await lab.transfer().run()
    assert len(lab.target.sessions) == 2
    lab = bench(target=(TargetBreak(2_000_000, 0, "lost"),) * 9)
    transfer = lab.transfer()
    assert (await refused(transfer.run())).status == 404
    assert len(lab.target.sessions) == TRIES
    assert transfer.upload is None


async def test_what_was_not_hashed_is_never_finished() -> None:
    """However much the target says that it has: it is begun anew."""
    lab = bench()
    session = SimulatedSession(lab.target)
    lab.target.sessions.append(session)
    session.kept += CONTENT
    session.offset = len(CONTENT)
    upload = Upload(session, Hashing(descriptor_of(CONTENT)))
    assert await lab.transfer(upload).run()
    assert lab.target.finished == CONTENT
    assert len(lab.target.sessions) == 2


async def test_a_refusal_ends_it_and_leaves_nothing() -> None:
    """What no repetition helps is not repeated; the upload is deleted."""
    lab = bench(target=(TargetBreak(500_000, 500_000, "refused"),))
    assert (await refused(lab.transfer().run())).kind is ErrorKind.DENIED
    assert lab.target.open_sessions == []


async def test_time_that_is_over_ends_the_upload_in_order() -> None:
    """What was read is acknowledged, and the next attempt reads the rest and nothing twice."""
    lab = bench(content=CONTENT * 2)
    upload, attempts = None, 0
    while True:
        transfer = lab.transfer(upload, seconds=25 * TICK)
        attempts += 1
        try:
            assert await transfer.run()
            break
        except OutOfTime:
            upload = transfer.upload
            assert upload
            upload.doubtful = True
    assert lab.target.finished == lab.content
    assert attempts == 3
    assert len(lab.target.sessions) == 1
    # A piece that was on its way when the time was over comes again.
    assert lab.source.given <= len(lab.content) + 2 * PIECE


async def test_a_slow_target_holds_the_source_back() -> None:
    """No more is read than a pipe holds (fault row 26)."""
    lab = bench()
    lab.target.pause = 1_000.0
    transfer = lab.transfer(seconds=500.0)
    with pytest.raises(OutOfTime):
        await transfer.run()
    assert lab.source.given <= ROOM + 3 * PIECE


async def test_the_source_is_opened_when_the_target_asks() -> None:
    """A slot at a source is never held while one at the target is waited for."""
    lab = bench()
    lab.target.reluctance = 1_000.0
    with pytest.raises(OutOfTime):
        await lab.transfer(seconds=500.0).run()
    assert lab.source.reads == []


async def test_chunks_need_room_first() -> None:
    """Nothing is sent before the room is there; the session stays."""
    lab = bench(holds=4_000_000)
    transfer = lab.transfer()
    with pytest.raises(Cramped):
        await transfer.run()
    assert lab.source.reads == []
    transfer.chunk = 4_000_000
    assert await transfer.run()
    assert len(lab.target.sessions) == 1


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_an_empty_blob_is_a_blob(algorithm: str) -> None:
    """Without a request to its source."""
    target = SimulatedTarget(descriptor_of(b"", algorithm).digest, [])
    lab = Bench(b"", SimulatedSource(b"", PIECE, []), target)
    assert await lab.transfer().run()
    assert target.finished == b""


SOURCE_BREAK = st.builds(
    SourceBreak, st.integers(0, 3_000_000), st.sampled_from([*BREAKS, None]), st.none()
)
TARGET_BREAK = st.builds(
    TargetBreak,
    st.integers(0, 3_000_000),
    st.integers(0, 3_000_000),
    st.sampled_from(["broken", "broken", "lost", "short"]),
)


@given(
    size=st.integers(1, 3_000_000),
    piece=st.integers(10_000, 400_000),
    source=st.lists(SOURCE_BREAK, max_size=8),
    target=st.lists(TARGET_BREAK, max_size=8),
    seconds=st.floats(0.05, 5.0),
)
def test_whatever_breaks_it_ends_in_the_right_bytes_or_an_error(
    size: int,
    piece: int,
    source: list[SourceBreak],
    target: list[TargetBreak],
    seconds: float,
) -> None:
    """Over any number of attempts: finished means finished right, it always ends, an upload is kept
    or gone and never both, and nothing comes twice but what a fault cost."""
    content = CONTENT[:size]
    lab = Bench(
        content,
        SimulatedSource(content, piece, source),
        SimulatedTarget(descriptor_of(content).digest, target),
    )

    async def attempts() -> int:
        upload, count = None, 0
        while True:
            count += 1
            transfer = lab.transfer(upload, seconds)
            began = anyio.current_time()
            try:
                assert await transfer.run()
            except OutOfTime:
                assert anyio.current_time() <= began + seconds + GRACE
                upload = transfer.upload
            except RegistryError:
                upload = transfer.upload
            else:
                assert transfer.upload is None
                return count
            kept = [upload.session] if upload else []
            assert lab.target.open_sessions in (kept, [])
            if upload:
                upload.doubtful = True

    count = run_virtually(attempts)
    assert lab.target.finished == content
    wrong = sum(fault.kind is None for fault in source)
    room = 1024 * 1024 + 2 * piece  # what a pipe holds when it is cut off
    waste = (len(target) + wrong) * size + (count + len(target)) * min(room, size)
    assert lab.source.given <= size + waste


@given(
    size=st.integers(1, 3_000_000),
    piece=st.integers(10_000, 400_000),
    source=st.lists(
        st.builds(SourceBreak, st.integers(0, 3_000_000), st.sampled_from(BREAKS), st.none()),
        max_size=TRIES - 1,
    ),
)
def test_a_source_that_breaks_is_never_asked_for_a_byte_twice(
    size: int, piece: int, source: list[SourceBreak]
) -> None:
    """As long as the target holds, the bytes on the wire are the bytes of the blob."""
    lab = Bench(
        CONTENT[:size],
        SimulatedSource(CONTENT[:size], piece, source),
        SimulatedTarget(descriptor_of(CONTENT[:size]).digest, []),
    )

    async def once() -> bool:
        return await lab.transfer().run()

    assert run_virtually(once)
    assert lab.source.given == size
    assert lab.target.finished == CONTENT[:size]
