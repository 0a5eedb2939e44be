"""What happens when: outages, pauses, releases, reloads, clocks that are set, leaders that change.

Only one source is in trouble at a time here; what two do to each other is a test of its own.
"""

from collections.abc import Callable, Coroutine
from random import Random

import anyio
import anyio.lowlevel

from image_sync.config import Scope
from image_sync.model import HostPolicy
from tests.daemon.week.clocks import stand_still
from tests.daemon.week.host import Host, Pause, Spell, Trouble
from tests.daemon.week.scopes import exchanged, with_concurrency, with_images, with_policy
from tests.daemon.week.week import POLICIES, Week
from tests.daemon.week.world import CACHE

HOUR, DAY = 3_600.0, 86_400.0
QUIET = 3 * HOUR
"""Seconds at the end in which nothing happens, so that all that failed is well again."""
_BETWEEN = 250.0
"""Seconds after a full hour that are between two turns, of ten minutes or a quarter of an hour."""
_PAUSES = (30.0, 60.0, 300.0, HOUR, 6 * HOUR)
_RELEASES_EVERY = 120.0
_RELOADS_EVERY = 13 * HOUR


def arrange_trouble(hosts: dict[str, Host], random: Random, days: float) -> None:
    """Give every source its bad hours, one after the other, and the cache a few minutes."""
    sources = [host for name, host in hosts.items() if name != CACHE]
    begin, kinds = HOUR, 0
    while begin < days * DAY - QUIET - 6 * HOUR:
        host = sources[kinds % len(sources)]
        trouble = list(Trouble)[kinds % len(Trouble)]
        end = begin + random.uniform(600.0, HOUR)
        host.spells.append(Spell(begin, end, trouble))
        paused = sources[(kinds + 3) % len(sources)]
        seconds = _PAUSES[kinds % len(_PAUSES)]
        paused.pauses.append(Pause(end + 600.0, seconds, pulls_only=kinds % 4 == 0))
        begin, kinds = end + random.uniform(HOUR, 2 * HOUR), kinds + 1
    middle = days * DAY / 2
    hosts[CACHE].spells.append(Spell(middle, middle + 600.0, Trouble.FAILING))
    hosts[CACHE].spells.append(Spell(middle + 5 * HOUR, middle + 5 * HOUR + 300.0, Trouble.SILENT))


def a_week(days: float) -> Callable[[Week], Coroutine[object, object, None]]:
    """What happens in so many days."""

    async def timetable(week: Week) -> None:
        async with anyio.create_task_group() as tasks:
            for happening in (_releases, _reloads, _clocks, _hurries, _leaders):
                tasks.start_soon(happening, week)
            await _until(week, days * DAY - QUIET)
            tasks.cancel_scope.cancel()
        await anyio.sleep(QUIET - HOUR)
        assert week.life
        week.life.hurry()
        await anyio.sleep(HOUR + _BETWEEN)

    return timetable


async def _until(week: Week, moment: float) -> None:
    await anyio.sleep(moment - week.now())


async def _releases(week: Week) -> None:
    """Images change now and then, and many of one host at once every few hours."""
    count = 0
    while True:
        await anyio.sleep(_RELEASES_EVERY)
        count += 1
        week.publish(week.random.choice(week.specs))
        if count % 200 == 0:
            host = week.random.choice(list(POLICIES))
            of_host = [spec for spec in week.specs if spec.source.host == host]
            for spec in week.random.sample(of_host, len(of_host) // 5):
                week.publish(spec)


async def _reloads(week: Week) -> None:
    """An operator changes images, then how much is copied at once, then limits, then errs."""
    count = 0
    while True:
        await anyio.sleep(_RELOADS_EVERY)
        await _in_the_middle(week)
        assert week.scope
        week.assembly.is_broken = count % 5 == 4
        await week.reload(_changed(week, week.scope, count))
        week.assembly.is_broken = False
        count += 1


def _changed(week: Week, scope: Scope, count: int) -> Scope:
    match count % 5:
        case 0:
            specs = exchanged(scope.specs, week.spare, week.random, len(scope.specs) // 50)
            return with_images(scope, specs)
        case 1:
            return with_concurrency(scope, 4)
        case 2:
            slower = HostPolicy(concurrency=8, requests_per_second=3.0)
            return with_policy(with_policy(scope, "slow.test", slower), "quay.io", slower)
        case 3:
            before = with_policy(scope, "slow.test", POLICIES["slow.test"])
            return with_policy(with_concurrency(before, 6), "quay.io", POLICIES["quay.io"])
        case _:
            return with_concurrency(scope, 5)


async def _clocks(week: Week) -> None:
    """The time of day is set, and the process or its machine stands still for a while."""
    while True:
        await anyio.sleep(5 * HOUR)
        week.clock.set_forward(5 * HOUR)
        await anyio.sleep(5 * HOUR)
        week.clock.set_forward(-8 * HOUR)
        await anyio.sleep(5 * HOUR)
        stand_still(2 * HOUR)
        await anyio.lowlevel.checkpoint()
        week.record.resumed = week.now()


async def _hurries(week: Week) -> None:
    """Somebody wants a pass now, also three times in a row, or what failed again."""
    while True:
        for _ in range(3):
            await anyio.sleep(23 * HOUR)
            if week.life:
                week.life.hurry()
        await anyio.sleep(1.0)
        if week.life:
            week.life.hurry()
            week.life.hurry(failing=True)


async def _leaders(week: Week) -> None:
    while True:
        await anyio.sleep(37 * HOUR)
        await _in_the_middle(week)
        week.lose_the_lease()


async def _in_the_middle(week: Week) -> None:
    """Have much under way, which is when changes hurt most."""
    if week.life:
        week.life.hurry()
    await anyio.sleep(2.0)
