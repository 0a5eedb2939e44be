"""The places of a ledger: a cache registry over real sockets, and a file."""

import os
from pathlib import Path

import anyio
import pytest

from image_sync.errors import ErrorKind, ImageSyncError, RegistryError, Side
from image_sync.model import Endpoint, TlsPolicy
from image_sync.oci import Digest, Repository
from image_sync.registry import RegistryClient
from image_sync.sync import FileStore, Ledger, RegistryStore, ledger_stores
from image_sync.sync.ledger import LedgerStore
from tests.hostile import Fault, HostileRegistry, Refusal
from tests.real.running import RunningRegistry
from tests.sync.scene import make_spec

pytestmark = pytest.mark.anyio
REPOSITORY = "image-sync/ledger"
SPEC = make_spec()
X, Y = Digest.of(b"x"), Digest.of(b"y")


def a_store(client: RegistryClient, host: str, tag: str = "shard-0-of-1") -> RegistryStore:
    endpoint = Endpoint(Side.TARGET, Repository(host, REPOSITORY), TlsPolicy.PLAIN)
    return RegistryStore(client, endpoint, tag)


async def remembered(store: LedgerStore) -> Digest | None:
    """What a new process finds in a place."""
    ledger = Ledger(store, lambda _: None, lambda: 20_000)
    await ledger.load()
    return await ledger.expected(SPEC, X, convert=False)


async def remember(store: LedgerStore) -> None:
    """What a process leaves in a place."""
    ledger = Ledger(store, lambda _: None, lambda: 20_000)
    await ledger.load()
    ledger.record(SPEC, X, Y, convert=False)
    await ledger.save()


async def test_every_kind_of_registry_keeps_a_ledger(
    client: RegistryClient, any_registry: RunningRegistry
) -> None:
    """Written, listed, read back, replaced; and an instance sees the others' documents."""
    first = a_store(client, any_registry.host, "shard-0-of-2")
    second = a_store(client, any_registry.host, "shard-1-of-2")
    assert await first.names() == []
    await remember(first)
    assert await remembered(first) == Y
    assert await remembered(second) == Y
    await second.write(b"another")
    await second.write(b"yet another")
    assert await second.read("shard-1-of-2") == b"yet another"
    assert await second.names() == ["shard-1-of-2", "shard-0-of-2"]


async def test_a_document_costs_two_blobs_and_a_manifest_once(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """The same document again moves no blob."""
    store = a_store(client, kept.host)
    await store.write(b"a document")
    kept.requests.clear()
    await store.write(b"a document")
    assert [request.method for request in kept.requests] == ["HEAD", "HEAD", "PUT"]


async def test_what_is_not_a_ledger_does_not_make_the_others_unreadable(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """Somebody's image in that repository is passed over."""
    kept.store.put_image(REPOSITORY, "a-stranger")
    await remember(a_store(client, kept.host, "shard-1-of-2"))
    assert await remembered(a_store(client, kept.host, "shard-0-of-2")) == Y
    with pytest.raises(ValueError, match="something else"):
        await a_store(client, kept.host).read("a-stranger")


async def test_an_image_under_our_own_tag_is_not_overwritten(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """Whatever it does there, it is not ours."""
    digest = kept.store.put_image(REPOSITORY, "shard-0-of-1")
    await remember(a_store(client, kept.host))
    assert kept.store.tagged(REPOSITORY, "shard-0-of-1") == digest


async def test_a_document_whose_blob_is_lost_is_written_anew(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """Nothing of it can come back, so there is nothing to spare."""
    store = a_store(client, kept.host)
    await remember(store)
    kept.store.repository(REPOSITORY).blobs.clear()
    assert await remembered(store) is None
    await remember(store)
    assert await remembered(store) == Y


async def test_a_tag_that_vanishes_while_it_is_read_holds_nothing(
    client: RegistryClient, kept: HostileRegistry
) -> None:
    """Listed, and gone a moment later."""
    store = a_store(client, kept.host)
    await remember(a_store(client, kept.host, "other"))
    kept.inject(Fault("GET", "*/manifests/other", Refusal(404, "MANIFEST_UNKNOWN")))
    assert await store.names() == ["other"]
    assert await store.read("other") is None


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "*/tags/list"), ("GET", "*/manifests/*"), ("GET", "*/blobs/*")]
)
async def test_a_cache_that_does_not_hand_out_the_ledger_is_not_written_either(
    client: RegistryClient, kept: HostileRegistry, method: str, path: str
) -> None:
    """What it holds may still be good."""
    await remember(a_store(client, kept.host))
    kept.inject(Fault(method, path, Refusal(403, "DENIED")))
    kept.requests.clear()
    await remember(a_store(client, kept.host))
    assert {request.method for request in kept.requests} == {"GET"}


@pytest.mark.parametrize(("method", "path"), [("POST", "*"), ("PUT", "*/manifests/*")])
async def test_a_cache_that_takes_no_ledger_says_so(
    client: RegistryClient, kept: HostileRegistry, method: str, path: str
) -> None:
    """Read-only caches (fault row 51) are an error here and a warning above."""
    kept.inject(Fault(method, path, Refusal(405, "UNSUPPORTED", "read-only")))
    with pytest.raises(RegistryError, match="read-only"):
        await a_store(client, kept.host).write(b"a document")


async def test_a_file_keeps_a_ledger(tmp_path: Path) -> None:
    """Made when it is missing, filled when it is empty, replaced whole."""
    path = tmp_path / "ledger.json"
    assert await remembered(FileStore(path)) is None
    path.touch()
    await remember(FileStore(path))
    assert await remembered(FileStore(path)) == Y
    assert [entry.name async for entry in anyio.Path(tmp_path).iterdir()] == [path.name]


async def test_a_file_that_is_something_else_is_not_overwritten(tmp_path: Path) -> None:
    """A slip in the configuration must not cost somebody's file."""
    path = tmp_path / "notes.txt"
    path.write_text("remember the milk")
    await remember(FileStore(path))
    assert path.read_text() == "remember the milk"


async def test_a_file_that_cannot_be_used_is_an_error_with_its_name(tmp_path: Path) -> None:
    """Folders, and folders that do not exist."""
    with pytest.raises(ImageSyncError, match=str(tmp_path)) as caught:
        await FileStore(tmp_path).read(str(tmp_path))
    assert caught.value.kind is ErrorKind.CONFIG
    with pytest.raises(ImageSyncError, match="nowhere"):
        await FileStore(tmp_path / "nowhere" / "ledger").write(b"{}")


async def test_a_file_without_end_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document has a bound wherever it comes from."""
    monkeypatch.setattr(ledger_stores, "MAX_DOCUMENT", 100)
    path = tmp_path / "ledger.json"
    path.write_bytes(bytes(101))
    with pytest.raises(ValueError, match="more than 100 bytes"):
        await FileStore(path).read(str(path))


async def test_a_file_system_that_hangs_is_waited_for_no_longer_than_wanted(
    tmp_path: Path,
) -> None:
    """A process ends, and one that lost its Lease makes way, whatever a disk does."""
    path, left = tmp_path / "ledger", anyio.Event()
    os.mkfifo(path)

    async def read() -> None:
        with anyio.move_on_after(0.1):  # for the thread to begin
            await FileStore(path).read(str(path))
        left.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        with anyio.move_on_after(1):
            await left.wait()
        in_time = left.is_set()
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))  # what hangs goes on
    assert in_time
