"""What the tests of `sync/` have in common: specs, a client on real sockets, engines by script."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import anyio

from image_sync.engines import Copied, CopyRequest, Engine, Refusal, Selection, Turn
from image_sync.errors import EngineError, Side
from image_sync.events import Emit
from image_sync.http import Http, Quota
from image_sync.model import Endpoint, ImageSpec, Security, TlsPolicy
from image_sync.oci import Digest, OnePlatform, Platform, PlatformChoice, Repository
from image_sync.registry import Authenticator, RegistryClient, Tree
from image_sync.sync import Bringer, Copier, Maker, Referrers, Reserves, Unchanged
from image_sync.sync.commit import move_tag
from image_sync.sync.hosts import Hosts
from tests.hostile import HostileRegistry

AMD64 = OnePlatform(Platform("linux", "amd64"))
SOURCE_REPOSITORY, TARGET_REPOSITORY = "lab/app", "cached/app"


def make_spec(
    *,
    source: str = "source.test",
    target: str = "cache.test",
    tag: str = "1.0",
    pin: str | None = None,
    platforms: PlatformChoice = AMD64,
) -> ImageSpec:
    """One image: `lab/app` at one host, `cached/app` at another, both over plain HTTP."""
    return ImageSpec(
        image=f"{source}/{SOURCE_REPOSITORY}",
        tag=f"{tag}@{pin}" if pin else tag,
        source=Endpoint(Side.SOURCE, Repository(source, SOURCE_REPOSITORY), TlsPolicy.PLAIN),
        source_tag=tag,
        pin=Digest.parse(pin) if pin else None,
        target=Endpoint(Side.TARGET, Repository(target, TARGET_REPOSITORY), TlsPolicy.PLAIN),
        target_tag=tag,
        platforms=platforms,
    )


class NoCredentials:
    """Everybody is anonymous."""

    async def find(self, host: str, path: str) -> None:
        """Nothing."""

    async def refresh(self, host: str, path: str) -> None:
        """Nothing."""


class KnownHosts:
    """Hosts whose quota a test sets."""

    def __init__(self, remaining: Mapping[str, int] | None = None) -> None:
        self.remaining = dict(remaining or {})

    def paused(self, host: str, *, pulls: bool = False) -> float:
        return 0.0

    def pause(
        self, host: str, seconds: float | None, why: str, *, pulls_only: bool = False
    ) -> None:
        raise AssertionError(f"{host} is paused: {why}")

    def quota(self, host: str) -> Quota | None:
        left = self.remaining.get(host)
        return None if left is None else Quota(100, left)

    def charge(self, host: str, pulls: int) -> None:
        self.remaining[host] -= pulls

    def security(self, host: str, tls: TlsPolicy) -> Security | None:
        return Security.CLEAR


@asynccontextmanager
async def http_of(emit: Emit) -> AsyncIterator[Http]:
    """The real HTTP, about whose hosts nothing was said."""
    async with Http(policies={}, emit=emit) as http:
        yield http


def client_of(http: Http) -> RegistryClient:
    """The real client, without credentials."""
    return RegistryClient(http, Authenticator(http, NoCredentials(), {}))


def copier_of(
    client: RegistryClient,
    hosts: Hosts,
    emit: Emit,
    *engines: Engine,
    reserves: Reserves | None = None,
    deadline: float = 300.0,
    keep_previous: int | None = None,
) -> Copier:
    """A copier with these engines; the last one brings what refers to images."""
    reserves = reserves or Reserves(hosts, {})
    return Copier(
        client,
        Bringer(client, Maker(client), Selection(engines), hosts, reserves, deadline, emit),
        referrers_of(client, hosts, emit, *engines, reserves=reserves, deadline=deadline),
        reserves,
        emit,
        deadline=deadline,
        keep_previous=keep_previous,
    )


def referrers_of(
    client: RegistryClient,
    hosts: Hosts,
    emit: Emit,
    *engines: Engine,
    reserves: Reserves | None = None,
    deadline: float = 300.0,
) -> Referrers:
    """What finds and brings referrers."""
    last = engines[-1] if engines else Unwilling("nobody", Refusal("it is not there"))
    return Referrers(client, last, hosts, reserves or Reserves(hosts, {}), deadline, emit)


async def move_tag_now(
    client: RegistryClient, spec: ImageSpec, tree: Tree, emit: Emit, keep: int | None = None
) -> None:
    """Move a tag whose image was checked a moment ago."""
    head = await client.head_manifest(spec.target, spec.target_reference)
    seen = head.digest if head else None
    await move_tag(client, spec, tree, emit, seen=seen, keep_previous=keep)


def unchanged_of(client: RegistryClient, hosts: Hosts, emit: Emit, *engines: Engine) -> Unchanged:
    """What looks at unchanged images: nobody examines them."""
    return Unchanged(client, referrers_of(client, hosts, emit, *engines), None, lambda *_: None)


class ScriptedEngine:
    """An engine that does what a function says; `copies` is how often it was asked to."""

    resumes = False
    vouches = False

    def __init__(self, name: str, act: Callable[[CopyRequest], Copied | None]) -> None:
        self.name = name
        self.requests: list[CopyRequest] = []
        self._act = act

    async def refusal(self, request: CopyRequest) -> Refusal | None:
        """It takes everything."""

    async def copy(self, request: CopyRequest, turn: Turn) -> Copied:
        """What the script says; None there means that it hangs."""
        self.requests.append(request)
        copied = self._act(request)
        if copied is None:
            await anyio.sleep_forever()
        turn.progress(1)
        return copied or Copied(None, None)


class Unwilling:
    """An engine that is not installed."""

    resumes = False
    vouches = False

    def __init__(self, name: str, refusal: Refusal) -> None:
        self.name = name
        self._refusal = refusal

    async def refusal(self, request: CopyRequest) -> Refusal:
        """Always."""
        return self._refusal

    async def copy(self, request: CopyRequest, turn: Turn) -> Copied:
        """Never."""
        raise AssertionError(f"{self.name} had refused")


def copying(source: HostileRegistry, cache: HostileRegistry) -> Callable[[CopyRequest], Copied]:
    """A script that moves an image from one store to the other, whole."""

    def act(request: CopyRequest) -> Copied:
        transfer(source, cache, str(request.digest))
        return Copied(1_000, None)

    return act


def lying(_request: CopyRequest) -> Copied:
    """A script that does nothing and reports success."""
    return Copied(0, None)


def failing(error: EngineError) -> Callable[[CopyRequest], Copied]:
    """A script that fails."""

    def act(_request: CopyRequest) -> Copied:
        raise error

    return act


def transfer(source: HostileRegistry, cache: HostileRegistry, digest: str) -> None:
    """Put an image with everything below it into the cache's store, under its digest only."""
    held = source.store.repository(SOURCE_REPOSITORY)
    kept = cache.store.repository(TARGET_REPOSITORY)
    kept.blobs |= held.blobs
    wanted = [digest]
    while wanted:
        manifest = held.manifests[wanted.pop()]
        kept.manifests[digest_of_stored(manifest.content)] = manifest
        text = manifest.content.decode()
        wanted += [other for other in held.manifests if other in text]


def digest_of_stored(content: bytes) -> str:
    """The digest under which a store holds some bytes."""
    return str(Digest.of(content))
