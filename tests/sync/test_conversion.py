"""Which images are converted, over real sockets: by order, after a refusal, and as before."""

import pytest

from image_sync.errors import ErrorKind, RegistryError
from image_sync.events import Event, Warned
from image_sync.http import Quota
from image_sync.model import DockerManifests, HostPolicy, ImageSpec, Reason, Verdict
from image_sync.oci import AllPlatforms, Digest, Platform, PlatformChoice, PlatformList
from image_sync.oci.mediatypes import DOCKER_LIST, DOCKER_MANIFEST
from image_sync.registry import RegistryClient
from image_sync.sync import Checker, Conversion, Ledger, Maker, Reserves
from image_sync.sync.checked import Checked
from image_sync.sync.plan import Copy, Defer, Fail, Keep
from tests.hostile import Fault, HostileRegistry, Refusal, Unauthorized
from tests.sync.scene import (
    AMD64,
    SOURCE_REPOSITORY,
    TARGET_REPOSITORY,
    KnownHosts,
    make_spec,
    transfer,
)

pytestmark = pytest.mark.anyio
AUTO, KEEP, CONVERT = DockerManifests.AUTO, DockerManifests.KEEP, DockerManifests.CONVERT
ALL = AllPlatforms()
ONE_OF_THREE = PlatformList.of([AMD64.platform])
TWO_OF_THREE = PlatformList.of([AMD64.platform, Platform("linux", "arm64")])
CHOICES = [
    pytest.param(AMD64, id="one"),
    pytest.param(ONE_OF_THREE, id="list"),
    pytest.param(ALL, id="all"),
]


class Scene:
    """A source, a cache, and what is remembered between checkers."""

    def __init__(
        self, client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
    ) -> None:
        self.client = client
        self.origin = origin
        self.kept = kept
        self.hosts = KnownHosts()
        self.reserves = Reserves(self.hosts, {origin.host: HostPolicy(reserve_pulls=1)})
        self.ledger = self.blank()
        self.maker = Maker(client)
        self.events: list[Event] = []

    def blank(self) -> Ledger:
        """A ledger in which nothing stands."""
        return Ledger(None, lambda _: None, lambda: 20_000)

    def checker(self, mode: DockerManifests = AUTO) -> Checker:
        """As in a new process."""
        conversion = Conversion(mode, self.events.append)
        return Checker(self.client, self.ledger, self.reserves, self.maker, conversion)

    def spec(
        self, platforms: PlatformChoice = AMD64, *, tag: str = "1.0", pin: str | None = None
    ) -> ImageSpec:
        return make_spec(
            source=self.origin.host, target=self.kept.host, tag=tag, pin=pin, platforms=platforms
        )

    def put(self, tag: str = "1.0", *, index: bool = True, docker: bool = True) -> str:
        """The digest of an image that the source has."""
        store = self.origin.store
        if index:
            return store.put_platforms(SOURCE_REPOSITORY, tag, docker=docker)
        return store.put_image(SOURCE_REPOSITORY, tag, layers=[tag.encode()], docker=docker)

    async def take(self, checked: Checked) -> Digest:
        """Have the cache hold what was decided, as a pass does."""
        made = await self.maker.made(checked)
        y = expected(checked)
        if made:
            for manifest in made:
                self.kept.store.put_manifest(
                    TARGET_REPOSITORY, None, manifest.content, manifest.media_type
                )
        else:
            transfer(self.origin, self.kept, str(y))
        self.kept.store.tag(TARGET_REPOSITORY, checked.spec.target_tag, str(y))
        self.checker().settled(checked)
        return y

    def forget(self) -> None:
        """Drop what was asked so far."""
        self.origin.requests.clear()
        self.kept.requests.clear()

    @property
    def asked(self) -> tuple[list[str], list[str]]:
        """The methods that source and cache were asked with."""
        return methods(self.origin), methods(self.kept)


def methods(registry: HostileRegistry) -> list[str]:
    return [request.method for request in registry.requests]


def expected(checked: Checked) -> Digest:
    assert isinstance(checked.decision, Copy | Keep), checked
    return checked.decision.expected


@pytest.fixture
def scene(client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry) -> Scene:
    return Scene(client, origin, kept)


