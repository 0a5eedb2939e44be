"""Each blob once: what images have in common is moved by one of them, and mounted by the others."""

import anyio
import pytest

from image_sync.engines import Copied, CopyRequest
from image_sync.engines.builtin import Builtin
from image_sync.errors import EngineError, ErrorKind, Side
from image_sync.model import HostPolicy
from image_sync.oci import Digest, Repository
from tests.engines.builtin.support import BLOBS, UPLOADS, Lab, Place, endpoint, laboratory
from tests.hostile import Composed, Fault, Gate, Held, MountIgnored, Refusal, Stalled
from tests.hostile.store import digest_of

pytestmark = pytest.mark.anyio

SHARED = b"what both have" * 150_000  # 2 MB
SHARED_PATH = f"/v2/*/blobs/{digest_of(SHARED)}"


def two(lab: Lab) -> tuple[CopyRequest, CopyRequest]:
    """Two images of two repositories with a layer in common."""
    store = lab.source.store
    one = store.put_image("team/one", layers=[SHARED, b"one"])
    two = store.put_image("team/two", layers=[SHARED, b"two"])
    return lab.request(one, path="team/one"), lab.request(two, path="team/two")


def shared_gets(lab: Lab) -> int:
    return len(lab.source.asked("GET", SHARED_PATH))


class Copies:
    """Copies that run at once, and what came of each."""

    def __init__(self, builtin: Builtin) -> None:
        self.copied: dict[str, Copied] = {}
        self.failed: dict[str, EngineError] = {}
        self._builtin = builtin

    async def run(self, request: CopyRequest, place: Place) -> None:
        name = request.target.repository.path
        try:
            self.copied[name] = await self._builtin.copy(request, place)
        except EngineError as error:
            self.failed[name] = error


async def test_two_images_move_a_common_layer_once() -> None:
    """The second one gives its place away meanwhile, and mounts."""
    async with laboratory() as lab:
        one, two_ = two(lab)
        gate, places, copies = Gate(), (Place(), Place()), Copies(lab.builtin)
        lab.source.inject(Fault("GET", SHARED_PATH, Stalled(after=1_000_000, gate=gate)))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(copies.run, one, places[0])
            await gate.reached(1)
            tasks.start_soon(copies.run, two_, places[1])
            await places[1].rested.wait()
            gate.open()
        lab.assert_same("team/one")
        lab.assert_same("team/two")
        assert shared_gets(lab) == 1
        assert [place.rests for place in places] == [0, 1]
        reused = copies.copied["team/two"].bytes_reused
        assert reused is not None
        assert reused >= len(SHARED)
        mounts = lab.cache.asked("POST", UPLOADS, query="*from=*")
        assert [mount.parameters["from"] for mount in mounts] == ["team/one"]


async def test_one_takes_over_when_the_other_fails() -> None:
    """The one's repository refuses the layer; the other's has it."""
    async with laboratory() as lab:
        one, two_ = two(lab)
        gate, place, copies = Gate(), Place(), Copies(lab.builtin)
        refused = Composed(Held(gate), Refusal(403, "DENIED"))
        lab.source.inject(Fault("GET", f"/v2/team/one/blobs/{digest_of(SHARED)}", refused))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(copies.run, one, Place())
            await gate.reached(1)
            tasks.start_soon(copies.run, two_, place)
            await place.rested.wait()
            gate.open()
        assert copies.failed["team/one"].kind is ErrorKind.DENIED
        lab.assert_same("team/two")


async def test_one_takes_over_when_the_other_is_cancelled() -> None:
    """It goes on with the upload of the other, where that lies, and mounts from there."""
    async with laboratory() as lab:
        one, two_ = two(lab)
        gate, place, copies = Gate(), Place(), Copies(lab.builtin)
        half = len(SHARED) // 2
        lab.source.inject(Fault("GET", SHARED_PATH, Stalled(after=half, gate=gate), times=1))
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:

                async def leave() -> None:
                    await gate.reached(1)
                    tasks.start_soon(copies.run, two_, place)
                    await place.rested.wait()
                    scope.cancel()

                tasks.start_soon(leave)
                await copies.run(one, Place())
        lab.assert_same("team/two")
        assert copies.copied.keys() == {"team/two"}
        assert digest_of(SHARED) in lab.cache.store.repositories["team/one"].blobs
        mounts = lab.cache.asked("POST", "/v2/team/two/*", query="*from=*")
        assert [mount.parameters["from"] for mount in mounts] == ["team/one"]


