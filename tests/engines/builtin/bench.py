"""A transfer between the two sides of `simulation.py`."""

import random
from collections.abc import Awaitable
from typing import Final, NamedTuple

import anyio
import pytest

from image_sync.engines.builtin.allowance import Allowance
from image_sync.engines.builtin.bandwidth import Bandwidth
from image_sync.engines.builtin.feed import Means
from image_sync.engines.builtin.transfer import Transfer, Upload
from image_sync.errors import RegistryError
from tests.engines.builtin.simulation import (
    FinishBreak,
    SettleBreak,
    SimulatedSource,
    SimulatedTarget,
    SourceBreak,
    TargetBreak,
    descriptor_of,
)

PIECE: Final = 100_000
"""Bytes that a source gives at once."""
CONTENT: Final = random.Random(1).randbytes(3_000_000)
"""A blob."""


class Bench(NamedTuple):
    """A blob, and the two sides."""

    content: bytes
    source: SimulatedSource
    target: SimulatedTarget
    moved: list[int]

    def transfer(self, upload: Upload | None = None, seconds: float = 3600.0) -> Transfer:
        """An attempt at it."""
        pace = Bandwidth(None, {}).between()
        means = Means(Allowance(seconds), pace, self.moved.append, anyio.sleep)
        return Transfer(descriptor_of(self.content), self.source, self.target, means, upload)


def bench(
    *breaks: SourceBreak,
    target: tuple[TargetBreak, ...] = (),
    finishes: tuple[FinishBreak, ...] = (),
    settles: tuple[SettleBreak, ...] = (),
    content: bytes = CONTENT,
    piece: int = PIECE,
    served: bytes | None = None,
    holds: int = 0,
) -> Bench:
    """Two sides with what is to go wrong at them."""
    side = SimulatedTarget(
        descriptor_of(content).digest, list(target), holds=holds, finishes=finishes, settles=settles
    )
    return Bench(content, SimulatedSource(served or content, piece, list(breaks)), side, [])


def left_by(transfer: Transfer) -> Upload:
    """What an attempt left to the next one, which has to ask about it first."""
    assert transfer.upload
    transfer.upload.doubtful = True
    return transfer.upload


async def refused(running: Awaitable[bool]) -> RegistryError:
    """What an attempt fails with."""
    with pytest.raises(RegistryError) as caught:
        await running
    return caught.value
