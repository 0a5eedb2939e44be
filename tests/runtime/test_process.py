"""Children end when they must, whatever they do, and nothing of them is left."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from image_sync.runtime.process import MAX_STDIN, Finished, Limits, run

pytestmark = pytest.mark.anyio

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
FOREVER = 60.0  # seconds; no test comes near it
BRISK = Limits(grace=0.2, stall=FOREVER, sample=0.02, report=0.05, drain=0.2)


@pytest.fixture
def script(tmp_path: Path) -> "Script":
    return Script(tmp_path)


class Script:
    """Runs a shell script as a child."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def run(
        self,
        text: str,
        *,
        deadline: float = FOREVER,
        limits: Limits = BRISK,
        stdin: bytes | None = None,
        env: dict[str, str] | None = None,
    ) -> Finished:
        environment = {"PATH": "/usr/bin:/bin", **(env or {})}
        argv = ["/bin/sh", "-c", text]
        return await run(
            argv, env=environment, cwd=self.folder, deadline=deadline, stdin=stdin, limits=limits
        )

    def noted(self, name: str = "pid") -> int:
        """A process id that the script wrote down."""
        return int((self.folder / name).read_text())


def alive(pid: int) -> bool:
    """False for a process that is gone or waits to be reaped by somebody else."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    if sys.platform != "linux":
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def gone(pid: int) -> None:
    """Returns once a process has ended."""
    with anyio.fail_after(FOREVER):
        while alive(pid):  # noqa: ASYNC110 - another process's end has no event
            await anyio.sleep(0.01)


def written(path: Path) -> bool:
    return path.exists() and bool(path.read_text().strip())


async def appears(path: Path) -> None:
    """Returns once a script has written a file."""
    with anyio.fail_after(FOREVER):
        while not written(path):  # noqa: ASYNC110 - as above
            await anyio.sleep(0.01)


@pytest.mark.parametrize("code", [0, 1, 2, 42, 137])
async def test_tells_the_exit_code_and_both_outputs(script: Script, code: int) -> None:
    """What a child printed and how it ended comes back as it was."""
    finished = await script.run(f"echo out; echo err >&2; exit {code}")
    assert (finished.code, finished.stdout, finished.stderr) == (code, b"out\n", b"err\n")
    assert not finished.timed_out


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
async def test_a_signal_is_a_negative_code(script: Script, number: signal.Signals) -> None:
    """A child that a signal ended says which (fault row 65)."""
    finished = await script.run(f"kill -{number.value} $$")
    assert finished.code == -number
    assert not finished.timed_out


async def test_a_child_that_ignores_sigterm_is_killed(script: Script) -> None:
    """The deadline ends whoever ignores it (fault row 63)."""
    finished = await script.run(
        "trap '' TERM; echo $$ > pid; while :; do sleep 60 & wait; done", deadline=1.5
    )
    assert finished.timed_out
    assert finished.code == -signal.SIGKILL
    assert not alive(script.noted())


async def test_sigterm_comes_first(script: Script) -> None:
    """A child that listens can put its things in order."""
    finished = await script.run(
        "trap 'echo orderly; exit 7' TERM; echo up > up; while :; do sleep 0.02; done",
        deadline=1.5,
        limits=BRISK._replace(grace=FOREVER),
    )
    assert (finished.code, finished.stdout, finished.timed_out) == (7, b"orderly\n", True)


async def test_a_grandchild_that_holds_the_pipes_does_not_hold_us(script: Script) -> None:
    """The group dies with its leader, and the leader's words arrive (fault row 64)."""
    finished = await script.run("sleep 600 & echo $! > pid; echo said")
    assert (finished.code, finished.stdout) == (0, b"said\n")
    await gone(script.noted())


