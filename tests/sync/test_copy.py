"""One attempt at an image: engines by script over real sockets, and what is believed of them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

import anyio
import msgspec
import pytest

from image_sync.engines import Copied, CopyRequest, Engine, Refusal
from image_sync.errors import CopyError, EngineError, ErrorKind, RegistryError, Side
from image_sync.events import CopyProgress, CopyStarted, EngineSkipped, Event, HostPaused, TagMoved
from image_sync.http import Http
from image_sync.model import (
    DockerManifests,
    Endpoint,
    HostPolicy,
    ImageSpec,
    Reason,
    Security,
    SyncResult,
    TlsPolicy,
    Verdict,
)
from image_sync.oci import AllPlatforms, Digest
from image_sync.registry import RegistryClient
from image_sync.sync import Checker, Conversion, Copier, Ledger, Limits, Pass, Reserves
from image_sync.sync.bring import Outcome
from image_sync.sync.checked import Checked
from image_sync.sync.copy import Deferred
from image_sync.sync.making import Maker
from image_sync.sync.plan import Copy
from tests.hostile import Fault, Held, HostileRegistry, HtmlPage
from tests.hostile import Refusal as Refused
from tests.hostile.referrers import put_cosign
from tests.sync.scene import (
    SOURCE_REPOSITORY,
    TARGET_REPOSITORY,
    KnownHosts,
    ScriptedEngine,
    Unwilling,
    copier_of,
    copying,
    failing,
    lying,
    make_spec,
    transfer,
    unchanged_of,
)

pytestmark = pytest.mark.anyio


class Bench:
    """An image at the origin, an older one in the cache, and a Copier with some engines."""

    def __init__(
        self,
        http: Http,
        client: RegistryClient,
        origin: HostileRegistry,
        kept: HostileRegistry,
        events: list[Event],
    ) -> None:
        self.http = http
        self.client, self.origin, self.kept, self.events = client, origin, kept, events
        self.new = origin.store.put_platforms(SOURCE_REPOSITORY, "1.0")
        self.old = kept.store.put_image(TARGET_REPOSITORY, "1.0", layers=[b"old"])
        self.spec = make_spec(source=origin.host, target=kept.host, platforms=AllPlatforms())
        self.reserves = Reserves(http, {})
        self.begun = 0

    @property
    def tagged(self) -> str | None:
        return self.kept.store.tagged(TARGET_REPOSITORY, "1.0")

    def copier(self, *engines: Engine, deadline: float = 300.0) -> Copier:
        return copier_of(
            self.client,
            self.http,
            self.events.append,
            *engines,
            reserves=self.reserves,
            deadline=deadline,
        )

    async def attempt(self, *engines: Engine, deadline: float = 300.0) -> Outcome | Deferred:
        copier = self.copier(*engines, deadline=deadline)
        return await copier.attempt(self.checked, Digest.parse(self.new), self)

    @property
    def checked(self) -> Checked:
        new, old = Digest.parse(self.new), Digest.parse(self.old)
        return Checked(self.spec, Copy(new, Verdict.CHANGED), new, old, 8)

    def begin(self) -> int:
        self.begun += 1
        return self.begun

    def resting(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def sweep(self, *engines: Engine, seconds: float | None = None) -> SyncResult:
        ledger = Ledger(None, self.events.append, lambda: 20_000)
        maker = Maker(self.client)
        conversion = Conversion(DockerManifests.KEEP, self.events.append)
        checker = Checker(self.client, ledger, self.reserves, maker, conversion)
        limits = Limits(concurrency=2, check_concurrency=4, timeout=seconds)
        sweeping = Pass(
            [self.spec],
            checker,
            self.copier(*engines),
            unchanged_of(self.client, self.http, self.events.append, *engines),
            limits,
            self.events.append,
            backoff=lambda _: 0.0,
        )
        [result] = await sweeping.run()
        return result


@pytest.fixture
def bench(
    http: Http,
    client: RegistryClient,
    origin: HostileRegistry,
    kept: HostileRegistry,
    events: list[Event],
) -> Bench:
    return Bench(http, client, origin, kept, events)


async def test_what_an_engine_brought_is_verified_and_named(bench: Bench) -> None:
    """Copied by digest, read back, and only then does the tag move."""
    engine = ScriptedEngine("crane", copying(bench.origin, bench.kept))
    assert await bench.attempt(engine) == Outcome("crane", 1_000, None)
    assert bench.tagged == bench.new
    [request] = engine.requests
    assert (str(request.digest), request.deadline) == (bench.new, 300.0)
    assert request.repair == frozenset()
    assert request.made == ()
    assert request.source_security is request.target_security is Security.CLEAR
    told = CopyStarted | CopyProgress | TagMoved
    assert [type(event) for event in bench.events if isinstance(event, told)] == [
        CopyStarted,
        CopyProgress,
        TagMoved,
    ]


async def test_an_image_that_is_in_the_cache_already_is_only_named(bench: Bench) -> None:
    """No engine runs, and the source is not asked for anything."""
    transfer(bench.origin, bench.kept, bench.new)
    engine = ScriptedEngine("crane", lying)
    outcome = await bench.attempt(engine)
    assert isinstance(outcome, Outcome)
    assert (outcome.engine, outcome.bytes_copied) == (None, 0)
    assert outcome.bytes_reused
    assert bench.tagged == bench.new
    assert engine.requests == []
    assert bench.origin.requests == []


async def test_a_tool_that_lies_never_moves_a_tag(bench: Bench) -> None:
    """It reports success and pushed nothing; the error says whose word that was."""
    with pytest.raises(CopyError, match=r"crane reported success, but .* is missing"):
        await bench.attempt(ScriptedEngine("crane", lying))
    assert bench.tagged == bench.old


def losing(bench: Bench, what: str) -> Callable[[CopyRequest], Copied]:
    """A script that copies and loses something on the way."""

    def act(request: CopyRequest) -> Copied:
        copied = copying(bench.origin, bench.kept)(request)
        held = bench.kept.store.repository(TARGET_REPOSITORY)
        lost = held.blobs if what == "blob" else held.manifests
        wanted = bench.origin.store.repository(SOURCE_REPOSITORY)
        names = wanted.blobs if what == "blob" else wanted.manifests
        del lost[next(name for name in names if name != bench.new)]
        return copied

    return act


@pytest.mark.parametrize("what", ["blob", "child"])
async def test_a_tool_that_loses_something_never_moves_a_tag(bench: Bench, what: str) -> None:
    """A blob or a child that is not there is found before the tag moves."""
    with pytest.raises(CopyError, match="missing"):
        await bench.attempt(ScriptedEngine("crane", losing(bench, what)))
    assert bench.tagged == bench.old


async def test_the_next_engine_fills_the_gaps_of_one_that_left_some(bench: Bench) -> None:
    """And the change of engines is told, with its reason."""
    first = ScriptedEngine("crane", losing(bench, "blob"))
    second = ScriptedEngine("skopeo", copying(bench.origin, bench.kept))
    outcome = await bench.attempt(first, second)
    assert isinstance(outcome, Outcome)
    assert outcome.engine == "skopeo"
    assert bench.tagged == bench.new
    [skipped] = [event for event in bench.events if isinstance(event, EngineSkipped)]
    assert (skipped.engine, skipped.chosen) == ("crane", "skopeo")
    assert "missing" in skipped.why


@pytest.mark.parametrize("what", ["blob", "child"])
async def test_a_damaged_image_is_copied_past_the_engines_short_cuts(
    bench: Bench, what: str
) -> None:
    """The manifest is there and something below it is not: the engine is told to look closely."""
    losing(bench, what)(_request(bench))
    engine = ScriptedEngine("skopeo", copying(bench.origin, bench.kept))
    await bench.attempt(engine)
    [request] = engine.requests
    assert len(request.repair) == 1
    assert bench.tagged == bench.new


async def test_a_manifest_that_the_cache_fails_to_serve_is_no_damage(bench: Bench) -> None:
    """It could not be checked; only a verification goes further."""
    transfer(bench.origin, bench.kept, bench.new)
    held = bench.kept.store.repository(TARGET_REPOSITORY).manifests
    child = next(name for name in held if name not in {bench.new, bench.old})
    bench.kept.inject(Fault("GET", f"*{child}", HtmlPage(500)))
    engine = ScriptedEngine("builtin", copying(bench.origin, bench.kept))
    with pytest.raises(RegistryError) as caught:
        await bench.attempt(engine)
    error = caught.value
    assert (error.kind, error.side, bench.begun) == (ErrorKind.UNAVAILABLE, Side.TARGET, 0)
    assert engine.requests == []
    assert bench.tagged == bench.old


def _request(bench: Bench) -> CopyRequest:
    return CopyRequest(
        source=bench.spec.source,
        target=bench.spec.target,
        digest=Digest.parse(bench.new),
        source_security=Security.CLEAR,
        target_security=Security.CLEAR,
        deadline=1.0,
    )


async def test_an_engine_that_will_not_is_passed_over_and_that_is_told(bench: Bench) -> None:
    """The preferred one is not installed."""
    missing = Unwilling("crane", Refusal("it is not installed", ErrorKind.TOOL))
    outcome = await bench.attempt(
        missing, ScriptedEngine("skopeo", copying(bench.origin, bench.kept))
    )
    assert isinstance(outcome, Outcome)
    assert outcome.engine == "skopeo"
    [skipped] = [event for event in bench.events if isinstance(event, EngineSkipped)]
    assert skipped == EngineSkipped(bench.spec, "crane", "skopeo", "it is not installed")


async def test_a_failure_of_the_tools_own_leads_on_and_a_registrys_word_does_not(
    bench: Bench,
) -> None:
    """A crash is tried with the next engine; a refusal is final."""
    good = ScriptedEngine("skopeo", copying(bench.origin, bench.kept))
    denied = EngineError("denied", ErrorKind.DENIED, engine="crane", side=Side.SOURCE)
    with pytest.raises(EngineError, match="denied"):
        await bench.attempt(ScriptedEngine("crane", failing(denied)), good)
    assert good.requests == []
    crashed = EngineError("it crashed", ErrorKind.TOOL, engine="crane")
    await bench.attempt(ScriptedEngine("crane", failing(crashed)), good)
    assert bench.tagged == bench.new
    [skipped] = [event for event in bench.events if isinstance(event, EngineSkipped)]
    assert skipped.why == "it crashed"


@pytest.mark.parametrize(
    ("vouches", "counted"),
    [pytest.param(False, 8, id="a tool"), pytest.param(True, 0, id="the engine of our own")],
)
async def test_pulls_are_counted_where_nobody_else_tells_of_them(
    bench: Bench, *, vouches: bool, counted: int
) -> None:
    """A tool's requests go around us; of ours, the registry's answers say what they spent."""
    host = bench.origin.host
    hosts = KnownHosts({host: 20})
    bench.reserves = Reserves(hosts, {host: HostPolicy(reserve_pulls=5)})
    affordable: list[bool] = []

    def act(request: CopyRequest) -> Copied:
        affordable.extend(bench.reserves.allows(host, pulls) for pulls in (7, 8))
        return copying(bench.origin, bench.kept)(request)

    engine = ScriptedEngine("one", act)
    engine.vouches = vouches
    await bench.attempt(engine)
    assert affordable == [True, False]
    assert hosts.remaining[host] == 20 - counted
    assert bench.reserves.allows(host, 15 - counted)


async def test_referrers_that_would_spend_reserved_pulls_put_the_tag_off(bench: Bench) -> None:
    """Nobody sees the new image without its signature; it is not copied again for that later."""
    host = bench.origin.host
    hosts = KnownHosts({host: 13})
    bench.reserves = Reserves(hosts, {host: HostPolicy(reserve_pulls=5)})
    bench.spec = msgspec.structs.replace(bench.spec, referrers=True)
    put_cosign(bench.origin.store, SOURCE_REPOSITORY, bench.new)
    engine = ScriptedEngine("one", copying(bench.origin, bench.kept))
    assert isinstance(await bench.attempt(engine), Deferred)
    assert bench.tagged == bench.old
    hosts.remaining[host] = 20
    assert isinstance(await bench.attempt(engine), Outcome)
    assert bench.tagged == bench.new
    assert [str(request.digest) for request in engine.requests].count(bench.new) == 1


@pytest.mark.parametrize(
    ("error", "goes_on"),
    [
        pytest.param(EngineError("", ErrorKind.NETWORK, engine="two"), True, id="broken off"),
        pytest.param(EngineError("", ErrorKind.UNAVAILABLE, engine="two"), True, id="a bad day"),
        pytest.param(
            EngineError("", ErrorKind.TIMEOUT, engine="two", progressed=True), True, id="too slow"
        ),
        pytest.param(
            EngineError("", ErrorKind.UNAVAILABLE, engine="two", retry_after=9.0), True, id="down"
        ),
        pytest.param(EngineError("", ErrorKind.DENIED, engine="two"), False, id="denied"),
    ],
)
async def test_the_next_attempt_goes_on_with_what_an_engine_that_resumes_has_begun(
    bench: Bench, error: EngineError, *, goes_on: bool
) -> None:
    """However it ended, as long as another attempt may help; done, the preferred one is first."""
    slow = EngineError("", ErrorKind.TIMEOUT, engine="one", progressed=True)
    first = ScriptedEngine("one", failing(slow))
    steps = iter([failing(error), copying(bench.origin, bench.kept)])

    def go_on(request: CopyRequest) -> Copied:
        return next(steps)(request)

    second = ScriptedEngine("two", go_on)
    second.resumes = True
    copier, checked = bench.copier(first, second), bench.checked
    with pytest.raises(EngineError):
        await copier.attempt(checked, Digest.parse(bench.new), bench)
    await copier.attempt(checked, Digest.parse(bench.new), bench)
    started = [event.engine for event in bench.events if isinstance(event, CopyStarted)]
    assert started == ["one", "two", *(() if goes_on else ("one",)), "two"]


@pytest.mark.parametrize("side", [Side.SOURCE, Side.TARGET, None])
async def test_a_tools_429_pauses_the_host_for_everybody(bench: Bench, side: Side | None) -> None:
    """The error says for how long; what is asked of that host next is refused at once."""
    limited = EngineError("429", ErrorKind.RATE_LIMITED, engine="crane", side=side)
    with pytest.raises(RegistryError) as caught:
        await bench.attempt(ScriptedEngine("crane", failing(limited)))
    host = bench.kept.host if side is Side.TARGET else bench.origin.host
    assert caught.value.kind is ErrorKind.RATE_LIMITED
    assert caught.value.retry_after
    assert bench.http.paused(host)
    assert [event.host for event in bench.events if isinstance(event, HostPaused)] == [host]
    never = ScriptedEngine("crane", lying)
    with pytest.raises(RegistryError):
        await bench.attempt(never)
    assert never.requests == []


async def test_pulls_that_are_reserved_are_not_spent_but_what_is_there_is_named(
    bench: Bench,
) -> None:
    """Naming what the cache holds costs no pull."""
    hosts = KnownHosts({bench.origin.host: 10})
    bench.reserves = Reserves(hosts, {bench.origin.host: HostPolicy(reserve_pulls=5)})
    engine = ScriptedEngine("crane", lying)
    assert await bench.attempt(engine) == Deferred()
    assert engine.requests == []
    transfer(bench.origin, bench.kept, bench.new)
    assert bench.begun == 0
    assert isinstance(await bench.attempt(engine), Outcome)
    assert bench.begun == 1
    assert bench.tagged == bench.new


async def test_a_registry_that_was_not_asked_yet_is_asked_how_it_proves_itself(
    bench: Bench,
) -> None:
    """A tool has to be told whether there is TLS; guessing would fail, or talk in clear."""
    lenient = Endpoint(Side.SOURCE, bench.spec.source.repository, TlsPolicy.LENIENT)
    bench.spec = _with_source(bench.spec, lenient)
    engine = ScriptedEngine("crane", copying(bench.origin, bench.kept))
    await bench.attempt(engine)
    assert engine.requests[0].source_security is Security.CLEAR


def _with_source(spec: ImageSpec, source: Endpoint) -> ImageSpec:
    return ImageSpec(
        image=spec.image,
        tag=spec.tag,
        source=source,
        source_tag=spec.source_tag,
        pin=spec.pin,
        target=spec.target,
        target_tag=spec.target_tag,
        platforms=spec.platforms,
    )


@pytest.mark.parametrize(
    ("method", "path", "doing", "begun"),
    [
        pytest.param("HEAD", "*/manifests/sha256:*", "looking at what the cache holds", 0),
        pytest.param("HEAD", "*/blobs/*", "reading back what crane brought", 1),
        pytest.param("PUT", "*", "moving the tag", 1),
    ],
)
async def test_a_cache_that_falls_silent_holds_up_no_attempt_for_longer_than_a_copy_may_take(
    bench: Bench, method: str, path: str, doing: str, begun: int
) -> None:
    """Before the engine runs and after it; the error says what took so long, and which setting."""
    bench.kept.inject(Fault(method, path, Held()))
    engine = ScriptedEngine("crane", copying(bench.origin, bench.kept))
    with anyio.fail_after(20), pytest.raises(RegistryError) as caught:
        await bench.attempt(engine, deadline=1.0)
    error = caught.value
    assert (error.kind, error.side, bench.begun) == (ErrorKind.TIMEOUT, Side.TARGET, begun)
    assert f"{doing} took longer than settings.pull_timeout_secs (1 s)" in error.message
    assert bench.tagged == bench.old


async def test_a_source_that_falls_silent_when_asked_how_it_proves_itself_is_given_up(
    bench: Bench,
) -> None:
    """Nothing was begun then."""
    lenient = Endpoint(Side.SOURCE, bench.spec.source.repository, TlsPolicy.LENIENT)
    bench.spec = _with_source(bench.spec, lenient)
    bench.origin.inject(Fault("HEAD", "*", Held()))
    with anyio.fail_after(20), pytest.raises(RegistryError) as caught:
        await bench.attempt(ScriptedEngine("crane", lying), deadline=1.0)
    assert (caught.value.kind, caught.value.side) == (ErrorKind.TIMEOUT, Side.SOURCE)
    assert bench.begun == 0


async def test_a_cache_that_does_not_say_what_it_holds_is_no_failed_commit(bench: Bench) -> None:
    """Nothing was copied, and no tag was to be moved yet."""
    bench.kept.inject(Fault("HEAD", "*/manifests/sha256:*", Refused(403, "DENIED")))
    result = await bench.sweep(ScriptedEngine("crane", copying(bench.origin, bench.kept)))
    assert (result.reason, result.error_kind) == (Reason.TARGET_UNKNOWN, ErrorKind.DENIED)
    assert result.attempts == 0


async def test_a_pass_copies_what_changed_and_the_next_one_has_nothing_to_do(
    bench: Bench,
) -> None:
    """End to end over sockets, but for the tool: pulled, then already cached."""
    engine = ScriptedEngine("crane", copying(bench.origin, bench.kept))
    first = await bench.sweep(engine)
    assert (first.action, first.reason, first.engine) == ("pulled", Reason.CHANGED, "crane")
    assert (str(first.cached_digest), str(first.expected_digest)) == (bench.old, bench.new)
    second = await bench.sweep(engine)
    assert second.action == "already_cached"
    assert len(engine.requests) == 1


async def test_a_lying_tool_fails_its_image_after_three_attempts(bench: Bench) -> None:
    """The result says that the commit failed, not the copy: the tool saw no failure."""
    result = await bench.sweep(ScriptedEngine("crane", lying))
    assert (result.action, result.reason, result.attempts) == ("failed", Reason.COMMIT_FAILED, 3)
    assert (result.error_kind, result.error_side) == (ErrorKind.BLOB_MISSING, Side.TARGET)
    assert bench.tagged == bench.old


async def test_a_blob_that_is_collected_before_the_tag_moves_is_pushed_once_more(
    bench: Bench,
) -> None:
    """Fault row 53: the cache refuses the tag for want of a blob; the next attempt succeeds."""
    bench.kept.inject(
        Fault("PUT", "*/manifests/1.0", Refused(400, "MANIFEST_BLOB_UNKNOWN"), times=1)
    )
    result = await bench.sweep(ScriptedEngine("crane", copying(bench.origin, bench.kept)))
    assert (result.action, result.attempts) == ("pulled", 2)


async def test_a_tool_that_hangs_is_ended_with_the_pass(bench: Bench) -> None:
    """The tag stays, and the image has a result."""
    with anyio.fail_after(20):
        result = await bench.sweep(ScriptedEngine("crane", lambda _: None), seconds=0.5)
    assert (result.action, result.reason) == ("failed", Reason.PASS_TIMEOUT)
    assert bench.tagged == bench.old