async def test_a_blob_of_another_repository_is_mounted() -> None:
    """One request, and no question before it."""
    async with laboratory() as lab:
        one, two_ = two(lab)
        await lab.builtin.copy(one, Place())
        lab.cache.requests.clear()
        await lab.builtin.copy(two_, Place())
        lab.assert_same("team/two")
        assert shared_gets(lab) == 1
        assert lab.cache.asked("HEAD", SHARED_PATH) == []


MOUNTLESS = {
    "ignored": MountIgnored(),
    "405": Refusal(405, "UNSUPPORTED"),
    "401": Refusal(401, "UNAUTHORIZED"),
    "404": Refusal(404, "NAME_UNKNOWN"),
}


@pytest.mark.parametrize("behaviour", MOUNTLESS.values(), ids=MOUNTLESS)
async def test_a_cache_that_does_not_mount_gets_an_upload(
    behaviour: MountIgnored | Refusal,
) -> None:
    """Fault row 48: no error, and the image is whole."""
    async with laboratory() as lab:
        one, two_ = two(lab)
        lab.cache.inject(Fault("POST", UPLOADS, behaviour, query="mount=*from=*"))
        await lab.builtin.copy(one, Place())
        await lab.builtin.copy(two_, Place())
        lab.assert_same("team/two")
        assert lab.cache.uploads.sessions == {}


async def test_what_the_cache_s_manifests_list_is_mounted() -> None:
    """Told by others that a repository should hold a blob, it is not fetched."""
    async with laboratory() as lab:
        one, two_ = two(lab)
        lab.cache.store.repositories["team/one"] = lab.source.store.repositories["team/one"]
        lab.learn(one.target.repository, [Digest.parse(digest_of(SHARED))])
        await lab.builtin.copy(two_, Place())
        lab.assert_same("team/two")
        assert shared_gets(lab) == 0


async def test_images_nearby_are_looked_through_for_a_large_blob() -> None:
    """Only then, and each once."""
    async with laboratory() as lab:
        one, two_ = two(lab)
        lab.cache.store.repositories["team/one"] = lab.source.store.repositories["team/one"]
        lab.builtin.neighbour(one.target, one.digest)
        lab.builtin.neighbour(endpoint(Side.TARGET, lab.cache, "team/gone"), one.digest)
        lab.builtin.neighbour(one.target, one.digest)
        await lab.builtin.copy(two_, Place())
        lab.assert_same("team/two")
        assert shared_gets(lab) == 0
        assert len(lab.cache.asked("GET", "/v2/team/one/manifests/*")) == 1


async def test_a_fact_that_does_not_hold_any_more_costs_a_request() -> None:
    """The repository that should have had it has not: the blob is fetched."""
    async with laboratory() as lab:
        _, two_ = two(lab)
        gone = Repository(lab.cache.host, "team/gone")
        lab.learn(gone, [Digest.parse(digest_of(SHARED))])
        await lab.builtin.copy(two_, Place())
        lab.assert_same("team/two")
        assert shared_gets(lab) == 1
        assert lab.cache.uploads.sessions == {}


async def test_one_slot_on_each_side_is_enough() -> None:
    """Nobody waits for a slot at the cache while holding one at a source, nor for room."""
    policies: dict[str, HostPolicy] = {}
    async with laboratory(policies=policies, window=2_000_000) as lab:
        for registry in (lab.source, lab.cache):
            policies[registry.host] = HostPolicy(concurrency=1)
        copies = Copies(lab.builtin)
        requests = [*two(lab)]
        for number in range(4):
            layers = [SHARED, *(f"{number} {each}".encode() * 100_000 for each in range(4))]
            name = f"team/n{number}"
            digest = lab.source.store.put_image(name, layers=layers)
            requests.append(lab.request(digest, path=name))
        async with anyio.create_task_group() as tasks:
            for request in requests:
                tasks.start_soon(copies.run, request, Place())
        assert copies.failed == {}
        for request in requests:
            lab.assert_same(request.source.repository.path)
        assert shared_gets(lab) == 1
        assert len(lab.source.asked("GET", BLOBS)) == len(
            {
                digest
                for repository in lab.source.store.repositories.values()
                for digest in repository.blobs
            }
        )
