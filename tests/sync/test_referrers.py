"""Signatures and the like follow their image into the cache, and are found there, over sockets."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from image_sync.engines import Builtin, Copied, CopyRequest
from image_sync.errors import CopyError, EngineError, ErrorKind, ImageSyncError, RegistryError, Side
from image_sync.events import Event, Warned
from image_sync.model import HostPolicy, ImageSpec
from image_sync.oci import AllPlatforms, Digest, Manifest, mediatypes
from image_sync.oci.conversion import convert
from image_sync.oci.manifest import MAX_MANIFEST
from image_sync.oci.referrers import cosign_tags
from image_sync.registry import RegistryClient, recent
from image_sync.registry.referrers import ReferrerLists
from image_sync.sync import Reserves
from image_sync.sync.referrers import Referrer, Referrers
from tests.hostile import Answer, Fault, Held, HostileRegistry, ReferrersApi, Refusal, WrongBytes
from tests.hostile.referrers import (
    entry_of,
    fallback_tag,
    put_cosign,
    put_fallback,
    put_referrer,
)
from tests.hostile.store import OCI_INDEX, document
from tests.sync.scene import (
    SOURCE_REPOSITORY,
    TARGET_REPOSITORY,
    KnownHosts,
    ScriptedEngine,
    copying,
    lying,
    make_spec,
    referrers_of,
    transfer,
)

pytestmark = pytest.mark.anyio


class NoTurn:
    """Nobody waits."""

    def progress(self, moved: int, size: int | None = None) -> None:
        """Not told."""

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[None]:
        """No place to give away."""
        await anyio.lowlevel.checkpoint()
        yield


TURN = NoTurn()


@pytest.fixture
def origin(origin: HostileRegistry) -> HostileRegistry:
    """The source has the API."""
    origin.referrers = ReferrersApi()
    return origin


@pytest.fixture
def spec(origin: HostileRegistry, kept: HostileRegistry) -> ImageSpec:
    return make_spec(source=origin.host, target=kept.host, platforms=AllPlatforms())


@pytest.fixture
def referrers(client: RegistryClient, events: list[Event]) -> Referrers:
    """What a process has, with the engine that is meant for it."""
    return referrers_of(client, KnownHosts(), events.append, Builtin(client))


@pytest.fixture
def image(origin: HostileRegistry, kept: HostileRegistry) -> Digest:
    """An index of two platforms, which the cache holds, too."""
    platforms = ["linux/amd64", "linux/arm64"]
    digest = origin.store.put_platforms(SOURCE_REPOSITORY, "1.0", platforms=platforms)
    transfer(origin, kept, digest)
    kept.store.tag(TARGET_REPOSITORY, "1.0", digest)
    return Digest.parse(digest)


def sign(origin: HostileRegistry, subject: object, text: bytes = b"signed") -> str:
    return put_referrer(origin.store, SOURCE_REPOSITORY, str(subject), text)


def child_of(origin: HostileRegistry, image: Digest) -> str:
    """The first child of an index."""
    content = origin.store.content(SOURCE_REPOSITORY, str(image))
    return str(json.loads(content)["manifests"][0]["digest"])


def digests(found: Sequence[Referrer]) -> list[str]:
    return [str(each.digest) for each in found]


def warnings(events: Sequence[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Warned)]


async def bring_all(referrers: Referrers, spec: ImageSpec, image: Digest) -> Copied:
    missing = await referrers.missing_of(spec, image)
    copied = await referrers.bring(spec, missing, TURN)
    assert await referrers.missing_of(spec, image) == ()
    return copied


@pytest.mark.parametrize("api", [True, False], ids=["api", "tag"])
@pytest.mark.parametrize("target_api", [True, False], ids=["to api", "to tag"])
async def test_what_refers_to_an_image_is_found_in_the_cache(
    client: RegistryClient,
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
    api: bool,  # noqa: FBT001
    target_api: bool,  # noqa: FBT001
) -> None:
    """Of the index and of its child; by the API or by the tag, whatever either side has."""
    kept.referrers = ReferrersApi() if target_api else None
    child = child_of(origin, image)
    about = {str(image): [sign(origin, image), sign(origin, image, b"sbom")]}
    about[child] = [sign(origin, child)]
    if not api:
        origin.referrers = None
        for subject, wanted in about.items():
            put_fallback(origin.store, SOURCE_REPOSITORY, subject, wanted)
    await bring_all(referrers, spec, image)
    for subject, wanted in about.items():
        listed = await ReferrerLists(client).read(spec.target, Digest.parse(subject))
        assert {str(each.digest) for each in listed.referrers} == set(wanted)
        tag = kept.store.tagged(TARGET_REPOSITORY, fallback_tag(subject))
        assert (tag is None) == target_api
    for digest in {each for listed in about.values() for each in listed}:
        held = kept.store.content(TARGET_REPOSITORY, digest)
        assert held == origin.store.content(SOURCE_REPOSITORY, digest)
        for layer in json.loads(held)["layers"]:
            assert kept.store.content(TARGET_REPOSITORY, layer["digest"])


async def test_what_cosign_keeps_comes_under_its_tags(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
) -> None:
    """Signatures, attestations and SBOMs; a tag that moved comes again, the others do not."""
    for kind in ("sig", "att", "sbom"):
        put_cosign(origin.store, SOURCE_REPOSITORY, str(image), kind, kind.encode())
    child = child_of(origin, image)
    put_cosign(origin.store, SOURCE_REPOSITORY, child)
    await bring_all(referrers, spec, image)
    names = [*cosign_tags(image), f"{fallback_tag(child)}.sig"]
    for name in names:
        held = origin.store.tagged(SOURCE_REPOSITORY, name)
        assert held == kept.store.tagged(TARGET_REPOSITORY, name) is not None
    again = put_cosign(origin.store, SOURCE_REPOSITORY, str(image), "sig", b"by two")
    missing = await referrers.missing_of(spec, image)
    assert [(str(each.digest), each.tag) for each in missing] == [(again, names[0])]
    await referrers.bring(spec, missing, TURN)
    assert kept.store.tagged(TARGET_REPOSITORY, names[0]) == again


async def test_an_image_without_any_costs_what_is_documented(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
) -> None:
    """At the source a list and three HEADs for each of three manifests; at the cache, the image."""
    assert await referrers.missing_of(spec, image) == ()
    assert await referrers.bring(spec, (), TURN) == Copied(0, 0)
    assert len(origin.asked("GET", "*/referrers/*")) == 3
    assert len(origin.asked("HEAD", "*/manifests/sha256-*")) == 9
    assert len(origin.requests) == 12
    assert len(kept.requests) == len(kept.asked("GET", "*/manifests/sha256:*")) == 3


async def test_one_that_is_there_costs_a_question_at_the_cache(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
) -> None:
    """And the source is not asked for it again."""
    kept.referrers = ReferrersApi()
    digest = sign(origin, image)
    await bring_all(referrers, spec, image)
    origin.requests.clear()
    kept.requests.clear()
    assert await referrers.missing_of(spec, image) == ()
    assert origin.asked("*", f"*/{digest}") == []
    assert len(kept.requests) == 3 + 2


async def test_a_late_one_comes_alone(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
) -> None:
    """Nothing of the image moves again, and its tag stays."""
    first = sign(origin, image)
    await bring_all(referrers, spec, image)
    late = sign(origin, image, b"late")
    origin.requests.clear()
    kept.requests.clear()
    missing = await referrers.missing_of(spec, image)
    assert digests(missing) == [late]
    copied = await referrers.bring(spec, missing, TURN)
    manifest = origin.store.content(SOURCE_REPOSITORY, late)
    assert copied.bytes_copied == len(b"late") + len(manifest)
    fetched = [request.path.rpartition("/")[2] for request in origin.asked("GET", "*/blobs/*")]
    assert fetched == [digest_of_layer(origin, late)]
    assert kept.asked("PUT", "*/manifests/1.0") == []
    assert first in kept.store.repository(TARGET_REPOSITORY).manifests


def digest_of_layer(origin: HostileRegistry, digest: str) -> str:
    manifest = json.loads(origin.store.content(SOURCE_REPOSITORY, digest))
    return str(manifest["layers"][0]["digest"])


async def test_an_entry_that_was_lost_is_added_again(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
) -> None:
    """Two writers of one index lose entries of each other, never for good."""
    mine, theirs = sign(origin, image), sign(origin, image, b"theirs")
    await bring_all(referrers, spec, image)
    put_fallback(kept.store, TARGET_REPOSITORY, str(image), [theirs])
    assert digests(await referrers.missing_of(spec, image)) == [mine]
    await bring_all(referrers, spec, image)
    assert kept.store.tagged(TARGET_REPOSITORY, fallback_tag(str(image)))


async def test_one_that_is_listed_and_was_lost_comes_again(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
) -> None:
    """An index under a tag says nothing of what is there."""
    digest = sign(origin, image)
    await bring_all(referrers, spec, image)
    del kept.store.repository(TARGET_REPOSITORY).manifests[digest]
    await bring_all(referrers, spec, image)
    assert digest in kept.store.repository(TARGET_REPOSITORY).manifests


async def test_what_the_cache_has_beyond_the_source_stays(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
) -> None:
    """An operator may sign there."""
    own = put_referrer(kept.store, TARGET_REPOSITORY, str(image), b"our own")
    put_fallback(kept.store, TARGET_REPOSITORY, str(image), [own])
    digest = sign(origin, image)
    await bring_all(referrers, spec, image)
    index = kept.store.tagged(TARGET_REPOSITORY, fallback_tag(str(image)))
    assert index
    entries = json.loads(kept.store.content(TARGET_REPOSITORY, index))["manifests"]
    assert {entry["digest"] for entry in entries} == {own, digest}


async def test_referrers_of_referrers_are_not_followed(
    referrers: Referrers, spec: ImageSpec, origin: HostileRegistry, image: Digest
) -> None:
    """One level, so that no chain and no circle has a say (fault row 39)."""
    first = sign(origin, image)
    sign(origin, first, b"about the signature")
    assert digests(await referrers.missing_of(spec, image)) == [first]


async def test_a_list_is_not_believed(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    image: Digest,
    events: list[Event],
) -> None:
    """What names another subject, the image itself, and what is gone, are left out; said once."""
    other = origin.store.put_image(SOURCE_REPOSITORY, layers=[b"unrelated"])
    gone, true = sign(origin, image, b"gone"), sign(origin, image)
    origin.referrers = None
    listed = [other, child_of(origin, image), gone, true]
    put_fallback(origin.store, SOURCE_REPOSITORY, str(image), listed)
    del origin.store.repository(SOURCE_REPOSITORY).manifests[gone]
    for _ in range(2):
        assert digests(await referrers.missing_of(spec, image)) == [true]
    said = warnings(events)
    assert len(said) == 3
    assert sum("does not say so" in line for line in said) == 2


async def test_what_a_list_has_wrongly_is_read_once(
    client: RegistryClient,
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    image: Digest,
) -> None:
    """A digest stands for the same bytes for ever, also when their manifest is at hand no more."""
    read = recent.MOST // MAX_MANIFEST + 1
    other = origin.store.put_image(SOURCE_REPOSITORY, layers=[b"unrelated"])
    origin.referrers = None
    put_fallback(origin.store, SOURCE_REPOSITORY, str(image), [other])
    assert await referrers.missing_of(spec, image) == ()
    for number in range(read):
        note = {"note": str(number) * (MAX_MANIFEST - 1_000)}
        content = document({"schemaVersion": 2, "manifests": [], "annotations": note})
        large = origin.store.put_manifest(SOURCE_REPOSITORY, None, content, OCI_INDEX)
        await client.get_manifest(spec.source, spec.source.repository.digest(Digest.parse(large)))
    assert await referrers.missing_of(spec, image) == ()
    assert len(origin.asked("GET", f"*/manifests/{other}")) == 1


async def test_pulls_that_are_reserved_are_not_spent_on_reading(
    client: RegistryClient,
    spec: ImageSpec,
    origin: HostileRegistry,
    image: Digest,
    events: list[Event],
) -> None:
    """What is missing is told as it is listed, so that its copy, which costs as much, waits."""
    other = origin.store.put_image(SOURCE_REPOSITORY, layers=[b"unrelated"])
    held = origin.store.repository(SOURCE_REPOSITORY).manifests
    entries = [entry_of(held[each]) for each in (other, sign(origin, image))]
    body = document({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    origin.inject(Fault("GET", f"*/referrers/{image}", Answer(200, body, media_type=OCI_INDEX)))
    hosts = KnownHosts({origin.host: 11})
    reserves = Reserves(hosts, {origin.host: HostPolicy(reserve_pulls=10)})
    referrers = referrers_of(client, hosts, events.append, Builtin(client), reserves=reserves)
    assert len(await referrers.missing_of(spec, image)) == 2
    assert origin.asked("GET", "*/manifests/*") == []
    hosts.remaining[origin.host] = 12
    assert len(await referrers.missing_of(spec, image)) == 1
    assert reserves.allows(origin.host, 2)


@pytest.mark.parametrize(
    ("silent", "doing"),
    [
        ((Side.TARGET, "GET", "*/manifests/sha256:*"), "reading its manifests"),
        ((Side.SOURCE, "GET", "*/referrers/*"), "asking what refers to it"),
        ((Side.SOURCE, "HEAD", "*.sig"), "asking what refers to it"),
        ((Side.TARGET, "GET", "*/referrers/*"), "asking what refers to it"),
        ((Side.SOURCE, "GET", "*/manifests/*"), "reading what refers to it"),
    ],
)
async def test_a_registry_that_falls_silent_holds_up_no_search_for_longer_than_a_copy_may_take(
    client: RegistryClient,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
    events: list[Event],
    silent: tuple[Side, str, str],
    doing: str,
) -> None:
    """Whichever of the two it is; the error says which, and what took so long."""
    sign(origin, image)
    side, method, path = silent
    (origin if side is Side.SOURCE else kept).inject(Fault(method, path, Held()))
    engine = Builtin(client)
    referrers = referrers_of(client, KnownHosts(), events.append, engine, deadline=1.0)
    with anyio.fail_after(20), pytest.raises(RegistryError) as caught:
        await referrers.missing_of(spec, image)
    assert (caught.value.kind, caught.value.side) == (ErrorKind.TIMEOUT, side)
    assert f"{doing} took longer than settings.pull_timeout_secs (1 s)" in caught.value.message


@pytest.mark.parametrize(
    ("silent", "doing"),
    [
        (("GET", "*/manifests/sha256:*"), "reading back what refers to it"),
        (("PUT", "*.sig"), "tagging what refers to it"),
        (("HEAD", "*/manifests/sha256-*"), "listing what refers to it"),
    ],
)
async def test_a_cache_that_falls_silent_holds_up_no_referrer_for_longer_than_a_copy_may_take(
    client: RegistryClient,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
    events: list[Event],
    silent: tuple[str, str],
    doing: str,
) -> None:
    """After its copy, for which the engine has a deadline of its own."""
    sign(origin, image)
    put_cosign(origin.store, SOURCE_REPOSITORY, str(image))
    engine = ScriptedEngine("crane", copying(origin, kept))
    referrers = referrers_of(client, KnownHosts(), events.append, engine, deadline=1.0)
    missing = await referrers.missing_of(spec, image)
    kept.inject(Fault(*silent, Held()))
    with anyio.fail_after(20), pytest.raises(RegistryError) as caught:
        await referrers.bring(spec, missing, TURN)
    assert (caught.value.kind, caught.value.side) == (ErrorKind.TIMEOUT, Side.TARGET)
    assert f"{doing} took longer than settings.pull_timeout_secs (1 s)" in caught.value.message


async def test_strange_types_are_left_out(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    image: Digest,
    events: list[Event],
) -> None:
    """Such as the artifact manifests that the specification gave up."""
    digest, odd = sign(origin, image), "application/vnd.oci.artifact.manifest.v1+json"
    held = origin.store.repository(SOURCE_REPOSITORY).manifests[digest]
    entries = [entry_of(held), entry_of(held) | {"mediaType": odd, "digest": f"sha256:{'e' * 64}"}]
    body = document({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    origin.inject(Fault("GET", f"*/referrers/{image}", Answer(200, body, media_type=OCI_INDEX)))
    assert digests(await referrers.missing_of(spec, image)) == [digest]
    assert odd in warnings(events)[0]


async def test_a_hundred_are_copied_and_no_more(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
    events: list[Event],
) -> None:
    """Fault row 80: the first hundred of an image; that is said, and is no failure."""
    many = [sign(origin, image, b"%d" % number) for number in range(101)]
    sign(origin, child_of(origin, image))
    missing = await referrers.missing_of(spec, image)
    assert digests(missing) == many[:100]
    assert "more than 100 referrers" in warnings(events)[0]
    await referrers.bring(spec, missing, TURN)
    assert await referrers.missing_of(spec, image) == ()
    assert len(warnings(events)) == 1
    assert len(kept.asked("PUT", f"*/manifests/{fallback_tag(str(image))}")) == 1


async def test_a_long_list_in_the_cache_is_read_to_its_end(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
) -> None:
    """What stands after a hundred others is there."""
    kept.referrers = ReferrersApi(page=60)
    for number in range(130):
        put_referrer(kept.store, TARGET_REPOSITORY, str(image), b"own %d" % number)
    sign(origin, image)
    await bring_all(referrers, spec, image)


async def test_a_converted_image_has_none(
    referrers: Referrers,
    client: RegistryClient,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    events: list[Event],
) -> None:
    """What is signed at the source is another digest; nobody is asked, and it is said once for all
    images."""
    for layer in (b"one", b"two"):
        docker = origin.store.put_image(SOURCE_REPOSITORY, layers=[layer], docker=True)
        content = origin.store.content(SOURCE_REPOSITORY, docker)
        source = Manifest.parse(content, mediatypes.DOCKER_MANIFEST)
        [made] = convert(source, {}, source.digest)
        kept.store.repository(TARGET_REPOSITORY).blobs |= origin.store.repository(
            SOURCE_REPOSITORY
        ).blobs
        kept.store.put_manifest(TARGET_REPOSITORY, None, made.content, made.media_type)
        assert await referrers.missing_of(spec, made.digest) == ()
    assert origin.requests == []
    [line] = warnings(events)
    assert "images that were converted, such as" in line


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        pytest.param("*/referrers/*", 403, ErrorKind.DENIED, id="list"),
        pytest.param("*/manifests/sha256-*.att", 401, ErrorKind.UNAUTHORIZED, id="cosign"),
        pytest.param("*/manifests/sha256:*", 403, ErrorKind.DENIED, id="manifest"),
    ],
)
async def test_a_source_that_does_not_say_has_not_none(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    image: Digest,
    path: str,
    status: int,
    kind: ErrorKind,
) -> None:
    """It could not be checked, and that is what comes out."""
    sign(origin, image)
    origin.inject(Fault("GET|HEAD", path, Refusal(status, "DENIED")))
    with pytest.raises(RegistryError) as caught:
        await referrers.missing_of(spec, image)
    assert (caught.value.kind, caught.value.side) == (kind, Side.SOURCE)


async def test_one_that_fails_keeps_no_other_away(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
) -> None:
    """The failure is told when the others are in."""
    bad, good = sign(origin, image, b"bad"), sign(origin, image, b"good")
    put_cosign(origin.store, SOURCE_REPOSITORY, str(image))
    origin.inject(Fault("GET", f"*/blobs/{digest_of_layer(origin, bad)}", WrongBytes()))
    missing = await referrers.missing_of(spec, image)
    with pytest.raises(EngineError) as caught:
        await referrers.bring(spec, missing, TURN)
    assert caught.value.kind is ErrorKind.BAD_CONTENT
    assert digests(await referrers.missing_of(spec, image)) == [bad]
    assert good in kept.store.repository(TARGET_REPOSITORY).manifests


async def test_a_registry_that_is_down_ends_it(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
) -> None:
    """No other is tried."""
    for text in (b"one", b"two"):
        sign(origin, image, text)
    missing = await referrers.missing_of(spec, image)
    kept.inject(Fault("POST|PUT", "*", Refusal(403, "DENIED")))
    with pytest.raises(ImageSyncError) as caught:
        await referrers.bring(spec, missing, TURN)
    assert caught.value.kind is ErrorKind.DENIED
    assert len({request.path for request in kept.asked("POST", "*")}) == 1


async def test_an_engine_is_not_believed(
    client: RegistryClient,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
    events: list[Event],
) -> None:
    """Nothing is listed or tagged that did not arrive."""
    sign(origin, image)
    put_cosign(origin.store, SOURCE_REPOSITORY, str(image))
    tags = dict(kept.store.repository(TARGET_REPOSITORY).tags)
    engine = ScriptedEngine("liar", lying)
    referrers = referrers_of(client, KnownHosts(), events.append, engine)
    missing = await referrers.missing_of(spec, image)
    with pytest.raises(CopyError) as caught:
        await referrers.bring(spec, missing, TURN)
    assert caught.value.kind is ErrorKind.BLOB_MISSING
    assert len(engine.requests) == 2
    assert kept.store.repository(TARGET_REPOSITORY).tags == tags


async def test_a_cosign_tag_moves_only_when_all_below_it_is_there(
    client: RegistryClient,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
    events: list[Event],
) -> None:
    """A signature with a hole is worse than none."""

    def half(request: CopyRequest) -> Copied:
        held = origin.store.repository(SOURCE_REPOSITORY).manifests[str(request.digest)]
        kept.store.repository(TARGET_REPOSITORY).manifests[str(request.digest)] = held
        return Copied(None, None)

    put_cosign(origin.store, SOURCE_REPOSITORY, str(image))
    engine = ScriptedEngine("half", half)
    referrers = referrers_of(client, KnownHosts(), events.append, engine)
    missing = await referrers.missing_of(spec, image)
    with pytest.raises(CopyError, match="missing"):
        await referrers.bring(spec, missing, TURN)
    assert kept.store.tagged(TARGET_REPOSITORY, cosign_tags(image)[0]) is None


async def test_a_cache_that_lists_nothing_is_an_error(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
) -> None:
    """One with the API that took a referrer has to list it; another try may find it does."""
    kept.referrers = ReferrersApi()
    sign(origin, image)
    empty = document({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})
    kept.inject(Fault("GET", "*/referrers/*", Answer(200, empty, media_type=OCI_INDEX)))
    missing = await referrers.missing_of(spec, image)
    with pytest.raises(CopyError, match="not listed") as caught:
        await referrers.bring(spec, missing, TURN)
    assert (caught.value.kind, caught.value.side) == (ErrorKind.UNAVAILABLE, Side.TARGET)
    assert kept.store.tagged(TARGET_REPOSITORY, fallback_tag(str(image))) is None


async def test_a_damaged_image_in_the_cache_is_told(
    referrers: Referrers,
    spec: ImageSpec,
    origin: HostileRegistry,
    kept: HostileRegistry,
    image: Digest,
) -> None:
    """Its referrers cannot be known, and it has to be healed first."""
    child = child_of(origin, image)
    del kept.store.repository(TARGET_REPOSITORY).manifests[child]
    with pytest.raises(RegistryError) as caught:
        await referrers.missing_of(spec, image)
    assert (caught.value.kind, caught.value.side) == (ErrorKind.BLOB_MISSING, Side.TARGET)