async def test_a_grandchild_that_left_the_group_does_not_hold_us(script: Script) -> None:
    """A pipe in strange hands is read for a bounded time only."""
    finished = await script.run(
        "setsid sh -c 'echo $$ > pid; exec sleep 600' & echo said; "
        "until [ -s pid ]; do sleep 0.01; done"
    )
    try:
        assert (finished.code, finished.stdout) == (0, b"said\n")
    finally:
        os.kill(script.noted(), signal.SIGKILL)


async def test_endless_output_without_a_newline_is_bounded(script: Script) -> None:
    """100 MB on stderr end up as two times 16 KiB, with a word about the rest (fault row 67)."""
    finished = await script.run(
        "printf START >&2; head -c 100000000 /dev/zero | tr '\\0' x >&2; printf ' END' >&2"
    )
    assert finished.code == 0
    assert len(finished.stderr) < 33 * 1024
    assert finished.stderr.startswith(b"STARTxxx")
    assert finished.stderr.endswith(b" END")
    assert b"bytes left out]" in finished.stderr


async def test_a_word_cut_in_two_is_left_out_whole(script: Script) -> None:
    """Half a secret at the edge of a gap could not be recognised any more."""
    finished = await script.run(
        "head -c 20000 /dev/zero | tr '\\0' a; printf 'SECRETHALF '; "
        "head -c 16380 /dev/zero | tr '\\0' b"
    )
    assert b"ALF" not in finished.stdout
    assert finished.stdout.endswith(b"bbb")


async def test_binary_output_is_kept_as_it_is(script: Script) -> None:
    """Bytes stay bytes; who shows them escapes them."""
    finished = await script.run("printf '\\377\\000\\033[31m'")
    assert finished.stdout == b"\xff\x00\x1b[31m"


async def test_stdin_is_closed_unless_given(script: Script) -> None:
    """A child that reads gets the end of file, or what it is meant to get."""
    assert (await script.run("cat")).stdout == b""
    assert (await script.run("cat", stdin=b"registry.example")).stdout == b"registry.example"
    with pytest.raises(ValueError, match="at most"):
        await script.run("cat", stdin=b"x" * (MAX_STDIN + 1))