async def converted_before(scene: Scene, spec: ImageSpec) -> Digest:
    """What the cache holds after a pass that converted."""
    checked = await scene.checker(CONVERT).check(spec)
    y = await scene.take(checked)
    scene.ledger = scene.blank()
    scene.forget()
    return y


@pytest.mark.parametrize("mode", [AUTO, KEEP])
@pytest.mark.parametrize("index", [False, True], ids=["single", "index"])
async def test_a_cache_that_takes_docker_s_types_gets_them_as_they_are(
    scene: Scene, mode: DockerManifests, *, index: bool
) -> None:
    """With the source's digest, and without reading a manifest."""
    digest = scene.put(index=index)
    checked = await scene.checker(mode).check(scene.spec(ALL))
    assert checked.decision == Copy(Digest.parse(digest), Verdict.MISSING)
    assert (checked.convert, checked.source_type) == (
        False,
        DOCKER_LIST if index else DOCKER_MANIFEST,
    )
    assert scene.asked == (["HEAD"], ["HEAD"])


@pytest.mark.parametrize("mode", [AUTO, CONVERT])
@pytest.mark.parametrize("platforms", CHOICES)
@pytest.mark.parametrize("index", [False, True], ids=["single", "index"])
async def test_an_unchanged_image_that_was_converted_costs_one_head_at_either_side(
    scene: Scene, mode: DockerManifests, platforms: PlatformChoice, *, index: bool
) -> None:
    """Once the ledger knows it, in every process that may convert."""
    scene.put(index=index)
    spec = scene.spec(platforms)
    y = await scene.take(await scene.checker(CONVERT).check(spec))
    scene.forget()
    checked = await scene.checker(mode).check(spec)
    assert checked.decision == Keep(y)
    assert checked.convert
    assert scene.asked == (["HEAD"], ["HEAD"])


@pytest.mark.parametrize("platforms", CHOICES)
async def test_an_unchanged_image_of_the_oci_s_costs_one_head_at_either_side(
    scene: Scene, platforms: PlatformChoice
) -> None:
    """Also where all is to be converted: an index once it was read, a single image at once."""
    digest = scene.put(index=False, docker=False)
    spec = scene.spec(platforms)
    checked = await scene.checker(CONVERT).check(spec)
    assert checked.decision == Copy(Digest.parse(digest), Verdict.MISSING)
    assert scene.asked == (["HEAD"], ["HEAD"])
    index = scene.put("2.0", docker=False)
    spec = scene.spec(platforms, tag="2.0")
    first = await scene.checker(CONVERT).check(spec)
    assert scene.origin.asked("GET", f"*{index}")
    await scene.take(first)
    scene.forget()
    assert (await scene.checker(CONVERT).check(spec)).decision == Keep(expected(first))
    assert scene.asked == (["HEAD"], ["HEAD"])


@pytest.mark.parametrize("platforms", CHOICES)
@pytest.mark.parametrize("index", [False, True], ids=["single", "index"])
async def test_what_the_cache_refused_is_converted_and_others_then_without_a_try(
    scene: Scene, platforms: PlatformChoice, *, index: bool
) -> None:
    """The digest of the refused one is not tried again; one that was taken teaches the host."""
    for tag in ("1.0", "2.0", "3.0"):
        scene.put(tag, index=index)
    checker = scene.checker()
    kept = await checker.check(scene.spec(platforms))
    early = await checker.check(scene.spec(platforms, tag="2.0"))
    assert not checker.overtaken(early)
    assert checker.refused(kept)
    again = await checker.check(kept.spec)
    assert again.convert
    assert expected(again) != expected(kept)
    assert not checker.overtaken(early)
    checker.settled(again)
    checker.settled(again)
    await scene.take(again)
    [told] = [event for event in scene.events if isinstance(event, Warned)]
    assert scene.kept.host in told.message
    assert checker.overtaken(early)
    assert not checker.overtaken(again)
    other = await checker.check(scene.spec(platforms, tag="3.0"))
    assert other.convert
    assert not checker.overtaken(other)
    assert (await scene.checker().check(kept.spec)).decision == Keep(expected(again))


