"""The process ends, or the disk fails, at any step: what was acknowledged is there, and whole.

Each step of the file system is met once: by a copy of the folder as it is before the step, which is
what a process that was killed there leaves; and by an error in place of the step.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from image_sync.embedded.store import Store, opened
from image_sync.embedded.uploads import Upload
from image_sync.oci import Digest
from tests.embedded.content import CONFIG, ONE, OTHER, image, index, put

STEPS = ("fsync", "replace", "link", "mkdir", "write", "unlink", "utime")
Tags = dict[tuple[str, str], Digest | None]
"""What was acknowledged of repositories and tags; None for one that is gone."""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sync takes its time: the machine stays up."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch, before: Callable[[str], None]) -> Iterator[None]:
    """Have something called before each step of the file system."""
    with monkeypatch.context() as patching:
        for name in STEPS:
            patching.setattr(os, name, _step(name, getattr(os, name), before))
        yield


def _step(
    name: str, function: Callable[..., object], before: Callable[[str], None]
) -> Callable[..., object]:
    def stepping(*arguments: object, **named: object) -> object:
        before(name)
        return function(*arguments, **named)

    return stepping


def upload(store: Store, name: str, content: bytes) -> None:
    """Push a blob as a client does."""
    coming = Upload(store.ensure(name))
    try:
        coming.append(content)
        coming.finish(Digest.of(content))
        store.share(Digest.of(content), store.ensure(name))
    finally:
        coming.drop()


LAYOUT = {"blobs", ".uploads", "index.json", "oci-layout"}


def live(store: Store, told: Tags) -> None:
    """Push, move a tag, delete, mount, collect; tell what was acknowledged, when it was."""

    def push(name: str, manifest: bytes, tag: str) -> None:
        digest = put(store.ensure(name), manifest, tag).digest
        told[name, tag] = digest

    for blob in (CONFIG, ONE, OTHER):
        upload(store, "a", blob)
    push("a", image(ONE), "1")
    push("a", index(image(ONE)), "2")
    upload(store, "b", CONFIG)  # shares the file
    store.ensure("b").blobs.link(Digest.of(ONE), store.ensure("a").blobs.path(Digest.of(ONE)))
    push("b", image(ONE), "1")
    push("a", image(ONE, OTHER), "1")
    store.ensure("a").delete("2")
    told["a", "2"] = None
    store.collect(-1.0)
    store.ensure("b").delete(Digest.of(image(ONE)))
    told["b", "1"] = None
    push("a", image(OTHER), "3")


def assert_whole(root: Path) -> Tags:
    """Everything that is served is what it should be, with all its parts; tells its tags."""
    found: Tags = {}
    with opened(root) as store:
        for name in store.names():
            repository = store.find(name)
            for digest in repository.blobs:
                assert digest.matches(repository.blobs.path(digest).read_bytes())
            for tag in repository.tags():
                entry = repository.find(tag)
                assert entry
                content = repository.blobs.read(entry.digest)
                assert content
                assert put(repository, content).digest == entry.digest  # needs all its parts
                found[name, tag] = entry.digest
        assert store.collect(-1.0).unreadable == 0
        for name in store.names():
            assert {each.name for each in (root / name).iterdir()} <= LAYOUT
    return found


def assert_kept(root: Path, before: Tags, after: Tags) -> None:
    """What was acknowledged holds; of the one that was under way either state does."""
    found = assert_whole(root)
    for key in before.keys() | after.keys() | found.keys():
        assert found.get(key) in (before.get(key), after.get(key)), key


def successive(monkeypatch: pytest.MonkeyPatch, root: Path) -> list[Tags]:
    """What is acknowledged by each step that a life takes."""
    told: Tags = {}
    states: list[Tags] = []
    with opened(root) as store, watched(monkeypatch, lambda _: states.append(dict(told))):
        live(store, told)
    return [*states, told]


def next_after(states: list[Tags], number: int) -> Tags:
    """The state after the one at a step."""
    return next((each for each in states[number:] if each != states[number]), states[number])


@pytest.mark.usefixtures("quick")
def test_a_kill_at_any_step_loses_nothing_that_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new process finds a whole folder."""
    states = successive(monkeypatch, tmp_path / "first")
    root, copies = tmp_path / "root", tmp_path / "copies"
    copies.mkdir()

    with opened(root) as store:
        steps = _copied(monkeypatch, store, root, copies)
    assert steps == len(states) - 1
    for number in range(steps):
        assert_kept(copies / str(number), states[number], next_after(states, number))


def _copied(monkeypatch: pytest.MonkeyPatch, store: Store, root: Path, copies: Path) -> int:
    """Live, with a copy of the folder before each step; tells how many."""
    steps = copying = 0

    def copy(_: str) -> None:
        nonlocal steps, copying
        if not copying:  # copying takes steps itself
            copying = 1
            shutil.copytree(root, copies / str(steps))
            steps, copying = steps + 1, 0

    with watched(monkeypatch, copy):
        live(store, {})
    return steps


@pytest.mark.usefixtures("quick")
def test_a_disk_that_fails_at_any_step_loses_nothing_that_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process goes on, and so does a new one."""
    states = successive(monkeypatch, tmp_path / "first")
    for number in range(len(states) - 1):
        root, told = tmp_path / str(number), dict[tuple[str, str], Digest | None]()
        steps = 0

        def fail(_: str, number: int = number) -> None:
            nonlocal steps
            steps += 1
            if steps == number + 1:
                raise OSError(errno.EIO, "planted")

        with opened(root) as store, watched(monkeypatch, fail), suppress(OSError):
            live(store, told)
        assert_kept(root, told, next_after(states, number))
        with opened(root) as store:
            live(store, told)
        assert assert_whole(root) == {key: each for key, each in told.items() if each}


def test_content_is_synced_before_it_is_named_and_named_before_it_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut keeps what was synced, and what a synced folder names."""
    steps: list[str] = []
    sync, replace = os.fsync, os.replace

    def syncing(file: int) -> None:
        name = Path(f"/proc/self/fd/{file}").readlink()
        steps.append(f"sync {name.name if name.is_dir() else 'file'}")
        sync(file)

    def replacing(source: Path, target: Path) -> None:
        steps.append(f"name in {Path(target).parent.name}")
        replace(source, target)

    with opened(tmp_path / "root") as store:
        upload(store, "a", CONFIG)
        monkeypatch.setattr(os, "fsync", syncing)
        monkeypatch.setattr(os, "replace", replacing)
        upload(store, "a", ONE)
        assert steps == ["sync file", "name in sha256", "sync sha256"]
        steps.clear()
        put(store.ensure("a"), image(ONE), "1")
    kept = ["sync file", "name in sha256", "sync sha256"]
    assert steps == [*kept, "sync file", "name in a", "sync a"]


def test_a_new_folder_is_there_after_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each folder above it that is made for it is synced, too."""
    synced: set[str] = set()
    sync = os.fsync

    def syncing(file: int) -> None:
        synced.add(str(Path(f"/proc/self/fd/{file}").readlink()))
        sync(file)

    monkeypatch.setattr(os, "fsync", syncing)
    with opened(tmp_path / "new" / "root") as store:
        store.ensure("a/b")
    new = ("", "new", "new/root", "new/root/a")
    assert {str(tmp_path / name) for name in new} <= synced
