"""What a closer look at an unchanged image finds while the cache has trouble serving it, over real
sockets."""

import msgspec
import pytest

from image_sync.engines import Refusal as Unable
from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.events import Event
from image_sync.model import ImageSpec
from image_sync.oci import AllPlatforms, Digest
from image_sync.registry import RegistryClient
from image_sync.sync import Unchanged
from image_sync.sync.unchanged import Found
from tests.hostile import Fault, HostileRegistry, ReferrersApi, Refusal, WrongBytes
from tests.hostile.referrers import put_referrer
from tests.sync.scene import (
    SOURCE_REPOSITORY,
    TARGET_REPOSITORY,
    KnownHosts,
    Unwilling,
    make_spec,
    transfer,
    unchanged_of,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def image(origin: HostileRegistry, kept: HostileRegistry) -> Digest:
    """One that the cache has, and a signature of it that is at the source only."""
    origin.referrers = ReferrersApi()
    digest = origin.store.put_image(SOURCE_REPOSITORY, "1.0")
    transfer(origin, kept, digest)
    kept.store.tag(TARGET_REPOSITORY, "1.0", digest)
    return Digest.parse(digest)


@pytest.fixture
def signature(origin: HostileRegistry, image: Digest) -> Digest:
    return Digest.parse(put_referrer(origin.store, SOURCE_REPOSITORY, str(image), b"signed"))


@pytest.fixture
def spec(origin: HostileRegistry, kept: HostileRegistry) -> ImageSpec:
    spec = make_spec(source=origin.host, target=kept.host, platforms=AllPlatforms())
    return msgspec.structs.replace(spec, referrers=True)


@pytest.fixture
def unchanged(client: RegistryClient, events: list[Event]) -> Unchanged:
    nobody = Unwilling("nobody", Unable("it is not asked"))
    return unchanged_of(client, KnownHosts(), events.append, nobody)


async def test_a_manifest_that_is_missing_for_a_moment_hides_no_referrers(
    unchanged: Unchanged, spec: ImageSpec, kept: HostileRegistry, image: Digest, signature: Digest
) -> None:
    """The cache is whole when it is examined: so the question is asked again."""
    kept.inject(Fault("GET", f"*{image}", Refusal(404, "MANIFEST_UNKNOWN"), times=1))
    found = await unchanged.look(spec, image)
    assert [referrer.digest for referrer in found.referrers] == [signature]
    assert not found.damaged


@pytest.mark.usefixtures("signature")
async def test_a_manifest_with_other_bytes_is_damage(
    unchanged: Unchanged, spec: ImageSpec, kept: HostileRegistry, image: Digest
) -> None:
    """It is healed as one that is missing, instead of failing the image in every pass."""
    kept.inject(Fault("GET", f"*{image}", WrongBytes()))
    assert await unchanged.look(spec, image) == Found(damaged=frozenset({image}))


async def test_a_cache_that_does_not_answer_is_not_taken_for_damaged(
    unchanged: Unchanged, spec: ImageSpec, kept: HostileRegistry, image: Digest
) -> None:
    """What could not be found out is an error."""
    kept.inject(Fault("GET", f"*{image}", Refusal(403, "DENIED")))
    with pytest.raises(RegistryError) as caught:
        await unchanged.look(spec, image)
    assert (caught.value.kind, caught.value.side) == (ErrorKind.DENIED, Side.TARGET)
