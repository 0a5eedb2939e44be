"""What others leave behind is reaped where nobody else can, and our own children are not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from image_sync.runtime.orphans import is_init
from tests.runtime.test_process import FOREVER, LINUX

pytestmark = LINUX


def test_an_ordinary_process_reaps_nobody() -> None:
    """Its orphans are another's."""
    assert not is_init()


def test_orphans_are_reaped_and_children_of_ours_keep_their_result(tmp_path: Path) -> None:
    """In a process that orphans come to, as they do to PID 1 of a container."""
    (tmp_path / "orphan").write_text(_ORPHAN)
    ended = subprocess.run(
        [sys.executable, "-c", _ADOPTING, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=FOREVER,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.split() == ["adopted=2", "left=0", "code=7", "slow=3"]


def test_a_process_that_is_pid_1_knows(tmp_path: Path) -> None:
    """In a PID namespace of its own, as in a container."""
    text = "from image_sync.runtime.orphans import is_init; print(is_init())"
    ended = subprocess.run(
        ["unshare", "--pid", "--fork", sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=FOREVER,
        check=False,
    )
    if "unshare failed" in ended.stderr:
        pytest.skip(f"no PID namespaces here: {ended.stderr.strip()}")
    assert ended.stdout.strip() == "True"


_ORPHAN = """
: > started-$1
sleep 0.3
sed -n 's/^PPid:.//p' /proc/$$/status > parent-of-$1
"""
_ADOPTING = """
import ctypes, os, sys, time, anyio
from pathlib import Path
from image_sync.runtime import process
from image_sync.runtime.orphans import reap_orphans

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
here = Path(sys.argv[1])
LEAVING = '''
for n in 1 2; do setsid sh ./orphan $n & done
until [ -e started-1 ] && [ -e started-2 ]; do sleep 0.02; done
exit 7
'''

def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()

async def run(text: str) -> int:
    argv = ["/bin/sh", "-c", text]
    finished = await process.run(argv, env={"PATH": "/usr/bin:/bin"}, cwd=here, deadline=60)
    return finished.code

async def main() -> None:
    codes = {}

    async def slow() -> None:
        codes["slow"] = await run("sleep 0.5; exit 3")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reap_orphans)
        async with anyio.create_task_group() as ours:
            ours.start_soon(slow)
            codes["code"] = await run(LEAVING)
        ends = time.monotonic() + 30
        while children() and time.monotonic() < ends:
            await anyio.sleep(0.05)
        tasks.cancel_scope.cancel()
    notes = [int(note.read_text()) for note in here.glob("parent-of-*")]
    adopted = notes.count(os.getpid())
    print(f"adopted={adopted} left={len(children())} code={codes['code']} slow={codes['slow']}")

anyio.run(main)
"""
