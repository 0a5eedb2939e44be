"""How many bytes pass in a second, in virtual time."""

from itertools import pairwise

import anyio
import pytest

from image_sync.engines.builtin.bandwidth import Bandwidth, Pace
from image_sync.model import HostPolicy
from tests.clock import START, VIRTUAL_TIME, Backend

pytestmark = pytest.mark.anyio

KIB = 1024


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


async def passing(pace: Pace, count: int, times: list[float]) -> None:
    """Pass bytes in portions, as a transfer does, and note when each portion passed."""
    assert pace.portion
    for _ in range(count // pace.portion):
        await pace.take(pace.portion)
        times.append(anyio.current_time() - START)


@pytest.mark.parametrize("copies", [1, 7])
async def test_the_rate_is_kept_and_no_second_has_more(copies: int) -> None:
    """By all copies together, however many there are."""
    bandwidth, times = Bandwidth(100 * KIB, {}), list[float]()
    async with anyio.create_task_group() as tasks:
        for _ in range(copies):
            tasks.start_soon(passing, bandwidth.between("a", "b"), 700 * KIB // copies, times)
    assert times[-1] == pytest.approx(7, rel=0.05)
    portion = bandwidth.between("a", "b").portion
    assert portion
    for start in range(int(times[-1])):
        passed = portion * sum(start <= at < start + 1 for at in times)
        assert passed <= 1.2 * 100 * KIB
    assert max(after - before for before, after in pairwise(sorted(times))) < 0.1


async def test_the_narrowest_limit_decides() -> None:
    """A host has its own, beside that of all."""
    policies = {"slow": HostPolicy(bandwidth=10 * KIB), "fast": HostPolicy(bandwidth=500 * KIB)}
    bandwidth = Bandwidth(100 * KIB, policies)
    for host, seconds in (("slow", 10), ("fast", 1), ("other", 1)):
        began, times = anyio.current_time() - START, list[float]()
        await passing(bandwidth.between("cache", host), 100 * KIB, times)
        assert times[-1] - began == pytest.approx(seconds, abs=0.2)


async def test_two_hosts_do_not_share_their_limits() -> None:
    """One that is slow does not slow the other down."""
    policies = {"slow": HostPolicy(bandwidth=10 * KIB), "fast": HostPolicy(bandwidth=100 * KIB)}
    bandwidth, times = Bandwidth(None, policies), list[float]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(passing, bandwidth.between("slow"), 100 * KIB, [])
        await passing(bandwidth.between("fast"), 100 * KIB, times)
    assert times[-1] == pytest.approx(1, abs=0.2)


async def test_a_host_that_is_both_sides_counts_once() -> None:
    """Its bytes are not taken twice from one limit."""
    bandwidth, times = Bandwidth(None, {"one": HostPolicy(bandwidth=100 * KIB)}), list[float]()
    await passing(bandwidth.between("one", "one"), 100 * KIB, times)
    assert times[-1] == pytest.approx(1, abs=0.2)


async def test_a_rest_is_not_made_up_for() -> None:
    """After an hour of nothing the rate is what it is."""
    bandwidth, times = Bandwidth(100 * KIB, {}), list[float]()
    await anyio.sleep(3600)
    began = anyio.current_time() - START
    await passing(bandwidth.between("a"), 200 * KIB, times)
    assert times[-1] - began == pytest.approx(1.9, abs=0.15)


async def test_without_a_limit_nothing_waits() -> None:
    """And pieces stay whole."""
    pace = Bandwidth(None, {}).between("a", "b")
    assert pace.portion is None
    await pace.take(10**12)
    assert anyio.current_time() == START


async def test_copies_that_are_cancelled_leave_their_share_to_others() -> None:
    """Blobs that waited when their image was given up do not slow the next one down."""
    policies = {"slow": HostPolicy(bandwidth=100 * KIB)}
    bandwidth, times = Bandwidth(200 * KIB, policies), list[float]()
    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(passing, bandwidth.between("slow"), 100 * KIB, [])
        await anyio.sleep(1)
        tasks.cancel_scope.cancel()
    began = anyio.current_time() - START
    await passing(bandwidth.between("slow"), 100 * KIB, times)
    assert times[0] - began <= 0.1
    assert times[-1] - began == pytest.approx(1, abs=0.1)


async def test_a_slow_host_keeps_nobody_from_what_all_have_in_common() -> None:
    """However many blobs wait for it."""
    policies = {"slow": HostPolicy(bandwidth=10 * KIB)}
    bandwidth, times = Bandwidth(100 * KIB, policies), list[float]()
    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(passing, bandwidth.between("slow"), 100 * KIB, [])
        await anyio.wait_all_tasks_blocked()
        await passing(bandwidth.between("fast"), 180 * KIB, times)
        tasks.cancel_scope.cancel()
    assert times[-1] == pytest.approx(2, abs=0.2)


async def test_other_limits_hold_for_what_is_on_its_way() -> None:
    """Higher, lower, none, and one where there was none before."""
    bandwidth, times = Bandwidth(), list[float]()
    pace = bandwidth.between("a", "b")
    for limit, seconds in ((100 * KIB, 4), (400 * KIB, 1), (50 * KIB, 8)):
        bandwidth.adopt(limit, {})
        began = anyio.current_time() - START
        await passing(pace, 400 * KIB, times)
        assert times[-1] - began == pytest.approx(seconds, abs=0.3)
    bandwidth.adopt(None, {"b": HostPolicy(bandwidth=200 * KIB)})
    began = anyio.current_time() - START
    await passing(pace, 400 * KIB, times)
    assert times[-1] - began == pytest.approx(2, abs=0.2)
    bandwidth.adopt(None, {})
    assert pace.portion is None
