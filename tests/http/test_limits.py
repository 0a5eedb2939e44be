"""How much is asked of a host at once, and how fast."""

import anyio
import pytest

from image_sync.errors import Side
from image_sync.http.limits import CONCURRENCY, Bucket, Limits
from image_sync.model import HostPolicy
from tests.http.virtual import VirtualClock

pytestmark = pytest.mark.anyio


async def test_a_bucket_lets_a_second_through_at_once_and_then_keeps_the_rate() -> None:
    """25 at once, then one every 40 ms: 100 take three seconds."""
    clock = VirtualClock()
    bucket = Bucket(25.0, clock)
    began = clock.now
    for _ in range(100):
        await bucket.take()
    assert clock.now - began == pytest.approx(3.0)
    assert sum(clock.sleeps) == pytest.approx(3.0)


async def test_unused_rate_is_not_saved_up() -> None:
    """After an hour of silence, again one second's worth at once."""
    clock = VirtualClock()
    bucket = Bucket(10.0, clock)
    clock.now += 3600.0
    for _ in range(10):
        await bucket.take()
    assert sum(clock.sleeps) == pytest.approx(0.0, abs=1e-9)
    await bucket.take()
    assert sum(clock.sleeps) == pytest.approx(0.1)


async def test_a_slow_rate_waits_its_whole_interval() -> None:
    """One request in ten seconds is possible."""
    clock = VirtualClock()
    bucket = Bucket(0.1, clock)
    await bucket.take()
    await bucket.take()
    assert sum(clock.sleeps) == pytest.approx(10.0)


async def test_a_cancelled_waiter_takes_no_token() -> None:
    """A thousand waiters of a pass that timed out do not slow the next pass down."""

    class Stuck(VirtualClock):
        async def sleep(self, seconds: float) -> None:
            self.sleeps.append(seconds)
            await anyio.sleep_forever()

    clock = Stuck()
    bucket = Bucket(1.0, clock)
    await bucket.take()
    async with anyio.create_task_group() as tasks:
        for _ in range(1000):
            tasks.start_soon(bucket.take)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    clock.now += 1.0
    await bucket.take()
    assert len(clock.sleeps) == 1


async def test_slots_belong_to_host_and_side() -> None:
    """A host that is source and target of an image cannot block itself."""
    limits = Limits({"h": HostPolicy(concurrency=1)}, VirtualClock())
    source, target = limits.slots("h", Side.SOURCE), limits.slots("h", Side.TARGET)
    assert source is not target
    assert source is limits.slots("h", Side.SOURCE)
    assert source.value == 1
    assert limits.slots("other", Side.SOURCE).value == CONCURRENCY


async def test_streams_have_slots_of_their_own() -> None:
    """As many as there are for everything else."""
    limits = Limits({"h": HostPolicy(concurrency=3)}, VirtualClock())
    streams = limits.streams("h", Side.TARGET)
    assert streams is not limits.slots("h", Side.TARGET)
    assert streams is limits.streams("h", Side.TARGET)
    assert streams.value == 3


async def test_hosts_without_a_rate_have_no_bucket() -> None:
    """Nothing is paced that nobody asked to pace."""
    limits = Limits({"h": HostPolicy(requests_per_second=5.0)}, VirtualClock())
    assert limits.bucket("other") is None
    assert limits.bucket("h") is limits.bucket("h") is not None
