"""The machine that moves one blob, in virtual time, between sides that break where a test says.

Where they break anywhere is in `test_transfer_anywhere.py`.
"""

from collections.abc import AsyncGenerator

import pytest

from image_sync.engines.builtin.allowance import OutOfTime
from image_sync.engines.builtin.hashing import Hashing
from image_sync.engines.builtin.pipe import ROOM
from image_sync.engines.builtin.transfer import Cramped, Upload
from image_sync.errors import ErrorKind, Side
from image_sync.runtime.retry import TRIES
from tests.clock import VIRTUAL_TIME, Backend
from tests.engines.builtin.bench import CONTENT, PIECE, Bench, bench, left_by, refused
from tests.engines.builtin.simulation import (
    TICK,
    FinishBreak,
    SettleBreak,
    SimulatedSession,
    SimulatedSource,
    SimulatedTarget,
    SourceBreak,
    TargetBreak,
    descriptor_of,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


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


class Rangeless(SimulatedSource):
    """Reads all again to give the rest."""

    def read(self, offset: int) -> AsyncGenerator[bytes, None]:
        self.restarts += offset > 0
        return super().read(offset)


async def test_a_source_that_begins_anew_is_let_to_twice() -> None:
    """Whatever progress it makes: all that came before comes again each time (fault row 21)."""
    side = SimulatedTarget(descriptor_of(CONTENT * 4).digest, [])
    breaks = [SourceBreak(1_100_000, ErrorKind.TRUNCATED)] * 3
    lab = Bench(CONTENT * 4, Rangeless(CONTENT * 4, PIECE, breaks), side, [])
    transfer = lab.transfer()
    assert (await refused(transfer.run())).kind is ErrorKind.TRUNCATED
    assert lab.source.reads == [0, 1_100_000, 2_200_000]
    assert transfer.upload
    assert transfer.upload.session.offset == 3_300_000
    lab = Bench(CONTENT * 4, Rangeless(CONTENT * 4, PIECE, breaks[:2]), side, [])
    assert await lab.transfer().run()


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


async def test_an_end_that_breaks_is_asked_for_by_the_next_attempt() -> None:
    """All bytes are there: none is read again."""
    lab = bench(finishes=(FinishBreak("broken"),))
    transfer = lab.transfer()
    assert (await refused(transfer.run())).kind is ErrorKind.NETWORK
    assert await lab.transfer(left_by(transfer)).run()
    assert lab.target.finished == CONTENT
    assert lab.source.reads == [0]


@pytest.mark.parametrize("finds", [True, False])
async def test_a_session_that_is_lost_between_end_and_answer_costs_the_bytes_at_most(
    *, finds: bool
) -> None:
    """None, where the target tells that it has the blob."""
    lab = bench(finishes=(FinishBreak("gone"),))
    lab.target.finds = finds
    assert await lab.transfer().run() is not finds
    assert lab.target.finished == CONTENT
    assert lab.source.reads == ([0] if finds else [0, 0])


async def test_an_end_that_is_refused_leaves_nothing() -> None:
    """And the blob is not sent once more: that would be refused, too."""
    lab = bench(finishes=(FinishBreak("refused"),))
    assert (await refused(lab.transfer().run())).kind is ErrorKind.BLOB_REFUSED
    assert lab.target.open_sessions == []
    assert lab.source.reads == [0]


async def test_a_session_with_mixed_bytes_is_begun_anew_once() -> None:
    """What an earlier request still wrote may have slipped in; a second time it is an error."""
    lab = bench(finishes=(FinishBreak("mixed"),))
    assert await lab.transfer().run()
    assert lab.target.finished == CONTENT
    lab = bench(finishes=(FinishBreak("mixed"),) * 2)
    assert (await refused(lab.transfer().run())).kind is ErrorKind.BLOB_REFUSED
    assert lab.target.open_sessions == []


async def test_a_target_that_does_not_say_how_far_it_got_ends_the_attempt() -> None:
    """The upload is kept; if it does not say so to the next one either, another one is begun."""
    breaks = (SettleBreak("broken"), SettleBreak("broken"))
    lab = bench(target=(TargetBreak(2_000_000, 1_000_000, "broken"),), settles=breaks)
    transfer = lab.transfer()
    assert (await refused(transfer.run())).kind is ErrorKind.NETWORK
    assert await lab.transfer(left_by(transfer)).run()
    assert lab.target.finished == CONTENT
    assert [session.alive for session in lab.target.sessions] == [False, False]


async def test_a_target_that_asks_to_be_left_alone_keeps_its_upload() -> None:
    """However often it does."""
    breaks = (SettleBreak("limited"), SettleBreak("limited"))
    lab = bench(target=(TargetBreak(2_000_000, 1_000_000, "broken"),), settles=breaks)
    transfer = lab.transfer()
    for _ in breaks:
        assert (await refused(transfer.run())).retry_after == 60.0
        assert transfer.upload
        transfer = lab.transfer(transfer.upload)
    assert await transfer.run()
    assert lab.target.finished == CONTENT
    assert len(lab.target.sessions) == 1


async def test_what_a_target_forgot_of_an_upload_is_read_again() -> None:
    """Only that: it goes on from what the target has now."""
    lab = bench(
        target=(TargetBreak(2_000_000, 2_000_000, "broken"),),
        settles=(SettleBreak("less", 500_000),),
    )
    assert await lab.transfer().run()
    assert lab.target.finished == CONTENT
    assert len(lab.target.sessions) == 1


async def test_a_blob_that_broke_off_in_its_one_request_is_streamed() -> None:
    """Its first session is of no use any more, and is deleted."""
    lab = bench(target=(TargetBreak(2_000_000, 0, "broken"), TargetBreak(9, 9, "broken")))
    lab.target.whole = True
    assert await lab.transfer().run()
    assert lab.target.finished == CONTENT
    assert [session.alive for session in lab.target.sessions] == [False, False]


async def test_a_blob_that_arrived_in_its_one_request_is_not_sent_again() -> None:
    """Its answer was lost: the target says that it has it."""
    lab = bench(target=(TargetBreak(len(CONTENT), 0, "lost"),))
    lab.target.whole = True
    assert await lab.transfer().run()
    assert lab.target.finished == CONTENT
    assert lab.source.reads == [0]
    assert len(lab.target.sessions) == 1


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
            upload = left_by(transfer)
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
    lab = Bench(b"", SimulatedSource(b"", PIECE, []), target, [])
    assert await lab.transfer().run()
    assert target.finished == b""
