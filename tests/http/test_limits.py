"""How much is asked of a host at once, and how fast."""

import anyio
import pytest

from image_sync.errors import Side
from image_sync.http.limits import CONCURRENCY, Limits
from image_sync.model import HostPolicy
from image_sync.runtime.rate import Rate
from tests.http.virtual import VirtualClock

pytestmark = pytest.mark.anyio


def rate_of(per_second: float, clock: VirtualClock) -> Rate:
    found = Limits({"h": HostPolicy(requests_per_second=per_second)}, clock).rate("h")
    assert found
    return found


async def test_a_second_s_requests_go_at_once_and_then_the_rate_is_kept() -> None:
    """25 at once, then one every 40 ms: 100 take three seconds."""
    clock = VirtualClock()
    requests = rate_of(25.0, clock)
    began = clock.now
    for _ in range(100):
        await requests.take()
    assert clock.now - began == pytest.approx(3.0)
    assert sum(clock.sleeps) == pytest.approx(3.0)


async def test_unused_rate_is_not_saved_up() -> None:
    """After an hour of silence, again one second's worth at once."""
    clock = VirtualClock()
    requests = rate_of(10.0, clock)
    clock.now += 3600.0
    for _ in range(10):
        await requests.take()
    assert sum(clock.sleeps) == pytest.approx(0.0, abs=1e-9)
    await requests.take()
    assert sum(clock.sleeps) == pytest.approx(0.1)


async def test_a_slow_rate_waits_its_whole_interval() -> None:
    """One request in ten seconds is possible."""
    clock = VirtualClock()
    requests = rate_of(0.1, clock)
    await requests.take()
    await requests.take()
    assert sum(clock.sleeps) == pytest.approx(10.0)


async def test_slots_belong_to_host_and_side() -> None:
    """A host that is source and target of an image cannot block itself."""
    limits = Limits({"h": HostPolicy(concurrency=1)}, VirtualClock())
    source, target = limits.slots("h", Side.SOURCE), limits.slots("h", Side.TARGET)
    assert source is not target
    assert source is limits.slots("h", Side.SOURCE)
    assert source.total_tokens == 1
    assert limits.slots("other", Side.SOURCE).total_tokens == CONCURRENCY


async def test_streams_have_slots_of_their_own() -> None:
    """As many as there are for everything else."""
    limits = Limits({"h": HostPolicy(concurrency=3)}, VirtualClock())
    streams = limits.streams("h", Side.TARGET)
    assert streams is not limits.slots("h", Side.TARGET)
    assert streams is limits.streams("h", Side.TARGET)
    assert streams.total_tokens == 3


async def test_hosts_without_a_limit_have_no_rate() -> None:
    """Nothing is paced that nobody asked to pace."""
    limits = Limits({"h": HostPolicy(requests_per_second=5.0)}, VirtualClock())
    assert limits.rate("other") is None
    assert limits.rate("h") is limits.rate("h") is not None


async def test_other_limits_hold_for_what_is_in_flight() -> None:
    """Requests that hold slots count, and whoever waits goes on as soon as there are enough."""
    limits = Limits({"h": HostPolicy(concurrency=2)}, VirtualClock())
    slots = limits.slots("h", Side.SOURCE)
    for holder in "ab":
        slots.acquire_on_behalf_of_nowait(holder)
    limits.adopt({"h": HostPolicy(concurrency=1)})
    slots.release_on_behalf_of("a")
    with pytest.raises(anyio.WouldBlock):
        slots.acquire_on_behalf_of_nowait("c")
    limits.adopt({"h": HostPolicy(concurrency=2)})
    assert limits.slots("h", Side.SOURCE) is slots
    slots.acquire_on_behalf_of_nowait("c")


async def test_a_rate_outlives_policies_that_change_it() -> None:
    """What was sent in the last second counts, and whoever waits already goes by the new rate."""
    limits = Limits({"h": HostPolicy(requests_per_second=5.0)}, VirtualClock())
    rate = limits.rate("h")
    limits.adopt({"h": HostPolicy(requests_per_second=5.0, concurrency=7)})
    assert limits.rate("h") is rate
    limits.adopt({"h": HostPolicy(requests_per_second=6.0)})
    assert limits.rate("h") is rate
    assert rate
    assert rate.per_second == 6.0
    limits.adopt({})
    assert limits.rate("h") is None
