"""The images of a cache whose manifests say who holds what: each is read once, and none is lost."""

from collections.abc import AsyncIterator

import anyio
import pytest

from image_sync.engines.builtin.holders import Holders
from image_sync.engines.builtin.neighbours import Neighbours
from image_sync.model import Endpoint
from image_sync.oci import Digest, Repository
from image_sync.runtime.retry import TRIES
from tests.hostile import Fault, Gate, Held, HostileRegistry, HtmlPage, Refusal, WrongBytes
from tests.hostile.fault import Behaviour
from tests.hostile.store import digest_of
from tests.registry.asking import asking, target

pytestmark = pytest.mark.anyio

NAMES = ("team/one", "team/two", "team/three")


class Nearby:
    """A cache with three images, and what is known of them."""

    def __init__(self, cache: HostileRegistry, neighbours: Neighbours, holders: Holders) -> None:
        self.cache = cache
        self.neighbours = neighbours
        self.images = {
            name: Digest.parse(cache.store.put_image(name, layers=[name.encode()]))
            for name in NAMES
        }
        self._holders = holders

    def add(self) -> None:
        """As every pass does that finds them unchanged."""
        for name, digest in self.images.items():
            self.neighbours.add(self._endpoint(name), digest)

    async def read(self) -> None:
        await self.neighbours.read(self.cache.host)

    def known(self) -> set[str]:
        """The images whose layers are known to be held."""
        other = Repository(self.cache.host, "team/other")
        layers = {name: Digest.parse(digest_of(name.encode())) for name in NAMES}
        return {name for name, layer in layers.items() if self._holders.elsewhere(other, layer)}

    def asked(self, name: str) -> int:
        """How often an image's manifest was asked for."""
        return len(self.cache.asked("GET", f"/v2/{name}/manifests/*"))

    def _endpoint(self, name: str) -> Endpoint:
        return target(self.cache.host, name)


@pytest.fixture
async def nearby() -> AsyncIterator[Nearby]:
    holders = Holders()
    async with HostileRegistry("127.0.0.2") as cache, asking() as client:
        yield Nearby(cache, Neighbours(client, holders, remembered=len(NAMES)), holders)


async def test_a_long_process_reads_each_image_once(nearby: Nearby) -> None:
    """Pass after pass tells of the same images."""
    for _ in range(3):
        nearby.add()
        await nearby.read()
    assert nearby.known() == set(NAMES)
    assert [nearby.asked(name) for name in NAMES] == [1, 1, 1]


async def test_what_was_read_is_remembered_up_to_a_bound(nearby: Nearby) -> None:
    """What was read before the latest ones may be read again."""
    nearby.add()
    await nearby.read()
    fourth = Digest.parse(nearby.cache.store.put_image("team/four"))
    nearby.neighbours.add(target(nearby.cache.host, "team/four"), fourth)
    await nearby.read()
    nearby.add()
    await nearby.read()
    assert sorted(nearby.asked(name) for name in NAMES) == [1, 1, 2]


async def test_a_reading_that_is_cut_off_loses_none(nearby: Nearby) -> None:
    """The next one goes on with those that were not read."""
    gate = Gate()
    nearby.cache.inject(Fault("GET", "/v2/team/two/*", Held(gate), times=1))
    nearby.add()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(nearby.read)
        await gate.reached()
        while nearby.known() != {"team/one", "team/three"}:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    await nearby.read()
    assert nearby.known() == set(NAMES)
    assert [nearby.asked(name) for name in NAMES] == [1, 2, 1]


async def test_a_cache_that_does_not_answer_is_read_another_time(nearby: Nearby) -> None:
    """It is no help now, and no error."""
    nearby.cache.inject(Fault("GET", "/v2/team/two/*", HtmlPage(502), times=TRIES))
    nearby.add()
    await nearby.read()
    assert "team/two" not in nearby.known()
    await nearby.read()
    assert nearby.known() == set(NAMES)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Refusal(404, "MANIFEST_UNKNOWN"), id="it is gone"),
        pytest.param(WrongBytes(), id="other bytes"),
        pytest.param(HtmlPage(500), id="it cannot be read"),
        pytest.param(Refusal(403, "DENIED"), id="it may not be read"),
    ],
)
async def test_an_image_that_the_cache_does_not_show_is_left_out(
    nearby: Nearby, fault: Behaviour
) -> None:
    """For good: it is asked for once, however often a blob is missing."""
    nearby.cache.inject(Fault("GET", "/v2/team/one/*", fault))
    nearby.add()
    await nearby.read()
    asked = nearby.asked("team/one")
    nearby.add()
    await nearby.read()
    assert nearby.known() == {"team/two", "team/three"}
    assert nearby.asked("team/one") == asked
