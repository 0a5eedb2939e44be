"""Verifying many images: what is said of each, what is healed, and what is left to do."""

from collections.abc import Callable, Sequence

import anyio
import pytest
from msgspec.structs import replace

from image_sync.errors import ErrorKind, Side
from image_sync.events import Event, ImageVerified
from image_sync.http import Http
from image_sync.model import (
    Action,
    Condition,
    ImageSpec,
    Reason,
    SyncResult,
    Verdict,
    Verified,
)
from image_sync.oci import AllPlatforms, Digest
from image_sync.registry import Authenticator, RegistryClient
from image_sync.sync import DamagedParts, Inspection
from tests.hostile import Fault, Gate, Held, HostileRegistry, Refusal
from tests.hostile.store import OCI_INDEX, OCI_MANIFEST, document
from tests.sync.scene import TARGET_REPOSITORY, NoCredentials, make_spec

pytestmark = pytest.mark.anyio
BLOBS, MANIFESTS = "*/blobs/*", "*/manifests/*"


@pytest.fixture
def client(http: Http) -> RegistryClient:
    """The real client, which does not wait between tries."""
    return RegistryClient(http, Authenticator(http, NoCredentials(), {}), no_wait)


async def no_wait(_seconds: float) -> None:
    """Nothing."""


class Healing:
    """A pass that a test scripts; what it was asked for is kept.

    Args:
        mend: Called for each image.
        **outcome: What the result of each image says.
    """

    def __init__(self, mend: Callable[[], object] = lambda: None, **outcome: object) -> None:
        self.asked: list[DamagedParts] = []
        self.stops = 0
        self._mend = mend
        self._outcome = {"action": Action.PULLED, "reason": Reason.DAMAGED, **outcome}

    async def heal(self, specs: Sequence[ImageSpec], damage: DamagedParts) -> Sequence[SyncResult]:
        self.asked.append(damage)
        results = []
        for spec in specs:
            self._mend()
            known = {"spec": spec, "verdict": Verdict.DAMAGED, "duration": 1.0, **self._outcome}
            results.append(SyncResult(**known))  # type: ignore[arg-type]
        return results

    def stop(self) -> None:
        self.stops += 1


def image(kept: HostileRegistry, tag: str, *layers: bytes) -> ImageSpec:
    """An image that the cache holds."""
    kept.store.put_image(TARGET_REPOSITORY, tag, layers=layers or (f"layer of {tag}".encode(),))
    return make_spec(target=kept.host, tag=tag, platforms=AllPlatforms())


def digest_of(layer: bytes) -> Digest:
    """A layer's digest."""
    return Digest.of(layer)


def lose(kept: HostileRegistry, layer: bytes) -> Callable[[], None]:
    """Take a layer from the cache; gives what brings it back."""
    blobs = kept.store.repository(TARGET_REPOSITORY).blobs
    del blobs[str(digest_of(layer))]

    def bring() -> None:
        blobs[str(digest_of(layer))] = layer

    return bring


def spoil(kept: HostileRegistry, layer: bytes) -> None:
    """Flip a byte of a layer."""
    blobs = kept.store.repository(TARGET_REPOSITORY).blobs
    blobs[str(digest_of(layer))] = bytes([layer[0] ^ 1]) + layer[1:]


