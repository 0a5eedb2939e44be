"""The real tools, driven by the engines, between real registries."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from image_sync.credentials import Credential
from image_sync.engines import CopyRequest, Engine, leads_on
from image_sync.errors import EngineError, ErrorKind, Side
from image_sync.model import HostPolicy, Security
from image_sync.oci import Digest
from tests.engines.support import BRISK, Setup, request
from tests.real import images
from tests.real.accounts import OPERATOR, SECOND
from tests.real.images import KINDS, Programs
from tests.real.registries import distribution
from tests.real.running import RunningRegistry, Serving
from tests.real.tls import Authority
from tests.real.tools import SKOPEOS, bin_directory, require_address

pytestmark = pytest.mark.anyio

TOOLS = ("crane", *SKOPEOS)
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


@pytest.fixture(params=TOOLS)
def engine(request: pytest.FixtureRequest, setup: Setup) -> Engine:
    name = request.param.partition("-")[0]
    bin_directory(setup.bin, {name: request.param})
    return setup.engine(name)


async def copied(engine: Engine, asked: CopyRequest) -> int | None:
    assert await engine.refusal(asked) is None
    return (await engine.copy(asked, lambda _: None)).bytes_copied


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_image_arrives_as_it_is(
    pair: Pair, engine: Engine, setup: Setup, programs: Programs, kind: str
) -> None:
    """Digest for digest, through TLS with a private CA on one side and plain HTTP on the other,
    with an account on each, and no tag is made."""
    image = KINDS[kind](programs, "one")
    digest = pair.source.push("lab/app", "one", image)
    await copied(engine, pair.copying(digest))
    assert pair.cache.api.digest_of("lab/app", digest) == digest
    assert all(pair.cache.api.head_blob("lab/app", b.digest).status == 200 for b in image.all_blobs)
    assert pair.cache.api.tags("lab/app") == []
    assert setup.left_behind() == []


async def test_bytes_are_counted(pair: Pair, engine: Engine) -> None:
    """What a copy says it moved is what the image weighs: exactly where it goes through the relay,
    otherwise as far as the last look at the tool went."""
    image = images.bulk(20_000_000, layers=2)
    digest = pair.source.push("lab/app", "one", image)
    seen: list[int] = []
    moved = (await engine.copy(pair.copying(digest), seen.append)).bytes_copied
    least = image.total_size if engine.name == "crane" else 0
    assert moved is None or least <= moved < 1.2 * image.total_size
    assert seen == sorted(seen)


S, T = Side.SOURCE, Side.TARGET
MANIFESTS, BLOBS, UPLOADS = r"/manifests/", r"/blobs/", r"/uploads/"
FAULTS = {
    "401": ("GET", MANIFESTS, 401, ErrorKind.UNAUTHORIZED, S),
    "403": ("GET", MANIFESTS, 403, ErrorKind.DENIED, S),
    "404": ("GET", MANIFESTS, 404, ErrorKind.NOT_FOUND, S),
    "503": (None, MANIFESTS, 503, ErrorKind.UNAVAILABLE, S),
    "blob-404": ("GET", BLOBS, 404, ErrorKind.BLOB_MISSING, S),
    "push-401": ("POST", UPLOADS, 401, ErrorKind.UNAUTHORIZED, T),
    "push-403": ("POST", UPLOADS, 403, ErrorKind.DENIED, T),
    "push-413": ("PUT", MANIFESTS, 413, ErrorKind.REFUSED_BY_TARGET, T),
    "push-500": ("PUT", MANIFESTS, 500, ErrorKind.UNAVAILABLE, T),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_what_a_registry_refused_is_told(
    pair: Pair,
    engine: Engine,
    programs: Programs,
    fault: tuple[str | None, str, int, ErrorKind, Side],
) -> None:
    """Kind and side follow from the status alone, whatever the body."""
    method, path, status, kind, side = fault
    digest = pair.source.push("lab/app", "one", images.single(programs))
    registry = pair.source if side is S else pair.cache
    registry.recorder.answer(method, path, status, body=b"<html>no</html>")
    with pytest.raises(EngineError) as failure:
        await copied(engine, pair.copying(digest))
    assert (failure.value.kind, failure.value.side) == (kind, side)


async def test_a_dead_cache_is_told_by_its_own_name(
    pair: Pair, engine: Engine, programs: Programs
) -> None:
    """Also where the tool saw nothing but a relay."""
    digest = pair.source.push("lab/app", "one", images.single(programs))
    pair.cache.kill()
    with pytest.raises(EngineError) as failure:
        await copied(engine, pair.copying(digest))
    assert (failure.value.kind, failure.value.side) == (ErrorKind.NETWORK, T)
    assert pair.cache.host in failure.value.message


async def test_a_source_that_is_not_trusted_is_not_copied_from(
    pair: Pair, engine: Engine, setup: Setup, programs: Programs
) -> None:
    """Without its CA the certificate does not verify, and nothing falls back."""
    digest = pair.source.push("lab/app", "one", images.single(programs))
    setup.policies.clear()
    with pytest.raises(EngineError) as failure:
        await copied(engine, pair.copying(digest))
    assert (failure.value.kind, failure.value.side) == (ErrorKind.TLS, S)
    assert pair.source.recorder.requests == []


async def test_a_copy_that_stands_still_ends(pair: Pair, setup: Setup) -> None:
    """A source that stops in the middle of a blob costs the bound for stalls, not the deadline."""
    digest = pair.source.push("lab/app", "one", images.bulk(2_000_000))
    pair.source.recorder.hold("GET", BLOBS, after_bytes=500_000)
    for name in ("crane", "skopeo-1.18"):
        bin_directory(setup.bin, {name.partition("-")[0]: name})
        engine = setup.engine(name.partition("-")[0], limits=BRISK._replace(stall=1.5))
        with pytest.raises(EngineError, match="moved no byte") as failure:
            await engine.copy(pair.copying(digest, deadline=600), lambda _: None)
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
        await setup.engine("crane").copy(pair.copying(digest), lambda _: None)
    assert leads_on(failure.value)