@pytest.mark.parametrize("platforms", CHOICES)
@pytest.mark.parametrize("index", [False, True], ids=["single", "index"])
async def test_what_the_cache_did_not_take_converted_is_not_remembered(
    scene: Scene, platforms: PlatformChoice, *, index: bool
) -> None:
    """The next process tries the image as it is: the refusal may have been about something else."""
    scene.put(index=index)
    spec = scene.spec(platforms)
    checker = scene.checker()
    kept = await checker.check(spec)
    assert checker.refused(kept)
    again = await checker.check(spec)
    assert again.convert
    assert (await scene.checker().check(spec)).decision == kept.decision
    checker.settled(again)
    assert (await scene.checker().check(spec)).decision == again.decision


@pytest.mark.parametrize("platforms", [AMD64, ALL], ids=["one", "all"])
async def test_what_the_cache_holds_as_it_is_stays_that_when_another_is_refused(
    scene: Scene, platforms: PlatformChoice
) -> None:
    """It took that one: nothing is to be copied, and no digest changes."""
    held = scene.put("held", index=False)
    transfer(scene.origin, scene.kept, held)
    scene.kept.store.tag(TARGET_REPOSITORY, "held", held)
    checker = scene.checker()
    early = await checker.check(scene.spec(platforms, tag="held"))
    scene.put()
    refused = await checker.check(scene.spec(platforms))
    assert checker.refused(refused)
    checker.settled(await checker.check(refused.spec))
    assert [event for event in scene.events if isinstance(event, Warned)]
    assert not checker.overtaken(early)
    checked = await checker.check(early.spec)
    assert checked.decision == Keep(Digest.parse(held))
    assert not checked.convert
    newer = scene.origin.store.put_image(SOURCE_REPOSITORY, "held", layers=[b"newer"], docker=True)
    assert str(expected(await checker.check(early.spec))) != newer


async def test_an_image_that_was_taken_as_it_is_teaches_nothing(scene: Scene) -> None:
    """Neither one that was never refused, nor one that another try was enough for."""
    scene.put(index=True, docker=False)
    scene.put("2.0", index=False)
    checker = scene.checker()
    spec = scene.spec(ONE_OF_THREE)
    kept = await checker.check(spec)
    checker.settled(kept)
    assert checker.refused(kept)
    again = await checker.check(spec)
    assert again.decision == kept.decision
    checker.settled(again)
    assert not (await checker.check(scene.spec(tag="2.0"))).convert


@pytest.mark.parametrize("mode", [KEEP, CONVERT])
async def test_where_the_operator_decided_a_refusal_changes_nothing(
    scene: Scene, mode: DockerManifests
) -> None:
    """It is an error of the image, and its text says what to do."""
    scene.put()
    checker = scene.checker(mode)
    checked = await checker.check(scene.spec())
    assert not checker.refused(checked)
    assert (await checker.check(scene.spec())).decision == checked.decision


async def test_a_refusal_ends_somewhere(scene: Scene) -> None:
    """What was converted and is refused all the same is not converted again; nor what has nothing
    of Docker's."""
    scene.put()
    scene.put("2.0", index=False, docker=False)
    checker = scene.checker()
    assert checker.refused(await checker.check(scene.spec()))
    assert not checker.refused(await checker.check(scene.spec()))
    assert not checker.refused(await checker.check(scene.spec(tag="2.0")))


@pytest.mark.parametrize("platforms", CHOICES)
@pytest.mark.parametrize("index", [False, True], ids=["single", "index"])
async def test_without_a_ledger_the_cached_image_tells_that_it_was_converted(
    scene: Scene, platforms: PlatformChoice, *, index: bool
) -> None:
    """One GET there; the source's manifests are read again, and then it is remembered."""
    scene.put(index=index)
    spec = scene.spec(platforms)
    y = await converted_before(scene, spec)
    checked = await scene.checker().check(spec)
    assert checked.decision == Keep(y)
    assert methods(scene.kept) == ["HEAD", "GET"]
    scene.forget()
    assert (await scene.checker().check(spec)).decision == Keep(y)
    assert scene.asked == (["HEAD"], ["HEAD"])


async def test_a_newer_image_is_converted_as_the_one_before_it_was(scene: Scene) -> None:
    """Without a failed try."""
    scene.put(index=False)
    spec = scene.spec()
    await converted_before(scene, spec)
    newer = scene.origin.store.put_image(SOURCE_REPOSITORY, "1.0", layers=[b"newer"], docker=True)
    checked = await scene.checker().check(spec)
    assert checked.convert
    assert str(expected(checked)) != newer
    assert isinstance(checked.decision, Copy)


