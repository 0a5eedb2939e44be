"""A process that must end at once takes its children and private folders with it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from image_sync.runtime import process
from image_sync.runtime.process import Finished, kill_all
from tests.runtime.test_process import FOREVER, Script, appears, gone

pytestmark = pytest.mark.anyio


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)


async def test_all_children_are_killed_at_once(script: Script) -> None:
    """Without their parent's death, with their own children, and whatever they ignore."""
    ended: list[Finished] = []

    async def one(name: str) -> None:
        text = f"trap '' TERM; sleep 600 & echo $! > {name}; while :; do wait; done"
        ended.append(await script.run(text))

    async with anyio.create_task_group() as tasks:
        for name in ("one", "two"):
            tasks.start_soon(one, name)
        for name in ("one", "two"):
            await appears(script.folder / name)
        with anyio.fail_after(FOREVER):
            while len(process._live) < 2:  # noqa: ASYNC110 - a child may be quicker than we are
                await anyio.sleep(0.01)
            kill_all()
            while len(ended) < 2:  # noqa: ASYNC110 - the children's end has no other event
                await anyio.sleep(0.01)
    assert [(each.code, each.timed_out) for each in ended] == [(-signal.SIGKILL, False)] * 2
    for name in ("one", "two"):
        await gone(script.noted(name))


async def test_what_has_ended_is_not_killed_again(script: Script) -> None:
    """The number of its group may be another's by now."""
    await script.run("exit 0")
    assert not process._live
    kill_all()


async def test_a_process_that_ends_at_once_leaves_nothing(tmp_path: Path) -> None:
    """No grandchild, which nothing else would end, and no folder with accounts."""
    (tmp_path / "private").mkdir()
    parent = subprocess.Popen(  # noqa: ASYNC220 - it ends itself
        [sys.executable, "-c", _HURRIED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    try:
        assert parent.wait(FOREVER) == 143
    finally:
        parent.kill()
        parent.wait()
    await gone(int((tmp_path / "pid").read_text()))
    assert list((tmp_path / "private").iterdir()) == []


_HURRIED = """
import os, signal, sys, anyio
from pathlib import Path
from image_sync.runtime import process
from image_sync.runtime.files import private_folder, remove_private_folders, write_private

def end(number: int, _: object) -> None:
    process.kill_all()
    remove_private_folders()
    os._exit(128 + number)

here = Path(sys.argv[1])

async def hurry() -> None:
    while not (process._live and (here / "pid").exists() and (here / "pid").read_text()):
        await anyio.sleep(0.01)
    assert list((here / "private").glob("*/secret"))
    os.kill(os.getpid(), signal.SIGTERM)

async def main() -> None:
    signal.signal(signal.SIGTERM, end)
    argv = ["/bin/sh", "-c", "sleep 600 & echo $! > pid; wait"]
    with private_folder(here / "private") as folder:
        write_private(folder / "secret", b"secret")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hurry)
            await process.run(argv, env={"PATH": "/usr/bin:/bin"}, cwd=here, deadline=600)

anyio.run(main)
"""
