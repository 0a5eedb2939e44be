"""A bandwidth limit as a cache sees it: when bytes of blobs arrive, however many come at once."""

from collections import deque
from typing import Self

import anyio
import pytest
from typing_extensions import Buffer, override

from tests.engines.builtin.support import UPLOADS, Place, laboratory
from tests.hostile import Fault
from tests.hostile.fault import Exchange
from tests.hostile.response import Response

pytestmark = pytest.mark.anyio

LIMIT = 2_000_000  # bytes per second
MADE_UP_FOR = LIMIT // 10  # bytes that were not sent lately, and may be sent at once
PORTION = LIMIT // 20  # bytes that pass at once


class Arrivals(bytearray):
    """A record that keeps of what arrives only how much it was, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[float, int]] = []  # seconds of the event loop's clock, bytes

    @override
    # bytearray's own type is at odds with MutableSequence's.
    def __iadd__(self, value: Buffer, /) -> Self:  # type: ignore[override]
        self.seen.append((anyio.current_time(), memoryview(value).nbytes))
        return self

    @property
    def total(self) -> int:
        """Bytes that came."""
        return sum(count for _, count in self.seen)

    def most_in_a_second(self) -> int:
        """Bytes, of the second in which most came."""
        window, held, most = deque[tuple[float, int]](), 0, 0
        for at, count in self.seen:
            window.append((at, count))
            held += count
            while window[0][0] <= at - 1.0:
                held -= window.popleft()[1]
            most = max(most, held)
        return most


class Watched:
    """An honest answer to a request, whose bytes are noted as they arrive."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals

    async def __call__(self, exchange: Exchange) -> Response:
        self._arrivals += exchange.connection._buffer  # what came with its head
        exchange.connection.record = self._arrivals
        return await exchange.proceed()


async def test_no_second_brings_more_than_the_limit() -> None:
    """Two images at once, two seconds' worth of bytes: never more than the limit, what may be made
    up for, and the portions that begin and end that second."""
    async with laboratory(bandwidth=LIMIT) as lab:
        arrivals, paths = Arrivals(), ("team/one", "team/two")
        lab.cache.inject(Fault("PATCH", UPLOADS, Watched(arrivals)))
        async with anyio.create_task_group() as tasks:
            for path in paths:
                layers = [f"{number} {path}".encode() * (LIMIT // 20) for number in range(2)]
                digest = lab.source.store.put_image(path, layers=layers)
                tasks.start_soon(lab.builtin.copy, lab.request(digest, path=path), Place())
        for path in paths:
            lab.assert_same(path)
    assert arrivals.total >= 2 * LIMIT
    assert arrivals.most_in_a_second() <= LIMIT + MADE_UP_FOR + 2 * PORTION
