"""What only tools do, driven by their engines between real registries.

What every engine promises is in tests/contract.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from image_sync.credentials import Credential
from image_sync.engines import CopyRequest
from image_sync.errors import EngineError, ErrorKind
from image_sync.model import HostPolicy, Security
from image_sync.oci import Digest
from tests.engines.support import BRISK, Setup, Watch, request
from tests.real import images
from tests.real.accounts import OPERATOR, SECOND
from tests.real.images import Programs
from tests.real.registries import distribution
from tests.real.running import RunningRegistry, Serving
from tests.real.tls import Authority
from tests.real.tools import bin_directory, require_address

pytestmark = pytest.mark.anyio

BLOBS = r"/blobs/"
VERIFIED_TO_CLEAR = (Security.VERIFIED, Security.CLEAR)


class Pair(NamedTuple):
    """A source with TLS and an account, and a cache without TLS and with another account."""

    source: RunningRegistry
    cache: RunningRegistry

    def copying(self, digest: str, deadline: float = 60.0) -> CopyRequest:
        return request(
            self.source.host,
            self.cache.host,
            digest=Digest.parse(digest),
            security=VERIFIED_TO_CLEAR,
            deadline=deadline,
        )


@pytest.fixture
def pair(tmp_path: Path, authority: Authority, setup: Setup) -> Iterator[Pair]:
    """On addresses that crane does not take for local."""
    for address in ("127.0.0.2", "127.0.0.3"):
        require_address(address)
    tls = Serving(address="127.0.0.3", authority=authority, accounts=(OPERATOR,), record=True)
    clear = Serving(address="127.0.0.2", accounts=(SECOND,), record=True)
    with (
        distribution(tmp_path / "source", tls) as source,
        distribution(tmp_path / "cache", clear) as cache,
    ):
        setup.accounts[source.host] = Credential(OPERATOR.username, OPERATOR.password)
        setup.accounts[cache.host] = Credential(SECOND.username, SECOND.password)
        setup.policies[source.host] = HostPolicy(ca_file=str(authority.ca_file))
        yield Pair(source, cache)


async def test_a_copy_that_stands_still_ends(pair: Pair, setup: Setup) -> None:
    """A source that stops in the middle of a blob costs the bound for stalls, not the deadline."""
    digest = pair.source.push("lab/app", "one", images.bulk(2_000_000))
    pair.source.recorder.hold("GET", BLOBS, after_bytes=500_000)
    for name in ("crane", "skopeo-1.18"):
        bin_directory(setup.bin, {name.partition("-")[0]: name})
        engine = setup.engine(name.partition("-")[0], limits=BRISK._replace(stall=1.5))
        with pytest.raises(EngineError, match="moved no byte") as failure:
            await engine.copy(pair.copying(digest, deadline=600), Watch())
        assert (failure.value.kind, failure.value.progressed) == (ErrorKind.TIMEOUT, False)
    pair.source.recorder.stop_answering()


async def test_name_based_routing_before_the_cache_is_for_another_engine(
    pair: Pair, setup: Setup, programs: Programs
) -> None:
    """What crane cannot find under the relay's name, skopeo may find under the cache's own."""
    digest = pair.source.push("lab/app", "one", images.single(programs))
    pair.cache.recorder.answer(None, r"^/v2/$", 404, body=b"no such host here")
    bin_directory(setup.bin, {"crane": "crane"})
    with pytest.raises(EngineError, match="own name") as failure:
        await setup.engine("crane").copy(pair.copying(digest), Watch())
    assert failure.value.kind is ErrorKind.UNSUPPORTED
