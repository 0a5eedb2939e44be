"""Checks over real sockets: what is asked of whom, and what is believed."""

import anyio
import pytest

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.model import DockerManifests, HostPolicy, ImageSpec, Reason, Verdict
from image_sync.oci import AllPlatforms, Digest
from image_sync.registry import RegistryClient
from image_sync.sync import Checker, Conversion, Ledger, Maker, RegistryStore, Reserves
from image_sync.sync.check import INDEX_PULLS
from image_sync.sync.checked import Checked
from image_sync.sync.plan import Copy, Defer, Fail, Keep
from tests.hostile import (
    Answer,
    Fault,
    Held,
    HostileRegistry,
    Refusal,
    TagMoves,
    TooManyRequests,
    WithField,
    WithoutFields,
)
from tests.hostile.documents import put_sparse_index
from tests.hostile.store import digest_of
from tests.sync.scene import SOURCE_REPOSITORY, TARGET_REPOSITORY, KnownHosts, make_spec, transfer

pytestmark = pytest.mark.anyio
ANYTHING = str(Digest.of(b"something that nobody has"))


def forgetful() -> Ledger:
    return Ledger(None, lambda _: None, lambda: 20_000)


def checker(
    client: RegistryClient, ledger: Ledger | None = None, reserves: Reserves | None = None
) -> Checker:
    return Checker(
        client,
        ledger or forgetful(),
        reserves or Reserves(KnownHosts(), {}),
        Maker(client),
        Conversion(DockerManifests.AUTO, lambda _: None),
    )


def between(origin: HostileRegistry, kept: HostileRegistry, **more: object) -> ImageSpec:
    return make_spec(source=origin.host, target=kept.host, **more)  # type: ignore[arg-type]


def gets(registry: HostileRegistry) -> list[str]:
    return [request.path for request in registry.asked("GET", "/v2/*/manifests/*")]