@pytest.mark.parametrize(
    ("source", "cached"),
    [
        pytest.param(False, False, id="both are the OCI's"),
        pytest.param(True, True, id="both are Docker's"),
        pytest.param(False, True, id="only the cached one is Docker's"),
    ],
)
async def test_the_cached_image_is_only_read_where_it_may_tell_something(
    scene: Scene, *, source: bool, cached: bool
) -> None:
    """That is where the source's is of Docker's types and the cached one is not."""
    scene.put(index=False, docker=source)
    scene.kept.store.put_image(TARGET_REPOSITORY, "1.0", layers=[b"old"], docker=cached)
    checked = await scene.checker().check(scene.spec())
    assert isinstance(checked.decision, Copy)
    assert not checked.convert
    assert scene.asked == (["HEAD"], ["HEAD"])


@pytest.mark.parametrize("mode", [KEEP, AUTO])
async def test_an_image_that_was_not_converted_is_replaced_as_it_is(
    scene: Scene, mode: DockerManifests
) -> None:
    """The source went from the OCI's types to Docker's; or the operator no longer converts."""
    digest = scene.put(index=False)
    if mode is AUTO:
        scene.kept.store.put_image(TARGET_REPOSITORY, "1.0", layers=[b"old"])
    else:
        await converted_before(scene, scene.spec())
    checked = await scene.checker(mode).check(scene.spec())
    assert checked.decision == Copy(Digest.parse(digest), Verdict.CHANGED)
    assert methods(scene.kept) == (["HEAD", "GET"] if mode is AUTO else ["HEAD"])


async def test_a_cache_that_does_not_say_what_it_holds_is_unknown(scene: Scene) -> None:
    """Nothing is copied that it may refuse, or hold already."""
    scene.put()
    await converted_before(scene, scene.spec())
    scene.kept.inject(Fault("GET", "*", Unauthorized()))
    checked = await scene.checker().check(scene.spec())
    assert isinstance(checked.decision, Fail)
    assert (checked.decision.reason, checked.target_failed) == (Reason.TARGET_UNKNOWN, True)
    assert "GET" not in methods(scene.origin)


async def test_a_cached_image_that_vanished_meanwhile_tells_nothing(scene: Scene) -> None:
    """It is copied as if it had never been there."""
    digest = scene.put(index=False)
    await converted_before(scene, scene.spec())
    scene.kept.inject(Fault("GET", "*", Refusal(404, "MANIFEST_UNKNOWN")))
    checked = await scene.checker().check(scene.spec())
    assert checked.decision == Copy(Digest.parse(digest), Verdict.CHANGED)


@pytest.mark.parametrize("platforms", CHOICES)
@pytest.mark.parametrize("mode", [AUTO, CONVERT])
async def test_a_pinned_image_that_is_held_converted_is_not_asked_for_at_the_source(
    scene: Scene, platforms: PlatformChoice, mode: DockerManifests
) -> None:
    """The pin says what X is, the ledger what it became."""
    spec = scene.spec(platforms, pin=scene.put())
    first = await scene.checker(CONVERT).check(spec)
    y = await scene.take(first)
    scene.forget()
    checked = await scene.checker(mode).check(spec)
    assert checked.decision == Keep(y)
    assert scene.asked == ([], ["HEAD"])


async def test_a_pinned_list_is_held_as_an_index_of_our_own(scene: Scene) -> None:
    """Made once, remembered, and known without the source."""
    spec = scene.spec(ONE_OF_THREE, pin=scene.put(docker=False))
    first = await scene.checker().check(spec)
    assert first.decision != Copy(spec.pin or Digest.of(b""), Verdict.MISSING)
    y = await scene.take(first)
    scene.forget()
    assert (await scene.checker().check(spec)).decision == Keep(y)
    assert scene.asked == ([], ["HEAD"])