async def test_every_image_is_whole_damaged_missing_or_unknown(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """In the order of the specs, and told one by one."""
    whole, damaged, odd = image(kept, "whole"), image(kept, "damaged"), image(kept, "odd")
    missing = make_spec(target=kept.host, tag="missing")
    lose(kept, b"layer of damaged")
    kept.inject(Fault("HEAD", "*/manifests/odd", Refusal(403, "DENIED")))
    specs = [odd, whole, missing, damaged]
    results = await Inspection(specs, client, events.append, concurrency=4).run()
    assert [(result.spec, result.condition) for result in results] == [
        (odd, Condition.UNKNOWN),
        (whole, Condition.WHOLE),
        (missing, Condition.MISSING),
        (damaged, Condition.DAMAGED),
    ]
    assert results[0].error_kind is ErrorKind.DENIED
    assert [part.digest for part in results[3].damage] == [digest_of(b"layer of damaged")]
    told = [event.verified for event in events if isinstance(event, ImageVerified)]
    assert sorted(map(str, told)) == sorted(map(str, results))


async def test_nothing_but_manifests_is_fetched_unless_every_byte_is_wanted(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """A flipped byte is found by reading only."""
    spec = image(kept, "1", b"some layer")
    spoil(kept, b"some layer")
    [shallow] = await Inspection([spec], client, events.append).run()
    assert shallow.condition is Condition.WHOLE
    assert kept.asked("GET", BLOBS) == []
    [deep] = await Inspection([spec], client, events.append, deep=True).run()
    assert deep.condition is Condition.DAMAGED
    assert [part.kind for part in deep.damage] == [ErrorKind.BAD_CONTENT]


async def test_a_blob_that_images_share_is_read_once(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """Of twenty images with one base, at once; and its damage is damage of each."""
    specs = [image(kept, f"{n}", b"base", f"own {n}".encode()) for n in range(20)]
    spoil(kept, b"base")
    inspection = Inspection(specs, client, events.append, deep=True, concurrency=8)
    results = await inspection.run()
    assert {result.condition for result in results} == {Condition.DAMAGED}
    read = [request.path for request in kept.asked("GET", f"*/blobs/{digest_of(b'base')}")]
    assert len(read) == 2  # once, and once more because it was wrong
    own = [request.path for request in kept.asked("GET", f"*/blobs/{digest_of(b'own 7')}")]
    assert len(own) == 1


async def test_what_was_healed_is_looked_at_again_and_says_what_was_damaged(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """The pass is told the damaged parts of damaged images, and of no others."""
    broken, fine = image(kept, "broken"), image(kept, "fine")
    healing = Healing(mend=lose(kept, b"layer of broken"))
    inspection = Inspection([broken, fine], client, events.append, healer=healing, concurrency=2)
    healed, whole = await inspection.run()
    lost = digest_of(b"layer of broken")
    assert healing.asked == [{broken.target_reference: frozenset({lost})}]
    assert healed.condition is Condition.HEALED
    assert [part.digest for part in healed.damage] == [lost]
    assert healed.error is None
    assert healed.duration >= 1.0
    assert whole.condition is Condition.WHOLE


async def test_without_damage_there_is_nothing_to_heal(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """No pass is made for a missing tag, nor for one that could not be checked."""
    odd, healing = image(kept, "odd"), Healing()
    kept.inject(Fault("HEAD", "*/manifests/odd", Refusal(403, "DENIED")))
    specs = [image(kept, "fine"), make_spec(target=kept.host, tag="missing"), odd]
    await Inspection(specs, client, events.append, healer=healing).run()
    assert healing.asked == []


async def test_a_source_that_moved_on_heals_too(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """The newer image is whole, whatever became of the old one."""
    spec = image(kept, "1", b"old")
    lose(kept, b"old")
    healing = Healing(lambda: image(kept, "1", b"new"), reason=Reason.CHANGED)
    [result] = await Inspection([spec], client, events.append, healer=healing).run()
    assert result.condition is Condition.HEALED
    assert str(result.digest) == kept.store.tagged(TARGET_REPOSITORY, "1")


@pytest.mark.parametrize("deep", [False, True])
async def test_damage_that_outlives_an_acknowledged_copy_is_said_plainly_with_what_to_do(
    client: RegistryClient, kept: HostileRegistry, events: list[Event], *, deep: bool
) -> None:
    """Which files to remove, for either registry that keeps them, and how to go on."""
    spec = image(kept, "1", b"stubborn")
    (spoil if deep else lose)(kept, b"stubborn")
    healing = Healing()
    inspection = Inspection([spec], client, events.append, healer=healing, deep=deep)
    [result] = await inspection.run()
    assert result.condition is Condition.DAMAGED
    name = digest_of(b"stubborn").hex
    assert result.error is not None
    assert "not healable over the API" in result.error
    assert f"docker/registry/v2/blobs/sha256/{name[:2]}/{name}/data" in result.error
    assert f"{TARGET_REPOSITORY}/blobs/sha256/{name}" in result.error
    assert f"verify {'--deep ' if deep else ''}--heal" in result.error


async def test_what_a_copy_left_short_is_said_plainly_too(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """The pass itself found out that the cache does not hold what it acknowledged."""
    spec = image(kept, "1", b"stubborn")
    lose(kept, b"stubborn")
    healing = Healing(
        action=Action.FAILED,
        reason=Reason.COMMIT_FAILED,
        error="target: verify: builtin reported success, but …",
        error_kind=ErrorKind.BLOB_MISSING,
        error_side=Side.TARGET,
    )
    [result] = await Inspection([spec], client, events.append, healer=healing).run()
    assert result.error is not None
    assert "not healable over the API" in result.error


@pytest.mark.parametrize(
    ("reason", "kind", "side"),
    [
        pytest.param(Reason.SOURCE_GONE, ErrorKind.NOT_FOUND, Side.SOURCE, id="gone"),
        pytest.param(Reason.SOURCE_UNKNOWN, ErrorKind.NETWORK, Side.SOURCE, id="down"),
        pytest.param(Reason.COPY_FAILED, ErrorKind.BLOB_MISSING, Side.SOURCE, id="damaged-too"),
    ],
)
async def test_damage_stays_where_the_source_cannot_help_and_says_why(
    client: RegistryClient,
    kept: HostileRegistry,
    events: list[Event],
    reason: Reason,
    kind: ErrorKind,
    side: Side,
) -> None:
    """The error of the copy, and no advice on the cache's storage."""
    spec = image(kept, "1")
    lose(kept, b"layer of 1")
    healing = Healing(
        action=Action.FAILED, reason=reason, error="why", error_kind=kind, error_side=side
    )
    [result] = await Inspection([spec], client, events.append, healer=healing).run()
    assert result.condition is Condition.DAMAGED
    assert (result.error, result.error_kind) == ("not healed: why", kind)
    assert [part.digest for part in result.damage] == [digest_of(b"layer of 1")]


async def test_a_deferred_copy_heals_later(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """Reserved pulls are not spent on repairs either."""
    spec = image(kept, "1")
    lose(kept, b"layer of 1")
    healing = Healing(action=Action.SKIPPED, reason=Reason.DEFERRED)
    [result] = await Inspection([spec], client, events.append, healer=healing).run()
    assert (result.condition, result.error) == (Condition.DAMAGED, "not healed: deferred")


async def test_what_was_not_examined_before_the_end_is_unknown(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """A stopped verification says what it has found until then, and heals nothing more."""
    done, held = image(kept, "done"), image(kept, "held")
    gate, healing = Gate(), Healing()
    kept.inject(Fault("HEAD", "*/manifests/held", Held(gate)))
    inspection = Inspection([done, held], client, events.append, healer=healing)
    results: list[Verified] = []

    async def run() -> None:
        results.extend(await inspection.run())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await gate.reached(1)
        inspection.stop()
    assert [result.condition for result in results] == [Condition.WHOLE, Condition.UNKNOWN]
    assert results[1].error_kind is ErrorKind.INTERRUPTED
    assert healing.asked == []


async def test_a_pass_that_heals_is_ended_in_order_and_its_results_are_told(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """What was copied and not looked at again is unknown, and not said to be damaged still."""
    copied, left = image(kept, "copied"), image(kept, "left")
    lose(kept, b"layer of copied")
    lose(kept, b"layer of left")
    gate = Gate()

    class Held(Healing):
        async def heal(
            self, specs: Sequence[ImageSpec], damage: DamagedParts
        ) -> Sequence[SyncResult]:
            await gate.hold()
            done, cut_off = await super().heal(specs, damage)
            return done, replace(
                cut_off,
                action=Action.FAILED,
                reason=Reason.INTERRUPTED,
                error="the pass was interrupted",
                error_kind=ErrorKind.INTERRUPTED,
            )

        def stop(self) -> None:
            super().stop()
            gate.open()

    healing = Held()
    inspection = Inspection([copied, left], client, events.append, healer=healing)
    results: list[Verified] = []

    async def run() -> None:
        results.extend(await inspection.run())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await gate.reached(1)
        inspection.stop()
    assert healing.stops == 1
    assert [result.condition for result in results] == [Condition.UNKNOWN, Condition.DAMAGED]
    assert {result.error_kind for result in results} == {ErrorKind.INTERRUPTED}
    assert results[0].damage
    assert results[1].error == "not healed: the pass was interrupted"
    told = [event.verified for event in events if isinstance(event, ImageVerified)]
    assert sorted(map(str, told[-2:])) == sorted(map(str, results))


async def test_a_manifest_that_a_registry_fails_to_read_is_damaged_where_it_reads_others(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """Whichever of the images comes first: distribution answers 500 for a torn manifest."""
    torn, whole = image(kept, "torn"), image(kept, "whole")
    digest = kept.store.tagged(TARGET_REPOSITORY, "torn")
    kept.inject(Fault("GET", f"*/manifests/{digest}", Refusal(500, "UNKNOWN", "unexpected end")))
    for specs in ([torn, whole], [whole, torn]):
        results = await Inspection(specs, client, events.append).run()
        found = {result.spec: result for result in results}
        assert found[whole].condition is Condition.WHOLE
        assert found[torn].condition is Condition.DAMAGED
        [part] = found[torn].damage
        assert (str(part.digest), part.kind) == (digest, ErrorKind.BAD_CONTENT)
        assert "unexpected end" in part.what


async def test_a_child_that_a_registry_fails_to_read_is_damaged(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """It read the index."""
    kept.store.put_platforms(TARGET_REPOSITORY, "1")
    spec = make_spec(target=kept.host, tag="1", platforms=AllPlatforms())
    manifests = kept.store.repository(TARGET_REPOSITORY).manifests
    torn = next(digest for digest, held in manifests.items() if held.media_type == OCI_MANIFEST)
    kept.inject(Fault("GET", f"*/manifests/{torn}", Refusal(500, "UNKNOWN", "unexpected end")))
    [result] = await Inspection([spec], client, events.append).run()
    assert result.condition is Condition.DAMAGED
    assert [str(part.digest) for part in result.damage] == [torn]


async def test_a_registry_that_reads_no_manifest_at_all_is_not_called_damaged(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """Its disk is gone for the moment: nothing is known of the images, and nothing copied."""
    specs, healing = [image(kept, "1"), image(kept, "2")], Healing()
    kept.inject(Fault("GET", MANIFESTS, Refusal(500, "UNKNOWN", "input/output error")))
    results = await Inspection(specs, client, events.append, healer=healing).run()
    assert {result.condition for result in results} == {Condition.UNKNOWN}
    assert {result.error_kind for result in results} == {ErrorKind.UNAVAILABLE}
    assert healing.asked == []


async def test_manifests_that_contradict_each_other_are_damage(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """Of the top one: the registry answered well, and nobody can pull the image."""
    store = kept.store
    child = store.put_image(TARGET_REPOSITORY, None, layers=[b"a layer"])
    size = len(store.repository(TARGET_REPOSITORY).manifests[child].content)
    entry = {"mediaType": OCI_MANIFEST, "digest": child, "size": size + 1}
    content = document({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})
    top = store.put_manifest(TARGET_REPOSITORY, "1", content, OCI_INDEX)
    spec = make_spec(target=kept.host, tag="1", platforms=AllPlatforms())
    [result] = await Inspection([spec], client, events.append).run()
    assert result.condition is Condition.DAMAGED
    [part] = result.damage
    assert (str(part.digest), part.kind) == (top, ErrorKind.BAD_CONTENT)
    assert part.what.startswith(f"{top} says that {child} has")


async def test_a_verification_that_ran_to_its_end_was_not_interrupted(
    client: RegistryClient, kept: HostileRegistry, events: list[Event]
) -> None:
    """A signal that comes too late changes nothing."""
    inspection = Inspection([image(kept, "1")], client, events.append)
    [result] = await inspection.run()
    inspection.stop()
    assert (result.condition, result.error_kind) == (Condition.WHOLE, None)
