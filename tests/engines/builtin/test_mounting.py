"""A blob that another repository of the cache has, or an upload there: what is tried, and believed.

A mount costs a request and saves the bytes; none costs more than that, whatever comes of it.
"""

import anyio
import pytest

from image_sync.engines import CopyRequest
from image_sync.errors import EngineError, ErrorKind
from image_sync.oci import Digest, Repository
from image_sync.registry.ways import Ways
from tests.engines.builtin.one_layer import arrived
from tests.engines.builtin.support import MANIFESTS, UPLOADS, Lab, Place, laboratory
from tests.hostile import Fault, Gate, Refusal, Stalled, TooManyRequests
from tests.hostile.store import digest_of

pytestmark = pytest.mark.anyio

LAYER = bytes(range(256)) * 8192  # 2 MiB
LAYER_DIGEST = digest_of(LAYER)
LAYER_PATH = f"/v2/*/blobs/{LAYER_DIGEST}"
HALF = len(LAYER) // 2


def image(
    lab: Lab,
    name: str = "app",
    *,
    deadline: float = 60.0,
    repair: frozenset[Digest] = frozenset(),
) -> CopyRequest:
    path = f"team/{name}"
    digest = lab.source.store.put_image(path, layers=[LAYER, name.encode()])
    return lab.request(digest, path=path, deadline=deadline, repair=repair)


def believe(lab: Lab, *names: str) -> None:
    """Have the engine believe of some repositories that they hold the layer, of the first most."""
    for name in names:
        lab.learn(Repository(lab.cache.host, f"team/{name}"), [Digest.parse(LAYER_DIGEST)])


def ranges(lab: Lab) -> list[str | None]:
    """What of the layer the source was asked for."""
    return [each.headers.get("Range") for each in lab.source.asked("GET", LAYER_PATH)]


def mounts(lab: Lab) -> list[str]:
    """The repositories that the layer was to be mounted from."""
    asked = lab.cache.asked("POST", UPLOADS, query=f"mount={LAYER_DIGEST}&from=*")
    return [each.parameters["from"].removeprefix("team/") for each in asked]


async def leave(lab: Lab, name: str) -> None:
    """Have an attempt end when half of the layer is in an upload."""
    lab.source.inject(Fault("GET", LAYER_PATH, Stalled(after=HALF), times=1))
    with pytest.raises(EngineError):
        await lab.builtin.copy(image(lab, name, deadline=1.0), Place())
    assert HALF in arrived(lab)


async def test_an_upload_with_bytes_outlives_a_mount_that_was_refused() -> None:
    """The one that the cache opened instead is deleted, after the image is there."""
    async with laboratory() as lab:
        await leave(lab, "app")
        believe(lab, "gone")
        await lab.builtin.copy(image(lab), Place())
        lab.assert_same("team/app")
        assert mounts(lab) == ["gone"]
        assert ranges(lab) == [None, f"bytes={HALF}-"]
        assert lab.cache.requests[-1].method == "DELETE"
        assert lab.cache.uploads.sessions == {}


async def test_the_next_repository_is_tried_when_one_refuses() -> None:
    """And not a byte is moved meanwhile."""
    async with laboratory() as lab:
        lab.cache.store.put_blob("team/has", LAYER)
        believe(lab, "gone", "lost", "has")
        await lab.builtin.copy(image(lab), Place())
        lab.assert_same("team/app")
        assert mounts(lab) == ["gone", "lost", "has"]
        assert ranges(lab) == []
        assert lab.cache.uploads.sessions == {}


async def test_a_cache_that_refuses_every_mount_costs_little() -> None:
    """Three requests, and all but one of the uploads that they opened are deleted."""
    async with laboratory() as lab:
        believe(lab, "a", "b", "c", "d", "e")
        await lab.builtin.copy(image(lab), Place())
        lab.assert_same("team/app")
        assert mounts(lab) == ["a", "b", "c"]
        assert ranges(lab) == [None]
        assert len(lab.cache.asked("DELETE", UPLOADS)) == 2
        assert lab.cache.uploads.sessions == {}


@pytest.mark.parametrize("searches", [False, True], ids=["named", "searched"])
async def test_a_short_blob_that_was_mounted_is_pushed_anew(*, searches: bool) -> None:
    """It is as short as where it came from (fault row 57)."""
    async with laboratory() as lab:
        lab.cache.store.repository("team/short").blobs[LAYER_DIGEST] = LAYER[:10]
        lab.cache.uploads.mounts_unnamed = searches
        if not searches:
            believe(lab, "short")
        await lab.builtin.copy(image(lab), Place())
        lab.assert_same("team/app")
        assert ranges(lab) == [None]


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT"])
async def test_an_upload_elsewhere_that_fails_is_no_loss(method: str) -> None:
    """The image goes into its own repository, whatever the cache says of the other one."""
    async with laboratory() as lab:
        await leave(lab, "one")
        lab.cache.inject(Fault(method, "/v2/team/one/blobs/uploads/*", Refusal(403, "DENIED")))
        await lab.builtin.copy(image(lab, "two"), Place())
        lab.assert_same("team/two")
        assert lab.cache.uploads.sessions == {}


