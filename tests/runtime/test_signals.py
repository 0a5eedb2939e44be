"""Signals do what they are to do, for as long as they are to do it, and the second one ends all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from image_sync.errors import ListenError
from image_sync.runtime.signals import Ending, acting_on
from tests.runtime.test_process import FOREVER, appears, gone

pytestmark = pytest.mark.anyio


async def heard(received: list[int], count: int) -> None:
    """Until so many signals came; nothing else tells of them."""
    with anyio.fail_after(FOREVER):
        while len(received) < count:  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def test_a_signal_does_what_it_is_to_do_from_the_first_line_on() -> None:
    """None is lost between the beginning of the block and what is in it."""
    received: list[int] = []
    async with acting_on({signal.SIGUSR1: received.append, signal.SIGHUP: received.append}):
        os.kill(os.getpid(), signal.SIGUSR1)
        await heard(received, 1)
        os.kill(os.getpid(), signal.SIGHUP)
        await heard(received, 2)
    assert received == [signal.SIGUSR1, signal.SIGHUP]


async def test_afterwards_a_signal_does_what_it_did_before() -> None:
    """Nothing of it is left behind."""
    before = signal.getsignal(signal.SIGUSR1)
    async with acting_on({signal.SIGUSR1: lambda _: None}):
        assert signal.getsignal(signal.SIGUSR1) is not before
    assert signal.getsignal(signal.SIGUSR1) is before


async def test_what_is_raised_in_the_block_comes_out_as_it_is() -> None:
    """Whoever is around it recognises an error of ours."""
    with pytest.raises(ListenError):
        async with acting_on({signal.SIGUSR1: lambda _: None}):
            raise ListenError("taken")


async def test_the_first_signal_ends_in_order() -> None:
    """It is told which it was."""
    told: list[int] = []
    ending = Ending(told.append)
    ending(signal.SIGTERM)
    assert told == [ending.signal] == [signal.SIGTERM]


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        pytest.param(signal.SIGTERM, signal.SIGTERM, 143, id="told twice"),
        pytest.param(signal.SIGINT, signal.SIGINT, 130, id="Ctrl-C twice"),
        pytest.param(signal.SIGTERM, signal.SIGINT, 130, id="one and then the other"),
    ],
)
async def test_the_second_signal_ends_the_process_at_once(
    first: signal.Signals, second: signal.Signals, code: int, tmp_path: Path
) -> None:
    """With its children and private folders, whatever it is waiting for."""
    (tmp_path / "private").mkdir()
    parent = subprocess.Popen(  # noqa: ASYNC220 - it ends itself
        [sys.executable, "-c", _STUBBORN, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    try:
        await appears(tmp_path / "pid")
        parent.send_signal(first)
        await appears(tmp_path / "told")
        assert parent.poll() is None
        parent.send_signal(second)
        assert parent.wait(FOREVER) == code
    finally:
        parent.kill()
        parent.wait()
    await gone(int((tmp_path / "pid").read_text()))
    assert list((tmp_path / "private").iterdir()) == []
    assert (tmp_path / "last").read_text() == f"{second:d} with 0 private"


_STUBBORN = """
import signal, sys, anyio
from pathlib import Path
from image_sync.runtime import process
from image_sync.runtime.files import private_folder, write_private
from image_sync.runtime.signals import Ending, acting_on

here = Path(sys.argv[1])

def last(signum):
    left = len(list((here / "private").iterdir()))
    (here / "last").write_text(f"{signum} with {left} private")

ending = Ending(lambda signum: (here / "told").write_text(f"{signum} "), last)

async def main() -> None:
    argv = ["/bin/sh", "-c", "echo $$ > pid; exec sleep 600"]
    async with acting_on({signal.SIGTERM: ending, signal.SIGINT: ending}):
        with private_folder(here / "private") as folder:
            write_private(folder / "secret", b"secret")
            await process.run(argv, env={"PATH": "/usr/bin:/bin"}, cwd=here, deadline=600)

anyio.run(main)
"""
