"""What an image consists of: each manifest is read once, and once more if its bytes are wrong."""

from collections.abc import AsyncIterator

import pytest

from image_sync.engines import CopyRequest
from image_sync.engines.builtin.parts import Parts, read_parts
from image_sync.errors import ErrorKind
from image_sync.model import Security
from image_sync.oci import Digest
from image_sync.registry.recent import MOST
from tests.engines.builtin.support import MANIFESTS
from tests.hostile import Fault, HostileRegistry, WrongBytes
from tests.hostile.store import OCI_INDEX, descriptor, document
from tests.registry.asking import REPOSITORY, asking, failure, source, target

pytestmark = pytest.mark.anyio

STRANGER, STRANGE = b'{"strange": true}', "application/vnd.example.thing.v1+json"


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    async with HostileRegistry() as running:
        yield running


async def parts_of(registry: HostileRegistry, digest: str) -> Parts:
    request = CopyRequest(
        source=source(registry.host),
        target=target("127.0.0.2:1"),
        digest=Digest.parse(digest),
        source_security=Security.CLEAR,
        target_security=Security.CLEAR,
        deadline=60.0,
    )
    async with asking() as client:
        return await read_parts(client, request)


def put_index(registry: HostileRegistry, **more: object) -> str:
    """An index that lists a manifest of unknown type."""
    registry.store.put_manifest(REPOSITORY, None, STRANGER, STRANGE)
    entries = [descriptor(STRANGE, STRANGER)]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, **more}
    return registry.store.put_manifest(REPOSITORY, None, document(index), OCI_INDEX)


async def test_a_manifest_is_read_once_however_long_it_is(registry: HostileRegistry) -> None:
    """Also one that is too long to be remembered: every reading may count as a pull."""
    digest = put_index(registry, annotations={"long": "x" * MOST})
    parts = await parts_of(registry, digest)
    assert parts.levels[-1][0].digest == Digest.parse(digest)
    assert len(registry.asked("GET", f"/v2/*/manifests/{digest}")) == 1


async def test_an_image_that_is_not_there_is_told_as_such(registry: HostileRegistry) -> None:
    """Nothing is wrong with the registry, nor with the image."""
    digest = put_index(registry)
    registry.store.repositories[REPOSITORY].manifests.clear()
    error = await failure(parts_of(registry, digest))
    assert error.kind is ErrorKind.NOT_FOUND


@pytest.mark.parametrize("times", [1, 2])
async def test_wrong_bytes_of_an_unknown_type_are_looked_at_twice(
    registry: HostileRegistry, times: int
) -> None:
    """As those of any manifest: a CDN's bad copy may be gone the second time (row 27)."""
    digest = put_index(registry)
    path = f"{MANIFESTS.removesuffix('*')}{descriptor(STRANGE, STRANGER)['digest']}"
    registry.inject(Fault("GET", path, WrongBytes(), times=times))
    if times == 1:
        parts = await parts_of(registry, digest)
        assert [each.content for each in parts.levels[0]] == [STRANGER]
    else:
        error = await failure(parts_of(registry, digest))
        assert error.kind is ErrorKind.BAD_CONTENT
        assert "other bytes" in error.message
    assert len(registry.asked("GET", path)) == 2
