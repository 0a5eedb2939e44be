# ruff: noqa: ASYNC240 - small files of a test
"""A change of files is noticed by what is in them, once, and when it is whole."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from image_sync import config
from image_sync.daemon.watching import Watch
from tests.clock import VIRTUAL_TIME, Backend

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


class Watched:
    """A path that is watched.

    Every look is a moment of virtual time that a test waits for: it takes a thread, and so some
    real time.

    Attributes:
        watch: Watches it.
        changes: How often a change was told.
    """

    def __init__(self, location: Path) -> None:
        self.location = location
        self.changes = 0
        self.watch = Watch(self.fingerprint, self.note)
        self._looks = 0
        self._looked = anyio.Event()

    def fingerprint(self) -> bytes | None:
        found = config.fingerprint(str(self.location), {})
        anyio.from_thread.run_sync(self._note)
        return found

    async def note(self) -> None:
        self.changes += 1

    async def looks(self, count: int = 1) -> int:
        """How many changes were told once there were so many looks more."""
        ends = self._looks + count
        while self._looks < ends:
            await self._looked.wait()
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        return self.changes

    def _note(self) -> None:
        self._looks += 1
        self._looked.set()
        self._looked = anyio.Event()


@asynccontextmanager
async def watched(location: Path) -> AsyncIterator[Watched]:
    """A path that is watched, and was looked at once."""
    seen = Watched(location)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(seen.watch.run)
        await seen.looks()
        yield seen
        tasks.cancel_scope.cancel()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "image-sync.yaml"
    path.write_text("one")
    return path


async def test_what_stays_as_it_is_is_no_change(file: Path) -> None:
    """Also when it is written anew, or touched."""
    async with watched(file) as seen:
        await seen.looks(2)
        file.write_text("one")
        os.utime(file, (1, 1))
        assert await seen.looks(4) == 0


async def test_a_changed_file_is_told_once(file: Path) -> None:
    """However it came to be changed, and for each change anew."""
    async with watched(file) as seen:
        file.write_text("two")
        assert await seen.looks(5) == 1
        other = file.with_name("other")
        other.write_text("three")
        other.replace(file)
        assert await seen.looks(5) == 2


async def test_a_file_that_is_being_written_is_left_until_it_stays_as_it_is(file: Path) -> None:
    """A half-written one is never read."""
    async with watched(file) as seen:
        for part in range(5):
            file.write_text("two" * part)
            assert await seen.looks() == 0
        assert await seen.looks(2) == 1


async def test_a_file_changed_and_changed_back_is_no_change(file: Path) -> None:
    """What is in force is in force."""
    async with watched(file) as seen:
        file.write_text("two")
        await seen.looks()
        file.write_text("one")
        assert await seen.looks(4) == 0


async def test_a_file_that_is_gone_and_comes_back_is_noticed_both_times(file: Path) -> None:
    """Whoever reads it then says what is wrong."""
    async with watched(file) as seen:
        file.unlink()
        assert await seen.looks(4) == 1
        file.write_text("one")
        assert await seen.looks(4) == 2


async def test_a_swapped_config_map_is_noticed(tmp_path: Path) -> None:
    """The kubelet writes another folder and moves a link to it: AtomicWriter."""
    for number in (1, 2):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "config.yaml").write_text(str(number))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
    for location in (tmp_path, tmp_path / "config.yaml"):
        async with watched(location) as seen:
            now = (tmp_path / "..data" / "config.yaml").read_text()
            (tmp_path / "..tmp").symlink_to("..2" if now == "1" else "..1")
            (tmp_path / "..tmp").replace(tmp_path / "..data")
            assert await seen.looks(4) == 1


async def test_a_file_more_or_less_in_a_folder_is_a_change(tmp_path: Path) -> None:
    """Of those that are read; an editor's own files are none of them."""
    (tmp_path / "a.yaml").write_text("a")
    async with watched(tmp_path) as seen:
        (tmp_path / ".a.yaml.swp").write_text("x")
        (tmp_path / ".b.yaml").write_text("x")
        (tmp_path / "notes.txt").write_text("x")
        assert await seen.looks(4) == 0
        (tmp_path / "b.yaml").write_text("b")
        assert await seen.looks(4) == 1
        (tmp_path / "b.yaml").rename(tmp_path / "c.yaml")
        assert await seen.looks(4) == 2


async def test_what_was_read_for_another_reason_is_not_told_as_a_change(file: Path) -> None:
    """A SIGHUP after an edit has the file read once; what is written later is news."""
    async with watched(file) as seen:
        file.write_text("two")
        await seen.watch.acquaint()
        assert await seen.looks(4) == 0
        file.write_text("three")
        assert await seen.looks(4) == 1


async def test_what_cannot_be_read_again_is_not_looked_at() -> None:
    """Standard input, say."""
    await Watch(lambda: None, anyio.sleep_forever).run()
