"""Every unchanged image has its turn once in an interval, spread evenly, in virtual time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_sync.errors import ErrorKind
from image_sync.events import Event, Warned
from image_sync.model import Damage
from image_sync.oci import AllPlatforms, Digest, Reference, Repository
from image_sync.registry import RegistryClient
from image_sync.sync.examining import KnownDamage, Scheduled
from image_sync.sync.rounds import Rounds
from tests.hostile import Fault, HostileRegistry, Refusal
from tests.sync.scene import TARGET_REPOSITORY, make_spec

DAY = 86_400.0
"""Seconds."""
PASS = 600.0
"""Seconds between two passes, as a daemon has it by default."""


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 50_000.0

    def __call__(self) -> float:
        return self.now


def references(count: int) -> list[Reference]:
    """As many images."""
    return [Repository("cache.test", f"cached/app-{n}").tag("1.0") for n in range(count)]


def one_pass(rounds: Rounds, images: list[Reference]) -> list[Reference]:
    """What is examined, and found whole, in a pass over unchanged images."""
    taken = [reference for reference in images if rounds.take(reference)]
    for reference in taken:
        rounds.done(reference)
    return taken


@settings(max_examples=50, deadline=None)
@given(
    count=st.integers(1, 400),
    gaps=st.lists(st.floats(30.0, 4 * 3600.0), min_size=10, max_size=200),
    start=st.floats(0, 1, exclude_max=True),
)
def test_every_image_has_its_turn_within_an_interval_and_a_pass(
    count: int, gaps: list[float], start: float
) -> None:
    """Whatever time lies between passes; and no pass examines more than its share."""
    clock = Clock()
    rounds, images = Rounds(DAY, clock, start), references(count)
    assert one_pass(rounds, images) == []
    verified = dict.fromkeys(images, clock.now)
    for gap in gaps:
        clock.now += gap
        taken = one_pass(rounds, images)
        verified |= dict.fromkeys(taken, clock.now)
        assert clock.now - min(verified.values()) <= DAY + max(gaps)
        assert len(taken) <= count * gap / DAY + 5  # of the time since the last pass, about


def test_ten_thousand_images_are_spread_over_the_day() -> None:
    """As evenly on the first day as on the third."""
    clock = Clock()
    rounds, images = Rounds(DAY, clock), references(10_000)
    one_pass(rounds, images)
    share = len(images) * PASS / DAY
    for _ in range(3):
        taken: list[Reference] = []
        for _ in range(round(DAY / PASS)):
            clock.now += PASS
            batch = one_pass(rounds, images)
            assert 0.9 * share <= len(batch) <= 1.1 * share
            taken += batch
        assert sorted(map(str, taken)) == sorted(map(str, images))


def test_images_that_were_late_together_part_again() -> None:
    """After a night without passes there is one large batch, and no other for ever after."""
    clock = Clock()
    rounds, images = Rounds(DAY, clock), references(1_000)
    one_pass(rounds, images)
    clock.now += DAY / 2
    assert len(one_pass(rounds, images)) == pytest.approx(500, abs=5)
    share = len(images) * PASS / DAY
    for _ in range(round(DAY / PASS)):
        clock.now += PASS
        assert len(one_pass(rounds, images)) <= share + 2


def test_a_turn_that_came_to_nothing_stays() -> None:
    """An image that could not be examined, or is damaged, has its turn in the next pass again."""
    clock = Clock()
    rounds, [image] = Rounds(DAY, clock), references(1)
    rounds.take(image)
    clock.now += DAY
    assert rounds.take(image)
    clock.now += PASS
    assert rounds.take(image)
    rounds.done(image)
    assert not rounds.take(image)


def test_a_turn_is_not_used_up_before_it_came() -> None:
    """Nor by an image that nobody knows."""
    clock = Clock()
    rounds, [image, stranger] = Rounds(DAY, clock), references(2)
    rounds.take(image)
    rounds.done(image)
    rounds.done(stranger)
    clock.now += DAY
    assert rounds.take(image)


def test_images_that_are_configured_no_more_are_forgotten() -> None:
    """Memory follows the configuration, not its history."""
    clock = Clock()
    rounds = Rounds(DAY, clock)
    for generation in range(20):
        for image in references(50 * (generation + 1))[-50:]:
            rounds.take(image)
        clock.now += DAY
    assert len(rounds) <= 50 * 4


def whole(kept: HostileRegistry) -> Digest:
    """An index that the cache holds."""
    return Digest.parse(kept.store.put_platforms(TARGET_REPOSITORY, "1.0"))


@pytest.mark.anyio
async def test_damage_is_found_when_an_image_has_its_turn(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """Not before; and until it is whole, in every pass."""
    clock = Clock()
    scheduled = Scheduled(client, Rounds(DAY, clock), events.append)
    spec, digest = make_spec(target=kept.host, platforms=AllPlatforms()), whole(kept)
    blobs = kept.store.repository(TARGET_REPOSITORY).blobs
    lost, content = next(iter(blobs.items()))
    del blobs[lost]
    assert await scheduled.damage(spec, digest) == frozenset()
    assert kept.requests == []
    clock.now += DAY
    assert await scheduled.damage(spec, digest) == {Digest.parse(lost)}
    assert await scheduled.damage(spec, digest) == {Digest.parse(lost)}
    blobs[lost] = content
    assert await scheduled.damage(spec, digest) == frozenset()
    asked = len(kept.requests)
    assert await scheduled.damage(spec, digest) == frozenset()
    assert len(kept.requests) == asked


@pytest.mark.anyio
async def test_what_cannot_be_examined_is_said_and_stays_due(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """An unanswered question is no damage, and not hidden."""
    clock = Clock()
    scheduled = Scheduled(client, Rounds(DAY, clock), events.append)
    spec, digest = make_spec(target=kept.host, platforms=AllPlatforms()), whole(kept)
    await scheduled.damage(spec, digest)
    clock.now += DAY
    kept.inject(Fault("HEAD", "*/blobs/*", Refusal(403, "DENIED")))
    assert await scheduled.damage(spec, digest) == frozenset()
    [warning] = [event for event in events if isinstance(event, Warned)]
    assert (warning.subject, str(spec) in warning.message) == ("verify", True)
    asked = len(kept.requests)
    await scheduled.damage(spec, digest)
    assert len(kept.requests) > asked


@pytest.mark.anyio
async def test_damage_that_is_known_is_not_looked_for() -> None:
    """Of each image its own."""
    spec, other = make_spec(tag="1.0"), make_spec(tag="2.0")
    part = Damage(Digest.of(b"x"), "the blob is missing", ErrorKind.BLOB_MISSING)
    known = KnownDamage({spec.target_reference: frozenset({part.digest})})
    assert await known.damage(spec, Digest.of(b"y")) == {part.digest}
    assert await known.damage(other, Digest.of(b"y")) == frozenset()