async def test_an_upload_elsewhere_outlives_a_cache_that_is_asked_too_much() -> None:
    """Its bytes are worth the wait."""
    async with laboratory() as lab:
        await leave(lab, "one")
        path = "/v2/team/one/blobs/uploads/*"
        lab.cache.inject(Fault("GET", path, TooManyRequests(1), times=1))
        with pytest.raises(EngineError) as caught:
            await lab.builtin.copy(image(lab, "two"), Place())
        assert caught.value.kind is ErrorKind.RATE_LIMITED
        await anyio.sleep(1.1)
        await lab.builtin.copy(image(lab, "two"), Place())
        lab.assert_same("team/two")
        assert ranges(lab) == [None, f"bytes={HALF}-"]


async def test_a_repair_leaves_uploads_of_other_repositories_alone() -> None:
    """What is finished there could not be mounted: its bytes would come twice."""
    async with laboratory() as lab:
        await leave(lab, "one")
        lab.cache.store.repository("team/two").blobs[LAYER_DIGEST] = LAYER[::-1]
        repair = frozenset({Digest.parse(LAYER_DIGEST)})
        await lab.builtin.copy(image(lab, "two", repair=repair), Place())
        lab.assert_same("team/two")
        assert ranges(lab) == [None, None]


async def test_images_nearby_are_not_read_where_nothing_is_mounted() -> None:
    """What they list would be of no use."""
    async with laboratory() as lab:
        other = image(lab, "other")
        lab.builtin.neighbour(other.target, other.digest)
        lab.builtin._shared.client.ways.forgo_mounts(lab.cache.host)
        await lab.builtin.copy(image(lab), Place())
        lab.assert_same("team/app")
        assert lab.cache.asked("GET", MANIFESTS) == []


async def test_an_upload_elsewhere_is_left_alone_where_nothing_is_mounted() -> None:
    """Its bytes would come once more, into the image's own repository."""
    async with laboratory() as lab:
        await leave(lab, "one")
        lab.builtin._shared.client.ways.forgo_mounts(lab.cache.host)
        await lab.builtin.copy(image(lab, "two"), Place())
        lab.assert_same("team/two")
        assert ranges(lab) == [None, None]


async def test_images_nearby_are_not_read_when_most_was_sent() -> None:
    """The rest is there sooner."""
    async with laboratory() as lab:
        await leave(lab, "app")
        other = image(lab, "other")
        lab.builtin.neighbour(other.target, other.digest)
        await lab.builtin.copy(image(lab), Place())
        lab.assert_same("team/app")
        assert lab.cache.asked("GET", MANIFESTS) == []
        assert ranges(lab) == [None, f"bytes={HALF}-"]


async def test_a_blob_that_another_image_moves_is_not_asked_for() -> None:
    """It is waited for, and mounted then: nothing else is sent for it."""
    async with laboratory() as lab:
        gate, place = Gate(), Place()
        lab.source.inject(Fault("GET", LAYER_PATH, Stalled(after=HALF, gate=gate)))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lab.builtin.copy, image(lab, "one"), Place())
            await gate.reached(1)
            tasks.start_soon(lab.builtin.copy, image(lab, "two"), place)
            await place.rested.wait()
            gate.open()
        lab.assert_same("team/two")
        assert mounts(lab) == ["one"]
        assert ranges(lab) == [None]
        assert lab.cache.asked("HEAD", f"/v2/team/two/blobs/{LAYER_DIGEST}") == []


async def test_a_small_blob_that_an_attempt_lost_is_streamed_by_the_next() -> None:
    """So that a third one would go on with it."""
    async with laboratory() as lab:
        lab.builtin._shared.client.ways = Ways(small=len(LAYER))
        lab.source.inject(Fault("GET", LAYER_PATH, Stalled(after=HALF), times=1))
        with pytest.raises(EngineError):
            await lab.builtin.copy(image(lab, deadline=0.5), Place())
        assert lab.cache.asked("PATCH", UPLOADS) == []
        await lab.builtin.copy(image(lab), Place())
        lab.assert_same("team/app")
        assert len(lab.cache.asked("PATCH", UPLOADS)) == 1
