"""Blobs on their way in."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.types import Message

from image_sync.embedded.app import application
from image_sync.embedded.refusal import Code, RefusedError
from image_sync.embedded.repository import Repository
from image_sync.embedded.store import opened
from image_sync.embedded.uploads import Upload, Uploads
from image_sync.oci import Digest
from tests.embedded.content import ONE


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    """A repository without manifests."""
    with opened(tmp_path) as store:
        yield store.ensure("a")


class Clock:
    """Seconds that go on when they are told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process grows beyond that, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_the_bytes_that_came_are_a_blob(repository: Repository, algorithm: str) -> None:
    """Of any algorithm: which it is, is told at the end only."""
    upload = Upload(repository)
    upload.append(ONE[:3])
    upload.append(ONE[3:])
    digest = Digest.of(ONE, algorithm)
    upload.finish(digest)
    assert repository.blobs.path(digest).read_bytes() == ONE
    assert list(repository.blobs.uploads.iterdir()) == []


def test_other_bytes_are_no_blob(repository: Repository) -> None:
    """And nothing is left of them."""
    upload = Upload(repository)
    upload.append(ONE)
    with pytest.raises(RefusedError) as refused:
        upload.finish(Digest.of(b"x"))
    assert refused.value.code is Code.DIGEST_INVALID
    assert list(repository.blobs) == []
    assert list(repository.blobs.uploads.iterdir()) == []


def test_a_blob_has_a_largest_size(repository: Repository) -> None:
    """One that never ends would fill the disk."""
    upload = Upload(repository, largest=4)
    upload.append(b"1234")
    with pytest.raises(RefusedError) as refused:
        upload.append(b"5")
    assert (refused.value.code, refused.value.status) == (Code.SIZE_INVALID, 413)
    upload.finish(Digest.of(b"1234"))


def test_what_a_full_disk_took_of_a_piece_did_not_come(repository: Repository) -> None:
    """Or the file would have bytes that nobody hashed, under a digest that they do not have."""
    upload = Upload(repository)
    upload.append(b"first ")
    with files_of_at_most(10), pytest.raises(OSError) as failed:  # noqa: PT011 - by its number
        upload.append(b"a piece that does not fit")
    assert (failed.value.errno, upload.size) == (errno.EFBIG, 6)
    upload.append(b"2")
    upload.finish(Digest.of(b"first 2"))
    assert repository.blobs.path(Digest.of(b"first 2")).read_bytes() == b"first 2"


def test_an_upload_belongs_to_its_repository(repository: Repository) -> None:
    """And is known to nobody when it is over."""
    uploads = Uploads()
    upload = uploads.begin(repository)
    assert uploads.find("a", upload.id) is upload
    for name, given in (("b", upload.id), ("a", "../a"), ("a", "")):
        with pytest.raises(RefusedError) as refused:
            uploads.find(name, given)
        assert refused.value.code is Code.BLOB_UPLOAD_UNKNOWN
    uploads.end(upload)
    with pytest.raises(RefusedError):
        uploads.find("a", upload.id)
    assert list(repository.blobs.uploads.iterdir()) == []


def test_only_so_many_are_open(repository: Repository) -> None:
    """429 for more, until one ends."""
    uploads = Uploads(most=2)
    first, _ = uploads.begin(repository), uploads.begin(repository)
    with pytest.raises(RefusedError) as refused:
        uploads.begin(repository)
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "60"})
    uploads.end(first)
    uploads.begin(repository)
    uploads.close()


@pytest.mark.anyio
async def test_what_nobody_goes_on_with_is_given_up(repository: Repository) -> None:
    """Also where others need its place; but not while a request works on it, however slowly."""
    clock = Clock()
    uploads = Uploads(most=3, idle=10.0, clock=clock)
    stale, fresh, busy = (uploads.begin(repository) for _ in range(3))
    clock.now = 9.0
    uploads.find("a", fresh.id)
    clock.now = 11.0
    async with busy.turn:
        uploads.begin(repository)
        for upload in (fresh, busy):
            assert uploads.find("a", upload.id) is upload
        with pytest.raises(RefusedError):
            uploads.find("a", stale.id)
    clock.now = 22.0
    assert uploads.expire() == 3
    assert list(repository.blobs.uploads.iterdir()) == []


@pytest.mark.anyio
async def test_an_upload_rests_from_the_end_of_its_last_request(
    tmp_path: Path,
) -> None:
    """Not from its begin: a large blob takes long, and is finished by another request."""
    clock = Clock()
    uploads = Uploads(idle=10.0, clock=clock)
    with opened(tmp_path) as store:
        upload = uploads.begin(store.ensure("a"))
        path = f"/v2/a/blobs/uploads/{upload.id}"
        scope = {
            "type": "http",
            "method": "PATCH",
            "path": path,
            "headers": [],
            "query_string": b"",
        }
        sent: list[Message] = []

        async def receive() -> Message:
            clock.now = 60.0
            return {"type": "http.request", "body": ONE, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await application(store, uploads, lambda _: None)(scope, receive, send)
        assert sent[0]["status"] == 202
        assert uploads.expire() == 0
        uploads.close()


def test_a_blob_is_new_when_it_is_finished(repository: Repository) -> None:
    """However long ago its last bytes came: its manifest may take an hour from then on."""
    upload = Upload(repository)
    upload.append(ONE)
    for file in repository.blobs.uploads.iterdir():
        os.utime(file, (0, 0))
    upload.finish(Digest.of(ONE))
    assert repository.blobs.age(Digest.of(ONE)) < 3600.0


def test_what_rests_longest_makes_room_for_another(repository: Repository) -> None:
    """After a minute, and one for each: or clients that were killed keep others out for an hour."""
    clock = Clock()
    uploads = Uploads(most=2, clock=clock)
    first = uploads.begin(repository)
    clock.now = 1.0
    second = uploads.begin(repository)
    clock.now = 59.0
    with pytest.raises(RefusedError):
        uploads.begin(repository)
    clock.now = 62.0
    third = uploads.begin(repository)
    for upload in (second, third):
        assert uploads.find("a", upload.id) is upload
    with pytest.raises(RefusedError):
        uploads.find("a", first.id)
    uploads.close()