async def test_a_pinned_image_that_is_held_as_it_was_is_converted_by_order(scene: Scene) -> None:
    """That the cache holds X itself is not enough then."""
    pin = scene.put(index=False)
    spec = scene.spec(pin=pin)
    transfer(scene.origin, scene.kept, pin)
    scene.kept.store.tag(TARGET_REPOSITORY, "1.0", pin)
    assert (await scene.checker(AUTO).check(spec)).decision == Keep(Digest.parse(pin))
    checked = await scene.checker(CONVERT).check(spec)
    assert isinstance(checked.decision, Copy)
    assert str(checked.decision.expected) != pin


async def test_a_changed_list_of_platforms_is_noticed(scene: Scene) -> None:
    """The wish belongs to what is remembered."""
    scene.put(docker=False)
    await scene.take(await scene.checker().check(scene.spec(ONE_OF_THREE)))
    checked = await scene.checker().check(scene.spec(TWO_OF_THREE))
    assert isinstance(checked.decision, Copy)
    assert checked.decision.verdict is Verdict.CHANGED


async def test_children_are_not_read_if_their_pulls_are_reserved(scene: Scene) -> None:
    """Deferred after X was read, with what it told."""
    index = scene.put()
    scene.hosts.remaining[scene.origin.host] = 3
    checked = await scene.checker(CONVERT).check(scene.spec(ALL))
    assert checked.decision == Defer()
    assert str(checked.remote_digest) == index
    assert methods(scene.origin) == ["HEAD", "GET"]
    scene.hosts.remaining[scene.origin.host] = 4
    assert isinstance((await scene.checker(CONVERT).check(scene.spec(ALL))).decision, Copy)


async def test_pulls_that_are_used_up_defer_no_image_that_needs_none_more(scene: Scene) -> None:
    """X was the last one that was free: what follows from it is known."""
    index = scene.put(docker=False)

    class Counting(KnownHosts):
        def quota(self, host: str) -> Quota | None:
            return Quota(100, 2 - 2 * len(scene.origin.asked("GET", f"*{index}")))

    scene.reserves = Reserves(Counting(), {scene.origin.host: HostPolicy(reserve_pulls=1)})
    checked = await scene.checker(CONVERT).check(scene.spec(ONE_OF_THREE))
    assert isinstance(checked.decision, Copy)


async def test_children_that_are_missing_at_the_source_are_its_failure(scene: Scene) -> None:
    """Fault row 43: nothing is decided on what could not be read."""
    index = scene.put()
    held = scene.origin.store.repository(SOURCE_REPOSITORY).manifests
    for digest in [each for each in held if each != index][:1]:
        del held[digest]
    decision = (await scene.checker(CONVERT).check(scene.spec(ALL))).decision
    assert isinstance(decision, Fail)
    assert (decision.reason, decision.error.kind) == (
        Reason.SOURCE_UNKNOWN,
        ErrorKind.BLOB_MISSING,
    )


@pytest.mark.parametrize("platforms", [ONE_OF_THREE, ALL], ids=["list", "all"])
async def test_the_cost_of_what_is_made_counts_what_is_made(
    scene: Scene, platforms: PlatformChoice
) -> None:
    """Its manifests are not asked for at the source, which does not have them."""
    scene.put()
    checker = scene.checker(CONVERT)
    checked = await checker.check(scene.spec(platforms))
    made = await scene.maker.made(checked)
    blobs = {blob.digest: blob.size for manifest in made for blob in manifest.blobs}
    size = sum(blobs.values()) + sum(len(manifest.content) for manifest in made)
    assert await checker.cost(checked) == size


async def test_a_remembered_lie_is_found_out_when_it_is_copied(scene: Scene) -> None:
    """X does not become it: it is doubted, X read, and the truth remembered."""
    index = scene.put(docker=False)
    spec = scene.spec(ONE_OF_THREE)
    lie = Digest.of(b"nothing that could be made of it")
    scene.ledger.record(spec, Digest.parse(index), lie, convert=False)
    checked = await scene.checker().check(spec)
    assert checked.decision == Copy(lie, Verdict.MISSING)
    with pytest.raises(RegistryError) as caught:
        await scene.maker.made(checked)
    assert caught.value.kind is ErrorKind.NOT_FOUND
    again = await scene.checker().check(spec, lie)
    assert expected(again) == (await scene.maker.made(again))[0].digest
    assert await scene.checker().check(spec) == again
