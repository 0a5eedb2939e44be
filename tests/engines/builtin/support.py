"""A builtin engine between two registries on sockets, and an image's place among the copies."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import anyio

from image_sync.engines import Bandwidth, Builtin, CopyRequest
from image_sync.engines.builtin.window import SIZE
from image_sync.errors import Side
from image_sync.http import Deadlines
from image_sync.model import Endpoint, HostPolicy, Security, TlsPolicy
from image_sync.oci import Digest, Manifest, Repository
from image_sync.registry.ways import SMALL, Ways
from tests.hostile import HostileRegistry
from tests.registry.asking import Pauses, asking

REPOSITORY = "team/app"
BLOBS = "/v2/*/blobs/sha*"
UPLOADS = "/v2/*/blobs/uploads/*"
MANIFESTS = "/v2/*/manifests/*"


class Sending(NamedTuple):
    """How the blobs of a test, all of them small, get to the cache at first.

    Attributes:
        small: Bytes up to which a blob goes in one request.
        method: Of the request that carries its bytes.
    """

    small: int
    method: str


STREAMED = Sending(0, "PATCH")
"""As large ones do: what arrived is gone on with."""
AT_ONCE = Sending(SMALL, "PUT")
"""As small ones do: a second session of the same blob is streamed to."""


class Place:
    """An image's turn: what it told, and how often it gave its place away."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.sizes: list[int | None] = []
        self.rests = 0
        self.rested = anyio.Event()

    def progress(self, moved: int, size: int | None = None) -> None:
        self.told.append(moved)
        self.sizes.append(size)

    @asynccontextmanager
    async def resting(self) -> AsyncGenerator[None, None]:
        self.rests += 1
        self.rested.set()
        yield


class Lab:
    """A source, a cache, and the engine between them."""

    def __init__(self, source: HostileRegistry, cache: HostileRegistry, builtin: Builtin) -> None:
        self.source = source
        self.cache = cache
        self.builtin = builtin

    def request(
        self,
        digest: str,
        *,
        path: str = REPOSITORY,
        into: str | None = None,
        deadline: float = 60.0,
        made: tuple[Manifest, ...] = (),
        repair: frozenset[Digest] = frozenset(),
    ) -> CopyRequest:
        return CopyRequest(
            source=endpoint(Side.SOURCE, self.source, path),
            target=endpoint(Side.TARGET, self.cache, into or path),
            digest=Digest.parse(digest),
            source_security=Security.CLEAR,
            target_security=Security.CLEAR,
            deadline=deadline,
            made=made,
            repair=repair,
        )

    def learn(self, repository: Repository, digests: list[Digest]) -> None:
        """Have the engine know that a repository should hold some blobs."""
        self.builtin._shared.holders.learn(repository, digests)

    def assert_same(self, path: str = REPOSITORY, into: str | None = None) -> None:
        """All that the source's repository has is in the cache's."""
        source = self.source.store.repositories[path]
        cache = self.cache.store.repositories[into or path]
        assert dict(source.blobs).items() <= dict(cache.blobs).items()
        assert source.manifests.keys() <= cache.manifests.keys()
        assert cache.tags == {}


def endpoint(side: Side, registry: HostileRegistry, path: str = REPOSITORY) -> Endpoint:
    return Endpoint(side, Repository(registry.host, path), TlsPolicy.PLAIN)


@asynccontextmanager
async def laboratory(
    *,
    policies: Mapping[str, HostPolicy] | None = None,
    deadlines: Deadlines | None = None,
    bandwidth: int | None = None,
    window: int = SIZE,
    sending: Sending = STREAMED,
) -> AsyncGenerator[Lab, None]:
    """Both registries, honest until told otherwise; pauses between tries take no time."""
    pauses = Pauses()
    async with (
        HostileRegistry("127.0.0.1") as source,
        HostileRegistry("127.0.0.2") as cache,
        asking(policies=policies, deadlines=deadlines, pauses=pauses) as client,
    ):
        client.ways = Ways(sending.small)
        builtin = Builtin(
            client, bandwidth=Bandwidth(bandwidth, policies or {}), window=window, sleep=pauses
        )
        yield Lab(source, cache, builtin)
        await builtin.aclose()
