"""The pairs of registries, and the engines that copy between them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from image_sync.credentials import Credential
from image_sync.engines import Builtin, CopyRequest, Engine
from image_sync.errors import Side
from image_sync.http import Http
from image_sync.model import Endpoint, HostPolicy, Security, TlsPolicy
from image_sync.oci import Digest, Repository
from image_sync.registry import Authenticator, RegistryClient
from tests.engines.support import Setup, make_setup
from tests.real.accounts import OPERATOR, SECOND
from tests.real.registries import crane_registry, distribution, embedded, zot
from tests.real.running import RunningRegistry, Serving
from tests.real.tls import Authority
from tests.real.tools import SKOPEOS, bin_directory, find, require_address

SOURCE, CACHE = "127.0.0.3", "127.0.0.2"  # addresses that crane does not take for local
CACHES = (
    "distribution-3",
    "distribution-2.8",
    "crane",
    "embedded",
    *(["zot"] if find("zot") else []),
)
ENGINES = ("crane", *SKOPEOS, "builtin")


class Pair(NamedTuple):
    """A source with TLS and an account, and a cache without TLS, where it can with another."""

    source: RunningRegistry
    cache: RunningRegistry

    def copying(self, digest: str, *, path: str = "lab/app", deadline: float = 60.0) -> CopyRequest:
        source, cache = Repository(self.source.host, path), Repository(self.cache.host, path)
        return CopyRequest(
            source=Endpoint(Side.SOURCE, source, TlsPolicy.VERIFY),
            target=Endpoint(Side.TARGET, cache, TlsPolicy.PLAIN),
            digest=Digest.parse(digest),
            source_security=Security.VERIFIED,
            target_security=Security.CLEAR,
            deadline=deadline,
        )


class Wallet:
    """Finds accounts by host; they do not change."""

    def __init__(self, by_host: dict[str, Credential]) -> None:
        self._by_host = by_host

    async def find(self, host: str, path: str) -> Credential | None:
        return self._by_host.get(host)

    async def refresh(self, host: str, path: str) -> Credential | None:
        return self._by_host.get(host)


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return make_setup(tmp_path)


@pytest.fixture
def source(tmp_path: Path, authority: Authority, setup: Setup) -> Iterator[RunningRegistry]:
    require_address(SOURCE)
    serving = Serving(address=SOURCE, authority=authority, accounts=(OPERATOR,), record=True)
    with distribution(tmp_path / "source", serving) as registry:
        setup.accounts[registry.host] = Credential(OPERATOR.username, OPERATOR.password)
        setup.policies[registry.host] = HostPolicy(ca_file=str(authority.ca_file))
        yield registry


@pytest.fixture
def pair(source: RunningRegistry, tmp_path: Path, setup: Setup) -> Iterator[Pair]:
    """With distribution 3 for a cache, and accounts on both sides."""
    require_address(CACHE)
    serving = Serving(address=CACHE, accounts=(SECOND,), record=True)
    with distribution(tmp_path / "cache", serving) as registry:
        setup.accounts[registry.host] = Credential(SECOND.username, SECOND.password)
        yield Pair(source, registry)


@pytest.fixture(params=CACHES)
def any_pair(
    source: RunningRegistry, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Pair]:
    """With each registry for a cache in turn."""
    require_address(CACHE)
    serving, folder = Serving(address=CACHE, record=True), tmp_path / "cache"
    match request.param:
        case "distribution-3":
            running = distribution(folder, serving)
        case "distribution-2.8":
            running = distribution(folder, serving, version=2)
        case "crane":
            running = crane_registry(folder, serving)
        case "embedded":
            running = embedded(folder, serving)
        case _:
            running = zot(folder, serving)
    with running as registry:
        yield Pair(source, registry)


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest, setup: Setup) -> AsyncIterator[Engine]:
    """Each engine in turn, set up as the machine is when it is first used."""
    if request.param == "builtin":
        async with Http(policies=setup.policies, emit=setup.events.append) as http:
            wallet = Wallet(setup.accounts)
            client = RegistryClient(http, Authenticator(http, wallet, setup.policies))
            builtin = Builtin(client)
            yield builtin
            await builtin.aclose()
    else:
        name = request.param.partition("-")[0]
        bin_directory(setup.bin, {name: request.param})
        yield setup.engine(name)
