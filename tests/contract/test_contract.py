"""One promise for all engines: what arrives is what was asked for, and what fails says why."""

import pytest

from image_sync.engines import Copied, CopyRequest, Engine
from image_sync.errors import TRAITS, EngineError, ErrorKind, Side
from tests.contract.conftest import Pair
from tests.engines.support import Setup, Watch
from tests.real import images
from tests.real.content import Image, filler
from tests.real.images import KINDS, Programs

pytestmark = pytest.mark.anyio

S, T = Side.SOURCE, Side.TARGET
MANIFESTS, BLOBS, UPLOADS = r"/manifests/", r"/blobs/", r"/uploads/"


async def copied(engine: Engine, asked: CopyRequest) -> Copied:
    assert await engine.refusal(asked) is None
    return await engine.copy(asked, Watch())


async def failure(engine: Engine, asked: CopyRequest) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await copied(engine, asked)
    assert caught.value.engine == engine.name
    return caught.value


def assert_same(pair: Pair, image: Image, path: str = "lab/app") -> None:
    """Every manifest and blob is in the cache, byte for byte, and no tag was made."""
    api = pair.cache.api
    for manifest in image.manifests():
        assert api.digest_of(path, manifest.digest) == manifest.digest
    for blob in image.all_blobs:
        assert api.get_blob(path, blob.digest).body == blob.data
    assert not [tag for tag in api.tags(path) if not tag.startswith("sha256")]


async def test_every_kind_of_image_arrives_as_it_is(
    any_pair: Pair, engine: Engine, setup: Setup, programs: Programs
) -> None:
    """Digest for digest, through TLS with a private CA on one side and plain HTTP on the other."""
    for kind, build in KINDS.items():
        image, path = build(programs, "one"), f"lab/{kind}"
        digest = any_pair.source.push(path, "one", image)
        await copied(engine, any_pair.copying(digest, path=path))
        assert_same(any_pair, image, path)
    assert setup.left_behind() == []


async def test_accounts_on_both_sides_are_used(
    pair: Pair, engine: Engine, programs: Programs
) -> None:
    """Each at its own registry."""
    image = images.multi_platform(programs)
    await copied(engine, pair.copying(pair.source.push("lab/app", "one", image)))
    assert_same(pair, image)
    for registry in pair:
        seen = {each.headers.get("authorization") for each in registry.recorder.requests}
        assert seen <= {None, registry.account.basic()}


async def test_a_second_copy_moves_nothing(
    any_pair: Pair, engine: Engine, programs: Programs
) -> None:
    """No layer is read at the source, and nothing is sent to the cache but manifests."""
    image = images.multi_platform(programs)
    digest = any_pair.source.push("lab/app", "one", image)
    await copied(engine, any_pair.copying(digest))
    for registry in any_pair:
        registry.recorder.clear()
    await copied(engine, any_pair.copying(digest))
    assert any_pair.cache.recorder.matching("PUT", UPLOADS) == []
    assert any_pair.cache.recorder.matching("PATCH", UPLOADS) == []
    layers = [blob.digest for blob in image.all_blobs if "config" not in blob.media_type]
    assert any_pair.source.recorder.matching("GET", "|".join(layers)) == []


async def test_bytes_are_counted(pair: Pair, engine: Engine) -> None:
    """What a copy says it moved is what the image weighs: exactly where it is ours or goes through
    the relay, otherwise as far as the last look at the tool went."""
    image = images.bulk(20_000_000, layers=2)
    digest = pair.source.push("lab/app", "one", image)
    seen = Watch()
    moved = (await engine.copy(pair.copying(digest), seen)).bytes_copied
    least = 0 if engine.name == "skopeo" else image.total_size
    assert moved is None or least <= moved < 1.2 * image.total_size
    assert seen.seen == sorted(seen.seen)


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
    """Kind and side follow from the status alone, whatever the body; no manifest arrives."""
    method, path, status, kind, side = fault
    digest = pair.source.push("lab/app", "one", images.single(programs))
    registry = pair.source if side is S else pair.cache
    registry.recorder.answer(method, path, status, body=b"<html>no</html>")
    error = await failure(engine, pair.copying(digest))
    assert (error.kind, error.side) == (kind, side)
    assert pair.cache.api.digest_of("lab/app", digest) is None


async def test_wrong_bytes_never_arrive(pair: Pair, engine: Engine) -> None:
    """As many as there should be, and others: neither they nor the image are in the cache."""
    image = images.bulk(100_000)
    layer = max(image.all_blobs, key=lambda blob: len(blob.data))
    digest = pair.source.push("lab/app", "one", image)
    wrong = filler(len(layer.data), "wrong")
    pair.source.recorder.answer("GET", rf"/blobs/{layer.digest}", 200, body=wrong)
    error = await failure(engine, pair.copying(digest))
    assert error.kind is ErrorKind.BAD_CONTENT
    assert error.side is not T
    assert pair.cache.api.head_blob("lab/app", layer.digest).status == 404
    assert pair.cache.api.digest_of("lab/app", digest) is None


async def test_a_blob_that_fails_once_is_no_lasting_failure(pair: Pair, engine: Engine) -> None:
    """It arrives, or another attempt is worth while, and then it does."""
    image = images.bulk(2_000_000)
    digest = pair.source.push("lab/app", "one", image)
    layer = max(image.all_blobs, key=lambda blob: len(blob.data))
    pair.source.recorder.answer("GET", rf"/blobs/{layer.digest}", 503, times=1)
    try:
        await copied(engine, pair.copying(digest))
    except EngineError as error:
        if not TRAITS[error.kind].retryable:
            raise
        await copied(engine, pair.copying(digest))
    assert_same(pair, image)


async def test_a_dead_cache_is_told_by_its_own_name(
    pair: Pair, engine: Engine, programs: Programs
) -> None:
    """Also where a tool saw nothing but a relay."""
    digest = pair.source.push("lab/app", "one", images.single(programs))
    pair.cache.kill()
    error = await failure(engine, pair.copying(digest))
    assert (error.kind, error.side) == (ErrorKind.NETWORK, T)
    assert pair.cache.host in error.message


async def test_a_source_that_is_not_trusted_is_not_copied_from(
    pair: Pair, engine: Engine, setup: Setup, programs: Programs
) -> None:
    """Without its CA the certificate does not verify, and nothing falls back."""
    digest = pair.source.push("lab/app", "one", images.single(programs))
    setup.policies.clear()
    error = await failure(engine, pair.copying(digest))
    assert (error.kind, error.side) == (ErrorKind.TLS, S)
    assert pair.source.recorder.requests == []