async def test_nothing_is_inherited(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment and folder are what was given, the umask private."""
    monkeypatch.setenv("PLANTED", "canary")
    finished = await script.run("env; umask; pwd -P", env={"GIVEN": "1"})
    lines = finished.stdout.decode().splitlines()
    assert "GIVEN=1" in lines
    assert not [line for line in lines if "canary" in line]
    assert "0077" in lines
    assert lines[-1] == str(script.folder.resolve())


@LINUX
async def test_no_core_is_written(script: Script) -> None:
    """A crash does not put secrets on a disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        waiting = "until [ $(ulimit -c) = 0 ]; do sleep 0.01; done"
        finished = await script.run(waiting, deadline=FOREVER)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert finished.code == 0


async def test_a_program_that_is_not_there_is_an_oserror(tmp_path: Path) -> None:
    """It is told apart from a program that fails (fault row 68)."""
    for name in ("missing", str(tmp_path / "missing"), str(tmp_path)):
        with pytest.raises(OSError, match=r"missing|denied|directory|not the path"):
            await run([name], env={}, cwd=tmp_path, deadline=FOREVER)


async def test_a_program_of_another_machine_is_no_crash_of_ours(tmp_path: Path) -> None:
    """What cannot be executed ends as an exit code or an OSError, never as a hang."""
    alien = tmp_path / "alien"
    alien.write_bytes(b"\x7fELF" + b"\x00" * 60)
    alien.chmod(0o755)
    try:
        finished = await run([str(alien)], env={}, cwd=tmp_path, deadline=FOREVER)
    except OSError:
        return
    assert finished.code in (126, 127)


async def test_cancellation_ends_and_reaps_the_child(script: Script) -> None:
    """Who is cancelled leaves no process behind, not even one that ignores SIGTERM."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(
            script.run, "trap '' TERM; echo $$ > pid; while :; do sleep 60 & wait; done"
        )
        await appears(script.folder / "pid")
        tasks.cancel_scope.cancel()
    assert not alive(script.noted())


async def test_cancelled_before_it_began_leaves_no_child(script: Script) -> None:
    """A spawn is not torn in the middle: the child starts, is seen, and ends."""
    with anyio.move_on_after(0) as scope:
        await script.run("echo $$ > pid; exec sleep 600")
    assert scope.cancelled_caught
    if written(script.folder / "pid"):
        assert not alive(script.noted())


@LINUX
async def test_bytes_moved_are_watched(script: Script) -> None:
    """Progress is what the child has read, reported while it runs."""
    seen: list[int] = []
    await run(
        ["/bin/sh", "-c", "exec dd if=/dev/zero of=/dev/null bs=64k"],
        env={"PATH": "/usr/bin:/bin"},
        cwd=script.folder,
        deadline=1.5,
        watch=seen.append,
        limits=BRISK,
    )
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] > 1_000_000


@LINUX
async def test_a_deadline_while_bytes_move_is_told_apart(script: Script) -> None:
    """Slow and hung are two things: only the slow one made progress."""
    busy = await script.run("exec dd if=/dev/zero of=/dev/null bs=64k", deadline=1.5)
    hung = await script.run(
        "dd if=/dev/zero of=/dev/null bs=64k count=999; exec sleep 600", deadline=3
    )
    assert (busy.timed_out, busy.progressed, busy.stalled) == (True, True, False)
    assert (hung.timed_out, hung.progressed, hung.stalled) == (True, False, False)
    assert hung.moved is not None
    assert hung.moved > 60_000_000


@LINUX
async def test_a_stall_ends_the_child_before_its_deadline(script: Script) -> None:
    """A child that moves no byte does not use up its whole deadline (fault row 63)."""
    finished = await script.run("exec sleep 600", limits=BRISK._replace(stall=0.3))
    assert (finished.stalled, finished.timed_out, finished.code) == (True, False, -signal.SIGTERM)


@LINUX
async def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    """kill -9 of the parent leaves no orphan that could go on writing."""
    parent = subprocess.Popen(  # noqa: ASYNC220 - it is the one to be killed
        [sys.executable, "-c", _PARENT, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    try:
        await appears(tmp_path / "pid")
    finally:
        parent.kill()
        parent.wait()
    await gone(int((tmp_path / "pid").read_text()))


_PARENT = """
import sys, anyio
from pathlib import Path
from image_sync.runtime.process import run

async def main() -> None:
    argv = ["/bin/sh", "-c", "echo $$ > pid; exec sleep 600"]
    await run(argv, env={"PATH": "/usr/bin:/bin"}, cwd=Path(sys.argv[1]), deadline=600)

anyio.run(main)
"""


@LINUX
async def test_an_error_while_a_child_runs_comes_out_as_it_is(script: Script) -> None:
    """Not in a group, which whoever waits for an OSError would miss; the child is gone."""

    def watch(_: int) -> None:
        if written(script.folder / "pid"):
            raise OSError("mine")

    with pytest.raises(OSError, match="mine"):
        await run(
            ["/bin/sh", "-c", "echo $$ > pid; exec sleep 600"],
            env={"PATH": "/usr/bin:/bin"},
            cwd=script.folder,
            deadline=FOREVER,
            watch=watch,
            limits=BRISK,
        )
    assert not alive(script.noted())


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@LINUX
async def test_no_descriptor_is_left_open(script: Script) -> None:
    """A long-running process may start children for ever."""
    await script.run("true")
    before = descriptors()
    for _ in range(20):
        await script.run("sleep 600 & echo x; echo y >&2", stdin=b"z")
    assert descriptors() == before


async def test_many_children_at_once(script: Script) -> None:
    """Each caller gets its own child's words."""
    answers: dict[int, bytes] = {}

    async def one(number: int) -> None:
        answers[number] = (await script.run(f"echo {number}")).stdout

    async with anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(one, number)
    assert answers == {number: f"{number}\n".encode() for number in range(30)}
