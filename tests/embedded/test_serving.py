"""A registry for the time of a block: served, told of, and tidied up meanwhile."""

import os
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from image_sync.cli.registry import collect_garbage
from image_sync.embedded import Access, default_root, served_by, serving_registry
from image_sync.embedded.store import opened
from image_sync.errors import ConfigError, ListenError, StoreError
from image_sync.events import Event, GarbageCollected, RegistryServed, Warned
from image_sync.oci import Digest
from image_sync.runtime.certificate import Certificate
from tests.embedded.content import ONE, image, push
from tests.embedded.served import ANY
from tests.real.tls import Authority
from tests.server.asking import ask, request

pytestmark = pytest.mark.anyio

_T = TypeVar("_T", GarbageCollected, Warned)
OLD = 1_000_000_000  # seconds since 1970: long ago


def silent(_: Event) -> None:
    """Nobody listens."""


def due(root: Path) -> None:
    """Have a store with an old blob that nothing needs, not tidied up for long."""
    with opened(root) as store:
        repository = store.ensure("a")
        push(repository, image(), "1", blobs=[ONE])
        store.since_collected()
        os.utime(repository.blobs.path(Digest.of(ONE)), (OLD, OLD))
    os.utime(root / ".image-sync.collected", (OLD, OLD))


async def until(kind: type[_T], events: list[Event]) -> _T:
    """The first event of a kind."""
    with anyio.fail_after(5):
        while True:
            for event in events:
                if isinstance(event, kind):
                    return event
            await anyio.lowlevel.checkpoint()


async def test_it_is_served_within_the_block_and_told_where(tmp_path: Path) -> None:
    """To the operator, and to other processes, which leave the folder alone until the end."""
    events: list[Event] = []
    async with serving_registry(tmp_path, ANY, events.append) as address:
        assert (await ask(address, "/v2/")).status == 200
        assert events == [RegistryServed(str(address), str(tmp_path))]
        assert served_by(tmp_path) == str(address)
        with pytest.raises(StoreError, match=str(address)):
            async with serving_registry(tmp_path, ANY, events.append):
                pytest.fail("it was served twice")
    assert served_by(tmp_path) is None


async def test_the_failure_of_a_block_is_told_as_it_is(tmp_path: Path) -> None:
    """Not wrapped in a group, and the folder is free."""
    with pytest.raises(KeyError, match="planted"):
        async with serving_registry(tmp_path, ANY, silent):
            raise KeyError("planted")
    assert served_by(tmp_path) is None


async def test_an_address_that_is_taken_leaves_the_folder_free(tmp_path: Path) -> None:
    """Nothing is announced."""
    events: list[Event] = []
    async with serving_registry(tmp_path / "a", ANY, events.append) as address:
        with pytest.raises(ListenError):
            async with serving_registry(tmp_path / "b", address, events.append):
                pytest.fail("it was served")
    assert len(events) == 1
    with opened(tmp_path / "b"):
        pass


async def test_uploads_end_with_it(tmp_path: Path) -> None:
    """And leave no files."""
    async with serving_registry(tmp_path, ANY, silent) as address:
        assert (await ask(address, "/v2/a/blobs/uploads/", "POST")).status == 202
        assert len(list((tmp_path / "a" / ".uploads").iterdir())) == 1
    assert list((tmp_path / "a" / ".uploads").iterdir()) == []


async def test_what_nothing_needs_is_removed_once_a_day(tmp_path: Path) -> None:
    """Also if each process lives for an hour; it is told."""
    due(tmp_path)
    events: list[Event] = []
    async with serving_registry(tmp_path, ANY, events.append):
        assert await until(GarbageCollected, events) == GarbageCollected(0, 1, len(ONE))


async def test_a_read_only_registry_is_not_tidied_up(tmp_path: Path) -> None:
    """Nothing of it changes."""
    due(tmp_path)
    async with serving_registry(tmp_path, ANY, silent, Access(read_only=True)) as address:
        for _ in range(20):  # it would be done meanwhile
            await ask(address, "/v2/")
    with opened(tmp_path) as store:
        assert store.find("a").blobs.size(Digest.of(ONE)) == len(ONE)


async def test_what_cannot_be_removed_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator is told; images are served on."""
    due(tmp_path)
    events: list[Event] = []

    def failing(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted", "the file")

    monkeypatch.setattr(os, "unlink", failing)
    async with serving_registry(tmp_path, ANY, events.append) as address:
        warned = await until(Warned, events)
        assert "the file" in warned.message
        assert (await ask(address, "/v2/a/manifests/1")).status == 200


async def test_manifests_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """Their repositories only grow, until somebody mends them."""
    due(tmp_path)
    with opened(tmp_path) as store:
        store.find("a").blobs.path(Digest.of(image())).write_bytes(b"{}")
    events: list[Event] = []
    async with serving_registry(tmp_path, ANY, events.append):
        warned = await until(Warned, events)
    assert warned.message.startswith("1 manifests cannot be read")


async def test_it_speaks_tls_with_a_certificate(tmp_path: Path, authority: Authority) -> None:
    """And nothing else then."""
    issued = authority.issue()
    shown = Certificate(issued.certificate, issued.key)
    async with serving_registry(tmp_path, ANY, silent, certificate=shown) as address:
        stream = await anyio.connect_tcp(
            *address, ssl_context=authority.client_context(), tls_standard_compatible=False
        )
        async with stream:
            await stream.send(request("/v2/"))
            assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("environment", "root"),
    [
        pytest.param({"XDG_DATA_HOME": "/data"}, "/data/image-sync/registry", id="named"),
        pytest.param(
            {"XDG_DATA_HOME": "data"}, "~/.local/share/image-sync/registry", id="relative"
        ),
        pytest.param({}, "~/.local/share/image-sync/registry", id="unsaid"),
    ],
)
def test_images_are_where_a_user_keeps_data(environment: dict[str, str], root: str) -> None:
    """XDG Base Directory Specification 0.8: a relative path does not count."""
    assert default_root(environment) == Path(root).expanduser()


def test_an_account_without_a_home_folder_has_no_place_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a container whose user is just a number; a clear word, also from the verb."""
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54_321)
    with pytest.raises(StoreError, match="no home folder: name one"):
        default_root({})
    with pytest.raises(ConfigError, match=r"--root: this account has no home folder"):
        collect_garbage(None)
