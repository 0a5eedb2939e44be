"""Blobs read to their last byte, over real sockets."""

import pytest

from image_sync.errors import ErrorKind, RegistryError
from image_sync.http import Http
from image_sync.model import Endpoint
from image_sync.oci import Descriptor, Digest
from image_sync.registry import Authenticator, RegistryClient
from image_sync.sync.proof import read_through
from tests.hostile import (
    Fault,
    HostileRegistry,
    OnlyRanged,
    RangeIgnored,
    Refusal,
    Reset,
    TooLong,
    Truncated,
    WithField,
    WrongBytes,
)
from tests.sync.scene import TARGET_REPOSITORY, NoCredentials, make_spec

pytestmark = pytest.mark.anyio
CONTENT = bytes(range(256)) * 4_000
BLOBS = "*/blobs/*"


@pytest.fixture
def client(http: Http) -> RegistryClient:
    """The real client, which does not wait between tries."""
    return RegistryClient(http, Authenticator(http, NoCredentials(), {}), no_wait)


async def no_wait(_seconds: float) -> None:
    """Nothing."""


@pytest.fixture
def endpoint(kept: HostileRegistry) -> Endpoint:
    """The cache."""
    return make_spec(target=kept.host).target


@pytest.fixture
def blob(kept: HostileRegistry) -> Descriptor:
    """A blob of a megabyte that the cache holds."""
    digest = kept.store.put_blob(TARGET_REPOSITORY, CONTENT)
    return Descriptor("application/octet-stream", Digest.parse(digest), len(CONTENT))


async def test_a_blob_with_the_right_bytes_is_read_once(
    client: RegistryClient, kept: HostileRegistry, endpoint: Endpoint, blob: Descriptor
) -> None:
    """After the question whether it is there at all."""
    assert await read_through(client, endpoint, blob) is None
    assert [request.method for request in kept.requests] == ["HEAD", "GET"]


async def test_a_flipped_byte_is_damage_although_presence_and_size_are_right(
    client: RegistryClient, kept: HostileRegistry, endpoint: Endpoint, blob: Descriptor
) -> None:
    """Fault row 57: the registry's own word says nothing of the bytes."""
    spoilt = CONTENT[:-1] + b"?"
    kept.store.repository(TARGET_REPOSITORY).blobs[str(blob.digest)] = spoilt
    damage = await read_through(client, endpoint, blob)
    assert damage is not None
    assert (damage.digest, damage.kind) == (blob.digest, ErrorKind.BAD_CONTENT)
    assert str(Digest.of(spoilt)) in damage.what


async def test_a_byte_that_changed_on_its_way_is_no_damage(
    client: RegistryClient, kept: HostileRegistry, endpoint: Endpoint, blob: Descriptor
) -> None:
    """Fault row 27: what is wrong once is read once more, from the start."""
    kept.inject(Fault("GET", BLOBS, WrongBytes(), times=1))
    assert await read_through(client, endpoint, blob) is None
    assert len(kept.asked("GET", BLOBS)) == 2


async def test_a_blob_that_is_lost_or_short_is_not_read(
    client: RegistryClient, kept: HostileRegistry, endpoint: Endpoint, blob: Descriptor
) -> None:
    """A HEAD tells."""
    blobs = kept.store.repository(TARGET_REPOSITORY).blobs
    blobs[str(blob.digest)] = CONTENT[:-1]
    short = await read_through(client, endpoint, blob)
    del blobs[str(blob.digest)]
    lost = await read_through(client, endpoint, blob)
    assert short is not None
    assert lost is not None
    assert short.what.endswith(
        f"has {len(CONTENT) - 1} bytes there, and {blob.size} in the manifest"
    )
    assert lost.what == f"the blob {blob.digest} is missing"
    assert kept.asked("GET", BLOBS) == []


async def test_a_blob_that_is_only_said_to_be_there_is_missing(
    client: RegistryClient, kept: HostileRegistry, endpoint: Endpoint, blob: Descriptor
) -> None:
    """As by a registry that remembers what it had."""
    kept.inject(Fault("GET", BLOBS, Refusal(404, "BLOB_UNKNOWN")))
    damage = await read_through(client, endpoint, blob)
    assert damage is not None
    assert damage.what == f"the blob {blob.digest} is missing"


