"""The machine that moves one blob, between sides that break anywhere, however often."""

import anyio
from hypothesis import example, given
from hypothesis import strategies as st

from image_sync.engines.builtin.allowance import GRACE, OutOfTime
from image_sync.engines.builtin.transfer import Upload
from image_sync.errors import ErrorKind, RegistryError
from image_sync.runtime.retry import TRIES
from tests.clock import run_virtually
from tests.engines.builtin.bench import CONTENT, Bench, bench
from tests.engines.builtin.simulation import FinishBreak, SettleBreak, SourceBreak, TargetBreak

BREAKS = (ErrorKind.NETWORK, ErrorKind.TRUNCATED, ErrorKind.TIMEOUT, ErrorKind.UNAVAILABLE)
SIZES = st.integers(1, len(CONTENT))
PIECES = st.integers(10_000, 400_000)
SECONDS = st.floats(0.05, 5.0)
"""Of one attempt: between a few pieces and a whole blob."""
SOURCE_BREAKS = st.builds(SourceBreak, SIZES, st.sampled_from([*BREAKS, None]), st.none())
TARGET_BREAKS = st.builds(
    TargetBreak,
    st.integers(0, len(CONTENT)),
    st.integers(0, len(CONTENT)),
    st.sampled_from(["broken", "broken", "lost", "short", "refused"]),
)
FINISH_BREAKS = st.builds(
    FinishBreak, st.sampled_from(["broken", "unheard", "lost", "gone", "refused", "mixed"])
)
SETTLE_BREAKS = st.builds(
    SettleBreak, st.sampled_from(["broken", "limited", "lost", "less"]), st.integers(0, 1_000_000)
)


class Attempts:
    """One attempt after the other until the blob is there, as the engine makes them.

    Args:
        lab: The two sides.
        whole: True if the target takes the blob in one request as long as nothing of it is there.
        seconds: That each of them has.
        most: How many there may be.

    Attributes:
        count: How many there were.
    """

    def __init__(self, lab: Bench, *, whole: bool, seconds: float, most: int) -> None:
        self.count = 0
        self._lab = lab
        self._whole = whole
        self._seconds = seconds
        self._most = most
        self._upload: Upload | None = None

    async def run(self) -> bool:
        """True if the last one sent something, False if the target turned out to have the blob."""
        while True:
            self.count += 1
            assert self.count <= self._most, "it does not end"
            sent = await self._attempt()
            kept = [self._upload.session] if self._upload else []
            assert self._lab.target.open_sessions in (kept, []), "an upload is left"
            if sent is not None:
                assert self._upload is None
                return sent

    async def _attempt(self) -> bool | None:
        target = self._lab.target
        target.whole = self._whole and self._upload is None
        transfer = self._lab.transfer(self._upload, self._seconds)
        began, sent = anyio.current_time(), None
        try:
            sent = await transfer.run()
        except OutOfTime:
            assert anyio.current_time() <= began + self._seconds + GRACE
        except RegistryError:
            pass
        self._upload = transfer.upload
        if self._upload:
            self._upload.doubtful = True
        return sent


@given(
    size=SIZES,
    piece=PIECES,
    source=st.lists(SOURCE_BREAKS, max_size=8),
    target=st.lists(TARGET_BREAKS, max_size=8),
    finishes=st.lists(FINISH_BREAKS, max_size=4),
    settles=st.lists(SETTLE_BREAKS, max_size=4),
    seconds=SECONDS,
    whole=st.booleans(),
    finds=st.booleans(),
)
@example(  # other bytes the second time, where the first are in the upload already
    size=20_001,
    piece=10_000,
    source=[SourceBreak(1, None)],
    target=[TargetBreak(0, 2, "broken")],
    finishes=[],
    settles=[],
    seconds=1.0,
    whole=False,
    finds=False,
)
@example(  # attempts that are too short to read again what the upload has
    size=42_124,
    piece=10_000,
    source=[],
    target=[
        TargetBreak(0, 0, "broken"),
        TargetBreak(0, 22_116, "broken"),
        TargetBreak(10_001, 20_001, "broken"),
    ],
    finishes=[],
    settles=[],
    seconds=0.0546875,
    whole=False,
    finds=False,
)
def test_whatever_breaks_it_ends_in_the_right_bytes(
    *,
    size: int,
    piece: int,
    source: list[SourceBreak],
    target: list[TargetBreak],
    finishes: list[FinishBreak],
    settles: list[SettleBreak],
    seconds: float,
    whole: bool,
    finds: bool,
) -> None:
    """In so many attempts at most: no wrong bytes are ever to become a blob, no upload is left that
    could be deleted, every byte that came is counted once, and none comes twice without a fault."""
    lab = bench(
        *source,
        target=tuple(target),
        finishes=tuple(finishes),
        settles=tuple(settles),
        content=CONTENT[:size],
        piece=piece,
    )
    lab.target.finds = finds
    # Each fault costs all that was sent at most, and one attempt brings a piece at least.
    faults = len(source) + len(target) + len(finishes) + len(settles) + whole
    attempts = Attempts(lab, whole=whole, seconds=seconds, most=(faults + 1) * (size // piece + 4))
    sent = run_virtually(attempts.run)
    assert lab.target.finished == lab.content
    assert sent or finds
    assert lab.target.mistaken == 0
    assert lab.target.open_sessions == []
    assert sum(lab.moved) == lab.source.given
    again = sum(fault.kind is None for fault in source) + faults - len(source)
    pipe = min(size, 1024 * 1024 + 2 * piece)  # what it holds when it is cut off
    assert lab.source.given <= (1 + again) * size + attempts.count * pipe


@given(
    size=SIZES,
    piece=PIECES,
    source=st.lists(
        st.builds(SourceBreak, st.integers(0, len(CONTENT)), st.sampled_from(BREAKS), st.none()),
        max_size=8,
    ),
    seconds=SECONDS,
)
def test_what_a_cache_has_is_never_asked_of_the_source_again(
    size: int, piece: int, source: list[SourceBreak], seconds: float
) -> None:
    """Over all attempts: only a piece that was on its way when the time was over comes twice."""
    lab = bench(*source, content=CONTENT[:size], piece=piece)
    most = (len(source) + 1) * (size // piece + 4)
    attempts = Attempts(lab, whole=False, seconds=seconds, most=most)
    assert run_virtually(attempts.run)
    assert lab.target.finished == lab.content
    assert len(lab.target.sessions) == 1
    assert lab.source.given <= size + (attempts.count - 1) * piece
    assert sum(lab.moved) == lab.source.given


@given(
    size=SIZES,
    piece=PIECES,
    source=st.lists(
        st.builds(SourceBreak, st.integers(0, len(CONTENT)), st.sampled_from(BREAKS), st.none()),
        max_size=TRIES - 1,
    ),
)
def test_a_source_that_breaks_is_never_asked_for_a_byte_twice(
    size: int, piece: int, source: list[SourceBreak]
) -> None:
    """As long as the target holds, the bytes on the wire are the bytes of the blob."""
    lab = bench(*source, content=CONTENT[:size], piece=piece)
    assert run_virtually(lambda: lab.transfer().run())
    assert lab.source.given == size
    assert lab.target.finished == lab.content
