"""Each blob is looked at once, and what is kept of it is the answer alone."""

import gc

import anyio
import pytest

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.model import Damage, Endpoint
from image_sync.oci import Descriptor, Digest
from image_sync.registry import RegistryClient
from image_sync.sync.looks import SharedLook, at_once
from tests.hostile import Gate
from tests.sync.scene import make_spec

pytestmark = pytest.mark.anyio
ENDPOINT = make_spec().target


def blob(number: int = 0) -> Descriptor:
    """One of many."""
    return Descriptor("application/octet-stream", Digest.of(str(number).encode()), 1)


def locks() -> int:
    """How many there are in this process."""
    return sum(isinstance(each, anyio.Lock) for each in gc.get_objects())


class Look:
    """Looks at blobs as written down: `steps` says how each ends, and the last is repeated."""

    def __init__(self, *steps: Damage | RegistryError | None, gate: Gate | None = None) -> None:
        self.steps = list(steps)
        self.looks = 0
        self._gate = gate

    async def __call__(
        self, _client: RegistryClient, _endpoint: Endpoint, _blob: Descriptor
    ) -> Damage | None:
        self.looks += 1
        if self._gate:
            await self._gate.hold()
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, RegistryError):
            raise step
        return step


LOST = Damage(blob().digest, "lost", ErrorKind.BLOB_MISSING)


async def test_who_asks_meanwhile_waits_for_the_answer(client: RegistryClient) -> None:
    """Twenty at once, one look."""
    gate = Gate()
    look = Look(LOST, gate=gate)
    looks, found = SharedLook(look), list[Damage | None]()

    async def ask() -> None:
        found.append(await looks(client, ENDPOINT, blob()))

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        gate.open()
    assert (found, look.looks) == ([LOST] * 20, 1)


async def test_a_look_that_failed_is_no_answer(client: RegistryClient) -> None:
    """Whoever waited looks again."""
    failure = RegistryError("gone", ErrorKind.NETWORK, side=Side.TARGET)
    looks = SharedLook(Look(failure, None))
    with pytest.raises(RegistryError):
        await looks(client, ENDPOINT, blob())
    assert await looks(client, ENDPOINT, blob()) is None


async def test_only_damage_is_forgotten(client: RegistryClient) -> None:
    """What was whole stays so."""
    look = Look(LOST, None)
    looks = SharedLook(look)
    assert await looks(client, ENDPOINT, blob(0)) == LOST
    assert await looks(client, ENDPOINT, blob(1)) is None
    looks.forget_damage()
    assert await looks(client, ENDPOINT, blob(0)) is None
    assert await looks(client, ENDPOINT, blob(1)) is None
    assert look.looks == 3


async def test_no_lock_is_kept_of_what_is_known(client: RegistryClient) -> None:
    """A cache holds millions of blobs, and a lock takes more memory than what is to be said."""
    looks, before = SharedLook(Look(None)), locks()
    for number in range(100):
        await looks(client, ENDPOINT, blob(number))
    assert locks() == before
    assert await looks(client, ENDPOINT, blob(99)) is None


async def test_only_so_many_looks_run_at_once(client: RegistryClient) -> None:
    """The others wait."""
    gate = Gate()
    look = Look(None, gate=gate)
    few = at_once(look, 2)

    async def one(number: int) -> None:
        assert await few(client, ENDPOINT, blob(number)) is None

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(one, number)
        await anyio.wait_all_tasks_blocked()
        assert look.looks == 2
        gate.open()
    assert look.looks == 5
