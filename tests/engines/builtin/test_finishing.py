"""What a cache says when an upload is to become a blob, and a source that cannot go on with one."""

import pytest

from image_sync.engines.builtin.sides import RegistrySource
from image_sync.errors import EngineError, ErrorKind, Side
from tests.engines.builtin.simulation import descriptor_of
from tests.engines.builtin.support import REPOSITORY, UPLOADS, Place, endpoint, laboratory
from tests.hostile import Fault, HostileRegistry, RangeIgnored, Refusal
from tests.hostile.store import digest_of
from tests.registry.asking import asking

pytestmark = pytest.mark.anyio

LAYER = bytes(range(256)) * 4096  # 1 MiB
LAYER_PATH = f"/v2/*/blobs/{digest_of(LAYER)}"
ENDING = f"digest=*{digest_of(LAYER).partition(':')[2]}*"


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        pytest.param(Refusal(413, "SIZE_INVALID", "quota"), ErrorKind.BLOB_REFUSED, id="quota"),
        pytest.param(Refusal(400, "UNSUPPORTED", "no layers"), ErrorKind.BLOB_REFUSED, id="policy"),
        pytest.param(Refusal(403, "DENIED", "not you"), ErrorKind.DENIED, id="denied"),
    ],
)
async def test_a_blob_that_is_refused_in_the_end_is_not_fetched_again(
    refusal: Refusal, kind: ErrorKind
) -> None:
    """It would be refused again; the cache's own words are told."""
    async with laboratory() as lab:
        request = lab.request(lab.source.store.put_image(REPOSITORY, layers=[LAYER]))
        lab.cache.inject(Fault("PUT", UPLOADS, refusal, query=ENDING))
        with pytest.raises(EngineError, match=r"quota|no layers|not you") as caught:
            await lab.builtin.copy(request, Place())
        assert (caught.value.kind, caught.value.side) == (kind, Side.TARGET)
        assert len(lab.source.asked("GET", LAYER_PATH)) == 1
        assert lab.cache.uploads.sessions == {}


async def test_an_upload_that_holds_other_bytes_than_were_sent_is_begun_anew() -> None:
    """Once: what an earlier request wrote may have slipped in."""
    async with laboratory() as lab:
        request = lab.request(lab.source.store.put_image(REPOSITORY, layers=[LAYER]))
        lab.cache.inject(
            Fault("PUT", UPLOADS, Refusal(400, "DIGEST_INVALID"), query=ENDING, times=1)
        )
        await lab.builtin.copy(request, Place())
        lab.assert_same()
        assert len(lab.source.asked("GET", LAYER_PATH)) == 2


async def test_a_source_tells_how_often_it_began_anew() -> None:
    """Because it sends all when only the rest is asked for (fault row 21)."""
    async with HostileRegistry("127.0.0.1") as registry, asking() as client:
        registry.store.put_blob(REPOSITORY, LAYER)
        source = RegistrySource(client, endpoint(Side.SOURCE, registry), descriptor_of(LAYER))
        assert b"".join([piece async for piece in source.read(5)]) == LAYER[5:]
        assert source.restarts == 0
        registry.inject(Fault("GET", LAYER_PATH, RangeIgnored()))
        assert b"".join([piece async for piece in source.read(0)]) == LAYER
        assert source.restarts == 0
        assert b"".join([piece async for piece in source.read(5)]) == LAYER[5:]
        assert source.restarts == 1
