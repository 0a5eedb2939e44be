"""Of several replicas one works, in virtual time, whatever becomes of their calls."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_sync.events import Event
from image_sync.kubernetes import SHORTEST, Election, Record
from image_sync.kubernetes.terms import LEAVING, Terms
from tests.clock import START, VIRTUAL_TIME, Backend, run_virtually
from tests.kubernetes.replicas import (
    DURATION,
    LATER,
    Access,
    Diary,
    Fate,
    Replica,
    Shelf,
    Way,
)

PAUSE = 2.0  # seconds between two looks at a Lease that another holds
SLACK = 0.2  # seconds for the calls themselves


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


class Scene:
    """A Lease and its replicas."""

    def __init__(self, tasks: anyio.abc.TaskGroup) -> None:
        self.tasks = tasks
        self.shelf = Shelf()
        self.diary = Diary()

    def replica(self, name: str, ways: Iterable[Way] = (), **more: float) -> Replica:
        """One that runs from now on."""
        made = Replica(name, Access(self.shelf, self.tasks, ways), self.diary, **more)
        self.tasks.start_soon(made.run)
        return made

    async def until_led(self, by: str) -> float:
        """Seconds until somebody works."""
        begun = anyio.current_time()
        with anyio.fail_after(10 * DURATION):
            await self.diary.led(by)
        return anyio.current_time() - begun


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with anyio.create_task_group() as tasks:
        yield Scene(tasks)
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_the_first_works_and_the_others_wait() -> None:
    """One leads from the start, for as long as it lives, and all know who."""
    async with scene() as cluster:
        first = cluster.replica("a")
        await cluster.until_led("a")
        others = [cluster.replica("b"), cluster.replica("c")]
        await anyio.sleep(3600)
        assert [*cluster.diary.running] == ["a"]
        assert cluster.diary.done == []
        assert first.leaderships == [(True, "a")]
        assert [other.leaderships for other in others] == [[(False, "a")]] * 2
        assert first.warnings + others[0].warnings == []


@pytest.mark.anyio
async def test_contenders_that_begin_together_agree_on_one() -> None:
    """A Lease that all want to make is made by one."""
    async with scene() as cluster:
        for name in "abc":
            cluster.replica(name)
        await anyio.sleep(60)
        assert len(cluster.diary.running) == 1
        assert cluster.diary.done == []


@pytest.mark.anyio
async def test_one_that_stops_makes_way_at_once() -> None:
    """Stopped in good order, it ends its work, gives the Lease back, and another has it soon."""
    async with scene() as cluster:
        first = cluster.replica("a")
        await cluster.until_led("a")
        cluster.replica("b")
        await anyio.sleep(60)
        first.stop()
        await first.ended.wait()
        assert await cluster.until_led("b") <= PAUSE + SLACK
        assert first.leaderships == [(True, "a"), (False, "")]


@pytest.mark.anyio
async def test_work_that_ends_by_itself_ends_the_election() -> None:
    """A process that is done leaves, and gives the Lease back."""
    async with scene() as cluster:
        first = cluster.replica("a", worth=100.0)
        await first.ended.wait()
        assert anyio.current_time() < START + 100 + 5 + SLACK
        assert cluster.shelf.record is not None
        assert cluster.shelf.record.holder == ""
        assert cluster.shelf.record.duration == 1


@pytest.mark.anyio
async def test_work_that_takes_long_to_stop_keeps_the_lease() -> None:
    """As long as it can be renewed, nobody takes over before the work has ended."""
    async with scene() as cluster:
        first = cluster.replica("a", leaving=10 * DURATION)
        await cluster.until_led("a")
        cluster.replica("b")
        await anyio.sleep(10)
        first.stop()
        await anyio.sleep(9 * DURATION)
        assert [*cluster.diary.running] == ["a"]
        await first.ended.wait()
        assert await cluster.until_led("b") <= PAUSE + SLACK


@pytest.mark.anyio
async def test_another_takes_over_from_one_that_crashed() -> None:
    """Within the duration of the Lease and a look, and not before it is over."""
    async with scene() as cluster:
        first = cluster.replica("a")
        await cluster.until_led("a")
        cluster.replica("b")
        await anyio.sleep(61)
        first.crash()
        waited = await cluster.until_led("b")
        assert DURATION - 2 / 3 * DURATION < waited <= DURATION + PAUSE + SLACK
        assert cluster.shelf.record is not None
        assert cluster.shelf.record.transitions == 1


@pytest.mark.anyio
@pytest.mark.parametrize("fate", [Fate.LOST, Fate.REFUSED])
async def test_a_leader_that_is_cut_off_stops_before_another_begins(fate: Fate) -> None:
    """Also if its work takes 5 s to end; it says why, and comes back as one that waits."""
    async with scene() as cluster:
        first = cluster.replica("a")
        await cluster.until_led("a")
        cluster.replica("b")
        await anyio.sleep(61)
        first.access.cut = Way(fate)
        assert await cluster.until_led("b") <= DURATION + PAUSE + SLACK
        assert [stretch.who for stretch in cluster.diary.done] == ["a"]
        assert first.leaderships == [(True, "a"), (False, "")]
        assert any("could not be renewed for 9 s" in line for line in first.warnings)
        await anyio.sleep(600)
        first.access.cut = None
        await anyio.sleep(2 * DURATION)
        assert [*cluster.diary.running] == ["b"]
        assert first.leaderships[-1] == (False, "b")


@pytest.mark.anyio
async def test_answers_that_come_late_are_not_trusted_for_longer() -> None:
    """Time runs from when a renewal was sent: another may have seen it at once."""
    async with scene() as cluster:
        first = cluster.replica("a")
        await cluster.until_led("a")
        cluster.replica("b")
        first.access.cut = Way(Fate.WELL, back=2.9)
        await anyio.sleep(61)
        first.access.cut = Way(Fate.LOST)
        await cluster.until_led("b")


@pytest.mark.anyio
async def test_a_leader_that_nobody_relieved_works_again() -> None:
    """Alone and cut off for a while, it stops, and goes on when the API is back."""
    async with scene() as cluster:
        alone = cluster.replica("a")
        await cluster.until_led("a")
        alone.access.cut = Way(Fate.REFUSED)
        await anyio.sleep(600)
        assert not cluster.diary.running
        alone.access.cut = None
        assert await cluster.until_led("a") <= PAUSE + SLACK
        assert cluster.shelf.record is not None
        assert cluster.shelf.record.transitions == 0


@pytest.mark.anyio
async def test_a_short_fault_stops_nothing() -> None:
    """Renewals that fail for less than 9 s of 15 s are made up for."""
    async with scene() as cluster:
        first = cluster.replica("a")
        await cluster.until_led("a")
        for _ in range(10):
            await anyio.sleep(10)
            first.access.cut = Way(Fate.UNHEARD)
            await anyio.sleep(4)
            first.access.cut = None
        assert cluster.diary.done == []
        assert first.leaderships == [(True, "a")]


@pytest.mark.anyio
async def test_a_change_by_somebody_else_is_not_a_loss() -> None:
    """A conflict is looked into: an annotation costs a leader nothing, and is kept."""
    async with scene() as cluster:
        first = cluster.replica("a")
        await cluster.until_led("a")
        assert cluster.shelf.record is not None
        cluster.shelf.write(cluster.shelf.record)
        await anyio.sleep(60)
        assert first.leaderships == [(True, "a")]
        assert not first.warnings


@pytest.mark.anyio
async def test_a_lease_that_names_another_is_lost_at_once() -> None:
    """However it came to that, work ends now and not when the Lease would have run out."""
    async with scene() as cluster:
        first = cluster.replica("a")
        await cluster.until_led("a")
        record = cluster.shelf.record
        assert record is not None
        taken = Record(version=record.version, holder="somebody", duration=3600)
        cluster.shelf.write(taken)
        await anyio.sleep(3 + 5 + SLACK)
        assert not cluster.diary.running
        assert first.leaderships == [(True, "a"), (False, "somebody")]
        assert first.warnings == ["the Lease went to somebody: copies stop"]


@pytest.mark.anyio
async def test_a_lease_that_is_deleted_stays_with_its_holder() -> None:
    """Those who saw it wait as if it had changed, and the holder makes it anew."""
    async with scene() as cluster:
        first = cluster.replica("a")
        await cluster.until_led("a")
        cluster.replica("b")
        await anyio.sleep(10)
        cluster.shelf.record = None
        await anyio.sleep(120)
        assert [*cluster.diary.running] == ["a"]
        assert first.leaderships == [(True, "a")]


@pytest.mark.anyio
async def test_one_that_took_over_keeps_a_lease_that_is_deleted() -> None:
    """It is its own, and not that of the one before."""
    async with scene() as cluster:
        before = cluster.replica("a")
        await cluster.until_led("a")
        now = cluster.replica("b")
        await anyio.sleep(10)
        before.crash()
        await cluster.until_led("b")
        cluster.shelf.record = None
        await anyio.sleep(120)
        assert now.leaderships == [(False, "a"), (True, "b")]


@pytest.mark.anyio
async def test_a_fault_that_lasts_is_told_now_and_then() -> None:
    """An hour without an API is a line every ten minutes, not one per try."""
    async with scene() as cluster:
        alone = cluster.replica("a")
        alone.access.cut = Way(Fate.REFUSED)
        await anyio.sleep(3600)
        assert len(alone.warnings) == 6
        assert alone.access.calls > 1000
        assert "cannot connect" in alone.warnings[0]


@pytest.mark.anyio
async def test_work_that_fails_gives_the_lease_back() -> None:
    """Its failure comes out, and another can start at once."""
    async with scene() as cluster:

        async def work() -> None:
            await anyio.sleep(1)
            raise LookupError

        told: list[Event] = []
        election = Election(Access(cluster.shelf, cluster.tasks), "a", DURATION, told.append)
        with pytest.RaisesGroup(LookupError):
            await election.run(work)
        assert cluster.shelf.record is not None
        assert cluster.shelf.record.holder == ""


def test_a_duration_that_is_too_short_is_refused() -> None:
    """Work could not end before another begins."""
    with pytest.raises(ValueError, match="at least 10 s"):
        Terms.of(SHORTEST - 1)


@given(st.floats(SHORTEST, 3600))
def test_work_has_time_to_end(duration: float) -> None:
    """A leader makes its work end so early that it has, and before that a renewal may fail."""
    terms = Terms.of(duration)
    assert terms.renew_within + LEAVING <= terms.duration
    assert terms.renew_every + 2 * terms.patience <= terms.renew_within + 1e-9
    assert 0 < terms.pause <= terms.renew_every


ways = st.builds(
    Way, st.sampled_from([Fate.WELL, *Fate]), st.floats(0.001, 4.0), st.floats(0.001, 4.0)
)
many_ways = st.lists(ways, max_size=40)


@settings(max_examples=40)
@given(data=st.data(), duration=st.sampled_from([SHORTEST, DURATION, 60.0]))
def test_two_never_work_at_once(data: st.DataObject, duration: float) -> None:
    """Whatever becomes of calls, whenever replicas begin and stop; and in the end one works.

    Once calls go well, that is so within the duration of the Lease, a call that hangs, a look, and
    what a call that is late can add.
    """
    bound = Terms.of(duration)
    healed = duration + bound.patience + bound.pause + LATER + 4.0 + SLACK

    async def scenario() -> None:
        async with scene() as cluster:
            replicas = []
            for name in "abc":
                replica = cluster.replica(
                    name,
                    ways=data.draw(many_ways, label=name),
                    duration=duration,
                    leaving=data.draw(st.floats(0, LEAVING), label="seconds to end"),
                    ahead=data.draw(st.floats(-1e6, 1e6), label="seconds ahead"),
                )
                replicas.append(replica)
                await anyio.sleep(data.draw(st.floats(0, 20), label="until the next begins"))
            await anyio.sleep(data.draw(st.floats(0, 100), label="until one stops"))
            data.draw(st.sampled_from([Replica.crash, Replica.stop]), label="how")(replicas[0])
            await anyio.sleep(data.draw(st.floats(0, 60), label="until calls go well"))
            for replica in replicas[1:]:
                replica.access.cut = Way()
            await anyio.sleep(healed)
            assert len(cluster.diary.running) == 1
            stretches = len(cluster.diary.done)
            await anyio.sleep(2 * duration)
            assert len(cluster.diary.done) == stretches

    run_virtually(scenario)