async def test_an_image_that_is_up_to_date_costs_one_head_at_either_side(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """No manifest is read anywhere."""
    digest = origin.store.put_image(SOURCE_REPOSITORY, "1.0")
    kept.store.put_image(TARGET_REPOSITORY, "1.0")
    checked = await checker(client).check(between(origin, kept))
    assert checked.decision == Keep(Digest.parse(digest))
    assert str(checked.remote_digest) == str(checked.cached_digest) == digest
    assert [request.method for request in origin.requests + kept.requests] == ["HEAD", "HEAD"]


@pytest.mark.parametrize("whole", [True, False], ids=["all", "single manifest"])
async def test_where_x_decides_alone_a_change_is_seen_without_reading_a_manifest(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry, *, whole: bool
) -> None:
    """Y is X; what a copy will cost is estimated by whether it is an index."""
    put = origin.store.put_platforms if whole else origin.store.put_image
    digest = put(SOURCE_REPOSITORY, "1.0")
    platforms = {"platforms": AllPlatforms()} if whole else {}
    checked = await checker(client).check(between(origin, kept, **platforms))
    assert checked.decision == Copy(Digest.parse(digest), Verdict.MISSING)
    assert checked.pulls == (INDEX_PULLS if whole else 1)
    assert gets(origin) == []


async def test_the_platform_of_an_index_is_looked_up_once_and_remembered(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """One GET the first time, none while the pair is known: neither when copied nor after."""
    index = origin.store.put_platforms(SOURCE_REPOSITORY, "1.0")
    ledger = forgetful()
    spec = between(origin, kept)
    first = await checker(client, ledger).check(spec)
    assert isinstance(first.decision, Copy)
    assert gets(origin) == [f"/v2/{SOURCE_REPOSITORY}/manifests/{index}"]
    child = str(first.decision.expected)
    assert child != index
    transfer(origin, kept, child)
    kept.store.tag(TARGET_REPOSITORY, "1.0", child)
    second = await checker(client, ledger).check(spec)
    assert second.decision == Keep(first.decision.expected)
    assert str(second.remote_digest) == index
    assert len(gets(origin)) == 1


async def test_where_there_is_nothing_to_remember_the_ledger_is_not_waited_for(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """A single image of the OCI's is decided while it is still being read."""
    origin.store.put_image(SOURCE_REPOSITORY, "1.0")
    place = make_spec(target=kept.host).target
    unread = Ledger(RegistryStore(client, place, "own"), lambda _: None, lambda: 20_000)
    with anyio.fail_after(30):
        checked = await checker(client, unread).check(between(origin, kept))
    assert isinstance(checked.decision, Copy)


async def test_a_pinned_image_that_is_kept_is_not_asked_for_at_the_source(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """The pin says what X is."""
    digest = kept.store.put_image(TARGET_REPOSITORY, "1.0")
    checked = await checker(client).check(between(origin, kept, pin=digest))
    assert checked.decision == Keep(Digest.parse(digest))
    assert origin.requests == []


@pytest.mark.parametrize("whose", ["nobody's", "source's", "cache's"])
async def test_a_pin_is_not_reported_as_what_the_source_holds_unless_that_is_known(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry, whose: str
) -> None:
    """Not where the source says that it has no such thing, does not say, or was not asked."""
    if whose == "source's":
        origin.inject(Fault("*", "*", Refusal(403, "DENIED")))
    if whose == "cache's":
        kept.inject(Fault("*", "*", Refusal(403, "DENIED")))
    checked = await checker(client).check(between(origin, kept, pin=ANYTHING))
    assert isinstance(checked.decision, Fail)
    assert checked.remote_digest is None
    digest = kept.store.put_image(TARGET_REPOSITORY, "2.0")
    if whose != "cache's":
        fine = await checker(client).check(between(origin, kept, tag="2.0", pin=digest))
        assert str(fine.remote_digest) == digest


async def test_a_pinned_image_that_is_missing_is_asked_for_by_its_digest(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """Whatever the tag names by now."""
    digest = origin.store.put_image(SOURCE_REPOSITORY, None)
    origin.store.put_image(SOURCE_REPOSITORY, "1.0", layers=[b"newer"])
    checked = await checker(client).check(between(origin, kept, pin=digest))
    assert checked.decision == Copy(Digest.parse(digest), Verdict.MISSING)
    assert [request.path for request in origin.requests] == [
        f"/v2/{SOURCE_REPOSITORY}/manifests/{digest}"
    ]


async def test_a_pin_is_never_overruled_by_a_header(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """HEAD names another digest than was asked for (fault row 30): the bytes decide."""
    digest = origin.store.put_image(SOURCE_REPOSITORY, None)
    lie = WithField("Docker-Content-Digest", ANYTHING)
    origin.inject(Fault("HEAD", "*", lie))
    checked = await checker(client).check(between(origin, kept, pin=digest))
    assert checked.decision == Copy(Digest.parse(digest), Verdict.MISSING)


@pytest.mark.parametrize("index", [True, False])
async def test_a_lying_head_loses_against_the_bytes_and_is_not_believed_again(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry, *, index: bool
) -> None:
    """Fault row 30: found out when X is read, or when the copy of it fails."""
    put = origin.store.put_platforms if index else origin.store.put_image
    digest = put(SOURCE_REPOSITORY, "1.0")
    origin.inject(Fault("HEAD", "*", WithField("Docker-Content-Digest", ANYTHING)))
    spec = between(origin, kept)
    checked = await checker(client).check(spec)
    if not index:
        assert checked.decision == Copy(Digest.parse(ANYTHING), Verdict.MISSING)
        checked = await checker(client).check(spec, Digest.parse(ANYTHING))
    assert str(checked.remote_digest) == digest
    assert isinstance(checked.decision, Copy)
    origin.requests.clear()
    await checker(client).check(spec)
    assert origin.asked("HEAD", "*") == []


async def test_a_tag_that_moves_between_head_and_get_is_taken_as_it_is_now(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """Fault row 55: the old index is gone; the new one decides, and HEAD stays trusted."""
    old = origin.store.put_platforms(SOURCE_REPOSITORY, "1.0")
    new = origin.store.put_platforms(SOURCE_REPOSITORY, None, platforms=["linux/amd64"])
    origin.inject(
        Fault("HEAD", "*", TagMoves(origin.store, SOURCE_REPOSITORY, "1.0", new), times=1)
    )
    origin.inject(Fault("GET", f"*{old}", Refusal(404, "MANIFEST_UNKNOWN")))
    spec = between(origin, kept)
    checked = await checker(client).check(spec)
    assert str(checked.remote_digest) == new
    assert isinstance(checked.decision, Copy)
    origin.requests.clear()
    await checker(client).check(spec)
    assert origin.asked("HEAD", "*") != []


async def test_a_tag_that_vanishes_between_head_and_get_is_gone(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """Not "could not check": the source says that it has no such tag."""
    old = origin.store.put_platforms(SOURCE_REPOSITORY, "1.0")
    origin.inject(Fault("HEAD", "*", TagMoves(origin.store, SOURCE_REPOSITORY, "1.0", None)))
    origin.inject(Fault("GET", f"*{old}", Refusal(404, "MANIFEST_UNKNOWN")))
    decision = (await checker(client).check(between(origin, kept))).decision
    assert isinstance(decision, Fail)
    assert decision.reason is Reason.SOURCE_GONE


async def test_a_registry_that_names_a_digest_it_does_not_serve_is_an_error(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """Its tag's bytes have that digest, but nothing could copy it."""
    digest = origin.store.put_platforms(SOURCE_REPOSITORY, "1.0")
    origin.inject(Fault("GET", f"*{digest}", Refusal(404, "MANIFEST_UNKNOWN")))
    decision = (await checker(client).check(between(origin, kept))).decision
    assert isinstance(decision, Fail)
    assert (decision.reason, decision.error.kind) == (Reason.SOURCE_UNKNOWN, ErrorKind.NOT_FOUND)
    origin.requests.clear()
    await checker(client).check(between(origin, kept))
    assert origin.asked("HEAD", "*") != []


@pytest.mark.parametrize("whole", [True, False], ids=["all", "single manifest"])
async def test_what_is_named_by_sha512_is_kept_under_sha256(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry, *, whole: bool
) -> None:
    """The bytes are verified by the digest they came under; the pair is remembered."""
    put = origin.store.put_platforms if whole else origin.store.put_image
    short = put(SOURCE_REPOSITORY, None)
    held = origin.store.repository(SOURCE_REPOSITORY)
    manifest = held.manifests[short]
    long = digest_of(manifest.content, "sha512")
    held.manifests[long] = manifest
    held.tags["1.0"] = long
    platforms = {"platforms": AllPlatforms()} if whole else {}
    spec, ledger = between(origin, kept, **platforms), forgetful()
    checked = await checker(client, ledger).check(spec)
    assert checked.decision == Copy(Digest.parse(short), Verdict.MISSING)
    assert str(checked.remote_digest) == long
    kept.store.put_manifest(TARGET_REPOSITORY, "1.0", manifest.content, manifest.media_type)
    again = await checker(client, ledger).check(spec)
    assert again.decision == Keep(Digest.parse(short))
    assert len(gets(origin)) == 1


async def test_a_registry_without_digests_on_head_is_asked_with_get(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """Fault row 29."""
    digest = origin.store.put_image(SOURCE_REPOSITORY, "1.0")
    origin.inject(Fault("HEAD", "*", WithoutFields("Docker-Content-Digest")))
    checked = await checker(client).check(between(origin, kept))
    assert checked.decision == Copy(Digest.parse(digest), Verdict.MISSING)


@pytest.mark.parametrize(
    ("side", "behaviour", "reason", "kind"),
    [
        pytest.param(
            Side.SOURCE,
            Refusal(403, "DENIED"),
            Reason.SOURCE_UNKNOWN,
            ErrorKind.DENIED,
            id="source denies",
        ),
        pytest.param(
            Side.SOURCE,
            TooManyRequests(30, date=None),
            Reason.SOURCE_UNKNOWN,
            ErrorKind.RATE_LIMITED,
            id="source limits",
        ),
        pytest.param(
            Side.SOURCE,
            Refusal(404, "MANIFEST_UNKNOWN"),
            Reason.SOURCE_GONE,
            ErrorKind.NOT_FOUND,
            id="tag gone",
        ),
        pytest.param(
            Side.TARGET,
            Refusal(401, "UNAUTHORIZED"),
            Reason.TARGET_UNKNOWN,
            ErrorKind.UNAUTHORIZED,
            id="cache does not know us",
        ),
        pytest.param(
            Side.TARGET,
            Answer(418),
            Reason.TARGET_UNKNOWN,
            ErrorKind.UNSUPPORTED,
            id="cache answers nonsense",
        ),
    ],
)
async def test_what_could_not_be_checked_fails_with_side_and_cause_and_copies_nothing(
    client: RegistryClient,
    origin: HostileRegistry,
    kept: HostileRegistry,
    side: Side,
    behaviour: Answer | Refusal | TooManyRequests,
    reason: Reason,
    kind: ErrorKind,
) -> None:
    """Neither changed nor unchanged; and no manifest GET is spent at the source."""
    origin.store.put_platforms(SOURCE_REPOSITORY, "1.0")
    kept.store.put_image(TARGET_REPOSITORY, "1.0")
    asked = origin if side is Side.SOURCE else kept
    asked.inject(Fault("*", "*", behaviour))
    checked = await checker(client).check(between(origin, kept))
    assert isinstance(checked.decision, Fail)
    assert (checked.decision.reason, checked.decision.error.kind) == (reason, kind)
    assert gets(origin) == []


async def test_an_image_without_the_wanted_platform_is_unsuitable(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """The error names what there is instead."""
    origin.store.put_platforms(SOURCE_REPOSITORY, "1.0", platforms=["linux/arm64", "linux/s390x"])
    decision = (await checker(client).check(between(origin, kept))).decision
    assert isinstance(decision, Fail)
    assert (decision.reason, decision.error.kind) == (Reason.UNSUITABLE, ErrorKind.NO_PLATFORM)
    assert "linux/arm64, linux/s390x" in decision.error.message


async def test_pulls_that_are_reserved_are_not_spent_on_looking_up_a_platform(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """Deferred before the GET, with what the HEAD told."""
    index = origin.store.put_platforms(SOURCE_REPOSITORY, "1.0")
    policies = {origin.host: HostPolicy(reserve_pulls=10)}
    reserves = Reserves(KnownHosts({origin.host: 10}), policies)
    checked = await checker(client, reserves=reserves).check(between(origin, kept))
    assert checked.decision == Defer()
    assert str(checked.remote_digest) == index
    assert gets(origin) == []


async def test_checks_at_once_do_not_go_below_the_reserve_together(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """The last free pull goes to one of them, also while its answer is on the way."""
    for tag in ("1.0", "2.0"):
        origin.store.put_platforms(SOURCE_REPOSITORY, tag)
    policies = {origin.host: HostPolicy(reserve_pulls=9)}
    checking = checker(client, reserves=Reserves(KnownHosts({origin.host: 10}), policies))
    held = Held()
    origin.inject(Fault("GET", "*/manifests/*", held))
    found: list[Checked] = []

    async def check_first() -> None:
        found.append(await checking.check(between(origin, kept)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(check_first)
        await held.gate.reached()
        second = await checking.check(between(origin, kept, tag="2.0"))
        held.gate.open()
    assert second.decision == Defer()
    assert isinstance(found[0].decision, Copy)
    assert len(gets(origin)) == 1


async def test_finding_out_a_cost_keeps_its_pulls_from_others(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """As a copy does."""
    origin.store.put_image(SOURCE_REPOSITORY, "1.0")
    reserves = Reserves(KnownHosts({origin.host: 10}), {origin.host: HostPolicy(reserve_pulls=9)})
    checking = checker(client, reserves=reserves)
    checked = await checking.check(between(origin, kept))
    held = Held()
    origin.inject(Fault("GET", "*/manifests/*", held))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(checking.cost, checked)
        await held.gate.reached()
        assert await checking.cost(checked) is None
        held.gate.open()
    assert len(gets(origin)) == 1
    assert reserves.allows(origin.host, 1)


async def test_a_check_writes_nothing(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """Whatever it finds: only HEAD and GET are sent, so a dry run is one."""
    origin.store.put_platforms(SOURCE_REPOSITORY, "1.0")
    await checker(client).check(between(origin, kept))
    methods = {request.method for request in origin.requests + kept.requests}
    assert methods <= {"HEAD", "GET"}


async def test_the_cost_of_a_copy_is_what_its_manifests_say(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """Each blob once, and the manifests; nothing where nothing would be copied."""
    digest = origin.store.put_image(SOURCE_REPOSITORY, "1.0", layers=[b"twice", b"twice", b"once"])
    held = origin.store.repository(SOURCE_REPOSITORY)
    size = sum(map(len, held.blobs.values())) + len(held.manifests[digest].content)
    checking = checker(client)
    checked = await checking.check(between(origin, kept))
    assert await checking.cost(checked) == size
    kept_already = Checked(checked.spec, Keep(Digest.parse(digest)), None, None, 1)
    assert await checking.cost(kept_already) is None


async def test_the_cost_of_an_image_with_holes_is_an_error(
    client: RegistryClient, origin: HostileRegistry, kept: HostileRegistry
) -> None:
    """Fault row 43: a dry run that asks for bytes finds what the copy would find."""
    put_sparse_index(origin.store, SOURCE_REPOSITORY, "1.0")
    checking = checker(client)
    checked = await checking.check(between(origin, kept, platforms=AllPlatforms()))
    with pytest.raises(RegistryError) as caught:
        await checking.cost(checked)
    assert (caught.value.kind, caught.value.side) == (ErrorKind.BLOB_MISSING, Side.SOURCE)
