"""All repositories in one folder: names, the lock, shared content, what others left there."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_sync.embedded.refusal import Code, RefusedError
from image_sync.embedded.repository import Repository
from image_sync.embedded.store import Store, opened, served_by
from image_sync.errors import StoreError, StoreInUseError
from image_sync.oci import Digest
from tests.embedded.content import CONFIG, ONE, image, push, put


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the store is."""
    return tmp_path / "root"


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    """A store without repositories."""
    with opened(root) as store:
        yield store


def layout(folder: Path) -> Path:
    """A repository as Zot begins it."""
    (folder / "blobs").mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text('{"schemaVersion":2,"manifests":null}')
    return folder


def test_what_zot_left_is_served_and_goes_on(root: Path) -> None:
    """Empty repositories with `manifests: null`, and those within the folder of another."""
    layout(root / "a")
    layout(root / "a" / "b")
    with opened(root) as store:
        assert store.names() == []
        push(store.find("a"), image(), "1")
        push(store.find("a/b"), image(), "1")
    with opened(root) as store:
        assert store.names() == ["a", "a/b"]


def test_a_repository_is_an_image_layout(store: Store, root: Path) -> None:
    """OCI image spec 1.1, image-layout.md; a `blobs` folder from the start, as Zot wants it."""
    store.ensure("a/b")
    assert json.loads((root / "a/b/oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert (root / "a/b/blobs").is_dir()
    assert (root / "a/b/index.json").is_file()
    assert not (root / "a/index.json").exists()


def test_what_is_no_repository_is_passed_over(root: Path) -> None:
    """Zot's files, folders with other names, half a layout; even ones that cannot be entered."""
    layout(root / "a")
    for name in ("Capital", "lost+found", ".hidden", "blobs", "index.json"):
        layout(root / name)
    (root / "lost+found").chmod(0)
    (root / "half").mkdir()
    (root / "cache.db").write_bytes(b"bolt")
    try:
        with opened(root) as store:
            push(store.find("a"), image(), "1")
            assert store.names() == ["a"]
    finally:
        (root / "lost+found").chmod(0o700)


def test_a_folder_that_cannot_be_read_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have images that somebody counts on."""
    layout(root / "a")
    scan = os.scandir

    def scanning(folder: Path) -> "os._ScandirIterator[str]":
        if Path(folder) == root / "a":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return scan(str(folder))

    monkeypatch.setattr(os, "scandir", scanning)
    with pytest.raises(StoreError, match=f"{root / 'a'} cannot be read"), opened(root):
        pytest.fail("it was opened")


@pytest.mark.parametrize(
    "name", ["blobs", "a/blobs", "a/blobs/sha256", "index.json/a", "a/oci-layout", "a/index.json"]
)
def test_a_name_within_what_belongs_to_another_is_refused(
    store: Store, root: Path, name: str
) -> None:
    """Valid by the specification, and a file of a layout here."""
    store.ensure("a")
    before = sorted(root.rglob("*"))
    for use in (store.ensure, store.find):
        with pytest.raises(RefusedError) as refused:
            use(name)
        assert refused.value.code is Code.NAME_INVALID
    assert sorted(root.rglob("*")) == before


def test_a_link_is_neither_followed_nor_written_through(root: Path, tmp_path: Path) -> None:
    """It leads out of the folder; one that leads upwards has no end."""
    layout(tmp_path / "outside" / "in")
    root.mkdir()
    (root / "away").symlink_to(tmp_path / "outside")
    (root / "up").symlink_to(root)
    (root / "nowhere").symlink_to(tmp_path / "absent")
    with opened(root) as store:
        for name in ("away/in", "away/new", "away", "up/a", "nowhere"):
            with pytest.raises(RefusedError) as refused:
                store.ensure(name)
            assert refused.value.code is Code.NAME_INVALID
        with pytest.raises(RefusedError):
            store.find("away/in")
    assert sorted(path.name for path in (tmp_path / "outside").iterdir()) == ["in"]


def test_a_file_where_a_repository_would_be_is_not_touched(store: Store, root: Path) -> None:
    """It is another program's."""
    (root / "other.db").write_bytes(b"x")
    for name in ("other.db", "other.db/a"):
        with pytest.raises(RefusedError) as refused:
            store.ensure(name)
        assert refused.value.code is Code.NAME_INVALID
    assert (root / "other.db").read_bytes() == b"x"


def test_pushes_that_make_a_repository_at_once_make_one(root: Path) -> None:
    """The second must not begin anew what the first has pushed into."""
    for number in range(10):
        with opened(root) as store:
            barrier, digests = threading.Barrier(4), set[Digest]()

            def begin(
                store: Store = store,
                name: str = f"a{number}",
                barrier: threading.Barrier = barrier,
                digests: set[Digest] = digests,
            ) -> None:
                barrier.wait()
                repository = store.ensure(name)
                content = image(annotations={"by": str(threading.get_ident())})
                digests.add(push(repository, content))

            threads = [threading.Thread(target=begin) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        with opened(root) as store:
            assert all(store.find(f"a{number}").find(digest) for digest in digests)


def blob(store: Store, name: str, content: bytes) -> Repository:
    """A repository that has some content."""
    repository = store.ensure(name)
    repository.blobs.write(Digest.of(content), content)
    return repository


def test_a_blob_is_found_in_the_repository_that_was_named_or_in_any(store: Store) -> None:
    """`from` is optional: OCI distribution spec 1.1, section Mounting a blob."""
    one = blob(store, "a", ONE)
    store.ensure("b")
    assert store.holder(Digest.of(ONE), "a") is one
    assert store.holder(Digest.of(ONE)) is one
    assert store.holder(Digest.of(ONE), "b") is None
    assert store.holder(Digest.of(ONE), "unknown") is one
    assert store.holder(Digest.of(b"x")) is None


def test_repositories_with_the_same_blob_hold_one_file(store: Store) -> None:
    """That which came last: its bytes have just been hashed."""
    one, other = blob(store, "a", ONE), blob(store, "b", ONE)
    path, fresh = (each.blobs.path(Digest.of(ONE)) for each in (one, other))
    path.write_bytes(b"damaged")
    inode = fresh.stat().st_ino
    store.share(Digest.of(ONE), other)
    assert path.stat().st_ino == fresh.stat().st_ino == inode
    assert path.read_bytes() == ONE
    assert list(one.blobs.uploads.iterdir()) == []
    one.delete_blob(Digest.of(ONE))
    assert fresh.read_bytes() == ONE


def test_across_file_systems_each_has_its_own(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository may be a mount; the push succeeds."""
    one, other = blob(store, "a", ONE), blob(store, "b", ONE)

    def crossing(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", crossing)
    store.share(Digest.of(ONE), other)
    paths = [each.blobs.path(Digest.of(ONE)) for each in (one, other)]
    assert [path.read_bytes() for path in paths] == [ONE, ONE]
    assert [path.stat().st_nlink for path in paths] == [1, 1]


HOLDING = """
import sys
from pathlib import Path
from image_sync.embedded.store import opened
with opened(Path(sys.argv[1])) as store:
    store.announce("127.0.0.1:5050")
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_with_where_the_first_serves(root: Path) -> None:
    """Two would write over each other; the end of the first frees the folder, however it ends."""
    assert served_by(root) is None
    for killed in (False, True):
        with subprocess.Popen(
            [sys.executable, "-c", HOLDING, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other:
            assert other.stdin
            assert other.stdout
            assert other.stdout.readline() == "open\n"
            assert served_by(root) == "127.0.0.1:5050"
            with pytest.raises(StoreError) as refused, opened(root):
                pytest.fail("it was opened twice")
            assert f"{root} at 127.0.0.1:5050" in str(refused.value)
            if killed:
                other.kill()
            other.stdin.close()
        assert served_by(root) is None
        with opened(root):
            assert served_by(root) is None  # not yet
    assert served_by(root) is None


def test_a_lock_is_not_taken_through_a_link(root: Path, tmp_path: Path) -> None:
    """It would empty a file elsewhere."""
    (tmp_path / "precious").write_bytes(b"x")
    root.mkdir()
    (root / ".image-sync.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(StoreError, match="cannot be used"), opened(root):
        pytest.fail("it was opened")
    assert (tmp_path / "precious").read_bytes() == b"x"


@pytest.mark.parametrize("kind", ["file", "below-a-file"])
def test_a_folder_that_cannot_be_had_is_told(tmp_path: Path, kind: str) -> None:
    """With its name."""
    (tmp_path / "file").write_bytes(b"")
    root = tmp_path / "file" / ("x" if kind == "below-a-file" else "")
    with pytest.raises(StoreError, match="file"), opened(root):
        pytest.fail("it was opened")


def test_the_lock_is_held_while_it_is_open(store: Store, root: Path) -> None:
    """By the process, not by a file that a crash would leave."""
    lock = os.open(root / ".image-sync.lock", os.O_RDONLY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(lock)


def test_names_are_those_that_have_manifests(store: Store) -> None:
    """In the order of their bytes: `-` is before `/`."""
    for name in ("b", "a/b", "a-b"):
        push(store.ensure(name), image(), "1")
    store.ensure("empty")
    assert store.names() == ["a-b", "a/b", "b"]
    store.find("b").delete(Digest.of(image()))
    assert store.names() == ["a-b", "a/b"]
    with pytest.raises(RefusedError) as refused:
        store.find("unknown")
    assert refused.value.code is Code.NAME_UNKNOWN


def test_a_manifest_needs_its_blobs_in_its_own_repository(store: Store) -> None:
    """Another's may go at any time: they are mounted first."""
    blob(store, "a", CONFIG)
    with pytest.raises(RefusedError) as refused:
        put(store.ensure("b"), image(), "1")
    assert refused.value.code is Code.MANIFEST_BLOB_UNKNOWN


def test_nothing_changes_once_another_process_may_have_the_folder(root: Path) -> None:
    """A thread that goes on would write the tags that it knows, and lose those pushed since."""
    with opened(root) as former:
        late = former.ensure("a")
        push(late, image(), "1")
    with opened(root) as store:
        put(store.find("a"), image(subject=ONE), "2")
        for change in (
            lambda: put(late, image(subject=CONFIG), "3"),
            lambda: late.delete("1"),
            lambda: late.delete_blob(Digest.of(CONFIG)),
            lambda: late.collect(-1.0),
            lambda: former.ensure("b"),
        ):
            with pytest.raises(RefusedError) as refused:
                change()
            assert refused.value.status == 503
    with opened(root) as store:
        assert store.find("a").tags() == ["1", "2"]


def test_what_is_being_changed_is_waited_for_at_the_end(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a thread that nobody waits for: collecting is one, and a disk may take long."""
    syncing, synced, order, sync = threading.Event(), threading.Event(), list[str](), os.fsync
    with opened(root) as store:
        push(store.ensure("a"), image(), "1")

        def change() -> None:
            put(store.find("a"), image(subject=ONE), "2")
            order.append("changed")

        def close() -> None:
            store.close()
            order.append("closed")

        changing, closing = threading.Thread(target=change), threading.Thread(target=close)

        def slow(file: int) -> None:
            if threading.current_thread() is changing:
                syncing.set()
                synced.wait(5)
            sync(file)

        monkeypatch.setattr(os, "fsync", slow)
        changing.start()
        syncing.wait(5)
        closing.start()
        closing.join(0.1)  # it would be over by then if it did not wait
        synced.set()
        changing.join()
        closing.join()
    assert order == ["changed", "closed"]


def test_what_nobody_may_change_needs_no_lock_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is mounted to be read, from behind an air gap; one that writes is refused."""
    with opened(tmp_path) as store:
        store.ensure("a")
    (tmp_path / ".image-sync.lock").unlink()
    opening = os.open

    def reading(path: object, flags: int, *more: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system")
        return opening(path, flags, *more)  # type: ignore[arg-type]

    with monkeypatch.context() as patching:
        patching.setattr(os, "open", reading)
        with opened(tmp_path, make=False) as store:
            store.announce("127.0.0.1:5050")  # nobody is told
            assert store.find("a").name == "a"
            with pytest.raises(StoreInUseError), opened(tmp_path, make=False):
                pass
        with pytest.raises(StoreError, match="Read-only"), opened(tmp_path):
            pass


def test_what_is_only_read_is_not_made(tmp_path: Path) -> None:
    """A slip in its name would be an empty registry."""
    with pytest.raises(StoreError, match="No such file"), opened(tmp_path / "absent", make=False):
        pass
    assert not (tmp_path / "absent").exists()
