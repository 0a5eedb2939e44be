"""Fixtures every test may use: the event loop, and real registries with real images."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.real.accounts import OPERATOR
from tests.real.programs import build_programs
from tests.real.registries import crane_registry, distribution, zot
from tests.real.running import RunningRegistry, Serving
from tests.real.tls import Authority
from tests.real.tools import find

# The gate's Hypothesis runs are the same each time; a developer's look at new examples.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")

# No tool takes this loopback address for "local", as they do 127.0.0.1.
CACHE_ADDRESS = "127.0.0.2"

# Zot cannot be had from package registries: used wherever it is on PATH.
CACHES = ["distribution-3", *(["zot"] if find("zot") else [])]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """asyncio is what the project runs on."""
    return "asyncio"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The CA that signs what the test registries show."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Static programs by platform: linux/amd64, linux/arm64, linux/arm/v7."""
    return build_programs(tmp_path_factory.mktemp("programs"))


@pytest.fixture
def source(tmp_path: Path, authority: Authority) -> Iterator[RunningRegistry]:
    """Distribution 3 on 127.0.0.1 with TLS, htpasswd (OPERATOR) and a recorder."""
    serving = Serving(authority=authority, accounts=(OPERATOR,), record=True)
    with distribution(tmp_path / "source", serving) as registry:
        yield registry


@pytest.fixture
def token_source(tmp_path: Path, authority: Authority) -> Iterator[RunningRegistry]:
    """As `source`, with tokens (OPERATOR) in place of htpasswd."""
    serving = Serving(authority=authority, accounts=(OPERATOR,), token_auth=True, record=True)
    with distribution(tmp_path / "token-source", serving) as registry:
        yield registry


@pytest.fixture(params=CACHES)
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningRegistry]:
    """A cache on 127.0.0.2 with plain HTTP, no accounts and a recorder; on Zot too."""
    serving = Serving(address=CACHE_ADDRESS, record=True)
    start = zot if request.param == "zot" else distribution
    with start(tmp_path / "cache", serving) as registry:
        yield registry


@pytest.fixture(params=["distribution-3", "distribution-2.8", "crane"])
def any_registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningRegistry]:
    """Each kind of registry in turn, on 127.0.0.1 with plain HTTP and no accounts."""
    directory = tmp_path / "registry"
    match request.param:
        case "distribution-3":
            running = distribution(directory)
        case "distribution-2.8":
            running = distribution(directory, version=2)
        case _:
            running = crane_registry(directory)
    with running as registry:
        yield registry