@pytest.mark.parametrize(
    "way", [pytest.param(None, id="ranges"), pytest.param(RangeIgnored(), id="no-ranges")]
)
async def test_what_broke_off_goes_on_where_it_stopped(
    client: RegistryClient,
    kept: HostileRegistry,
    endpoint: Endpoint,
    blob: Descriptor,
    way: RangeIgnored | None,
) -> None:
    """Fault rows 20 and 21: no byte is hashed twice."""
    kept.inject(Fault("GET", BLOBS, Reset(700_000), times=1))
    if way:
        kept.inject(Fault("GET", BLOBS, OnlyRanged(way)))
    assert await read_through(client, endpoint, blob) is None
    first, second = kept.asked("GET", BLOBS)
    assert first.headers.get("Range") is None
    assert second.headers.get("Range")


async def test_a_blob_that_always_ends_at_the_same_byte_is_damage(
    client: RegistryClient, kept: HostileRegistry, endpoint: Endpoint, blob: Descriptor
) -> None:
    """Its registry believes in the size that it had, and has less of it."""
    kept.store.repository(TARGET_REPOSITORY).blobs[str(blob.digest)] = CONTENT[:1_000]
    kept.inject(Fault("HEAD", BLOBS, WithField("Content-Length", str(blob.size))))
    damage = await read_through(client, endpoint, blob)
    assert damage is not None
    assert damage.kind is ErrorKind.BLOB_MISSING
    assert damage.what.endswith(f"breaks off after 1000 bytes of {blob.size}")


async def test_more_bytes_than_there_should_be_are_damage(
    client: RegistryClient, kept: HostileRegistry, endpoint: Endpoint, blob: Descriptor
) -> None:
    """Fault row 24: reading stops at the first byte too many."""
    kept.inject(Fault("GET", BLOBS, TooLong(10)))
    damage = await read_through(client, endpoint, blob)
    assert damage is not None
    assert damage.kind is ErrorKind.BAD_CONTENT
    assert damage.what.endswith(f"is served with more than its {blob.size} bytes")


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(Refusal(403, "DENIED"), id="denied"),
        pytest.param(Refusal(400, "UNSUPPORTED"), id="unsupported"),
    ],
)
async def test_a_registry_that_does_not_serve_it_says_nothing_of_the_blob(
    client: RegistryClient,
    kept: HostileRegistry,
    endpoint: Endpoint,
    blob: Descriptor,
    refusal: Refusal,
) -> None:
    """That is an error of its own, and no damage."""
    kept.inject(Fault("GET", BLOBS, refusal))
    with pytest.raises(RegistryError):
        await read_through(client, endpoint, blob)


async def test_a_blob_that_its_registry_fails_to_read_is_damaged(
    client: RegistryClient, kept: HostileRegistry, endpoint: Endpoint, blob: Descriptor
) -> None:
    """Try after try: once is a passing fault."""
    once = kept.inject(Fault("GET", BLOBS, Refusal(500, "UNKNOWN", "input/output error"), times=1))
    assert await read_through(client, endpoint, blob) is None
    assert once.hits == 1
    kept.inject(Fault("GET", BLOBS, Refusal(500, "UNKNOWN", "input/output error")))
    damage = await read_through(client, endpoint, blob)
    assert damage is not None
    assert "input/output error" in damage.what


async def test_a_blob_that_breaks_off_further_on_each_time_is_no_damage(
    client: RegistryClient, kept: HostileRegistry, endpoint: Endpoint, blob: Descriptor
) -> None:
    """The way is bad: nobody knows yet what lies behind the last byte that came."""
    kept.inject(Fault("GET", BLOBS, Truncated(100_000)))
    with pytest.raises(RegistryError) as caught:
        await read_through(client, endpoint, blob)
    assert caught.value.kind is ErrorKind.TRUNCATED
