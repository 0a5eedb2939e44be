"""image-sync without a flag runs until it is stopped, and does what its signals say."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e import fake_tools
from tests.e2e.background import (
    IN_FORCE,
    PASS_OVER,
    PULLED,
    STOPPING,
    Background,
    children,
    running,
)
from tests.e2e.conftest import StandIn, set_up
from tests.e2e.program import PATIENCE, Program
from tests.kill.walk import open_uploads
from tests.real import images
from tests.real.content import sha256
from tests.real.rules import Hold
from tests.real.running import RunningRegistry
from tests.real.tools import bin_directory, require

# Bytes of a layer: small, but for the copies that are stopped in their middle.
SIZE = 1000
LARGE = 300_000
# Seconds between passes in a test that waits for no second one.
NEVER = 3600
REJECTED = "the one before stays in force"
APP = "team/app"
OTHER = "team/other"


@pytest.fixture
def program(tmp_path: Path, source: RunningRegistry, cache: RunningRegistry) -> Program:
    """image-sync that copies by itself, and has `team/app:1` to keep."""
    program = set_up(tmp_path, source, cache, bin_directory(tmp_path / "bin", {}), "builtin")
    push(source, APP, "first")
    program.add(source, APP, "1")
    return until_stopped(program)


@pytest.fixture
def daemon(program: Program) -> Iterator[Background]:
    """That one, running, with its first pass over."""
    with running(program) as background:
        background.expect(PASS_OVER)
        yield background


def until_stopped(program: Program) -> Program:
    """Set it up to make one pass unless told otherwise, and to listen nowhere."""
    program.settings |= {"interval_secs": NEVER, "server": {"listen": "none"}}
    return program


def push(registry: RunningRegistry, repository: str, label: str, size: int = SIZE) -> str:
    """Have tag 1 of a repository name another image; its digest."""
    return registry.push(repository, "1", images.bulk(size, label))


def hold_a_layer(source: RunningRegistry) -> Hold:
    """Stop the answer to the first request for a large layer in its middle."""
    return source.recorder.hold("GET", r"/blobs/", after_bytes=LARGE // 2)


def test_the_first_pass_copies_and_a_tag_that_moves_is_copied_at_its_next_turn(
    program: Program, source: RunningRegistry, cache: RunningRegistry
) -> None:
    """Pass after pass, until SIGTERM ends it with 0; nothing is written to standard output."""
    program.settings["interval_secs"] = 1
    with running(program) as daemon:
        daemon.expect("running until stopped")
        daemon.expect(PASS_OVER, pulled=1, failed=0)
        daemon.expect(PASS_OVER, pulled=0, already_cached=1)
        moved = push(source, APP, "moved")
        daemon.expect(PULLED, image=f"{source.host}/{APP}", digest=moved)
        daemon.expect(PASS_OVER, pulled=1)
        assert cache.api.digest_of(APP, "1") == moved
        assert daemon.finish(signal.SIGTERM)[:2] == (0, "")


def test_an_image_that_is_added_is_copied_as_soon_as_sighup_comes(
    daemon: Background, program: Program, source: RunningRegistry, cache: RunningRegistry
) -> None:
    """What was there before is not asked for again, and what is removed stays in the cache. Without
    a change nothing happens but a line in the log."""
    daemon.reload(program)
    daemon.expect(IN_FORCE, images=1, added=0, changed=0, removed=0)
    added = push(source, OTHER, "added")
    source.recorder.clear()
    program.images.clear()
    program.add(source, OTHER, "1")
    daemon.reload(program)
    daemon.expect(IN_FORCE, images=1, added=1, removed=1)
    daemon.expect(PULLED, digest=added)
    assert cache.api.digest_of(OTHER, "1") == added
    assert cache.api.digest_of(APP, "1") == source.api.digest_of(APP, "1")
    assert source.recorder.matching(None, f"/{APP}/manifests/") == []
    assert daemon.finish(signal.SIGTERM).code == 0


def test_a_wrong_configuration_is_told_whole_and_the_one_before_stays_in_force(
    daemon: Background, program: Program, source: RunningRegistry
) -> None:
    """Every problem is in the log with its place; passes go on, and a right one is taken again."""
    file = program.config
    right = file.read_text(encoding="utf-8")
    file.write_text("cache_registri: x\nimages: [{source: a/b}]\n", encoding="utf-8")
    daemon.send(signal.SIGHUP)
    message = str(daemon.expect(REJECTED)["msg"])
    assert "image-sync.yaml:1:1" in message
    assert "image-sync.yaml:2" in message
    moved = push(source, APP, "moved")
    daemon.send(signal.SIGUSR1)
    daemon.expect(PULLED, digest=moved)
    file.write_text(right, encoding="utf-8")
    daemon.send(signal.SIGHUP)
    daemon.expect(IN_FORCE, images=1, added=0, changed=0, removed=0)
    assert daemon.finish(signal.SIGTERM).code == 0


def test_a_configmap_that_kubernetes_swaps_is_noticed(
    program: Program, source: RunningRegistry
) -> None:
    """Nobody sends a signal: the folder behind a link is another one, as a kubelet makes it."""
    mount = program.directory / "mount"
    mount.mkdir()
    (mount / "image-sync.yaml").symlink_to("..data/image-sync.yaml")

    def publish(version: str) -> None:
        (mount / version).mkdir()
        shutil.copy(program.config, mount / version / "image-sync.yaml")
        (mount / "..data_tmp").symlink_to(version)
        (mount / "..data_tmp").rename(mount / "..data")

    publish("..1")
    with running(program, "--config", str(mount / "image-sync.yaml")) as daemon:
        daemon.expect(PASS_OVER, pulled=1)
        added = push(source, OTHER, "added")
        program.add(source, OTHER, "1")
        publish("..2")
        shutil.rmtree(mount / "..1")
        daemon.expect(IN_FORCE, images=2, added=1)
        daemon.expect(PULLED, digest=added)
        assert daemon.finish(signal.SIGTERM).code == 0


def test_sigusr1_has_a_pass_at_once_and_sigquit_prints_how_things_stand(
    daemon: Background, source: RunningRegistry
) -> None:
    """Neither ends it."""
    moved = push(source, APP, "moved")
    daemon.send(signal.SIGUSR1)
    daemon.expect(PULLED, digest=moved)
    daemon.expect(PASS_OVER, pulled=1)
    daemon.send(signal.SIGQUIT)
    daemon.expect("image-sync: up")
    daemon.expect("images: 0 already cached, 1 pulled, 0 skipped, 0 failed")
    assert daemon.running()
    assert daemon.finish(signal.SIGTERM).code == 0


def test_a_configuration_from_standard_input_works_and_is_not_read_again(
    program: Program, source: RunningRegistry
) -> None:
    """SIGHUP says why; the rest goes on."""
    with running(program, "--config", "-", stdin=program.config) as daemon:
        daemon.expect(PASS_OVER, pulled=1)
        daemon.send(signal.SIGHUP)
        daemon.expect("cannot be read again", level="warning")
        moved = push(source, APP, "moved")
        daemon.send(signal.SIGUSR1)
        daemon.expect(PULLED, digest=moved)
        assert daemon.finish(signal.SIGTERM).code == 0


def test_sigterm_leaves_a_running_copy_its_time(
    program: Program, source: RunningRegistry, cache: RunningRegistry
) -> None:
    """What is being copied arrives, what waits is not begun, and the exit code is 0."""
    for repository in (APP, OTHER):
        push(source, repository, f"large {repository}", LARGE)
    program.add(source, OTHER, "1")
    program.settings["concurrency"] = 1
    held = hold_a_layer(source)
    with running(program) as daemon:
        held.wait()
        daemon.send(signal.SIGTERM)
        daemon.expect(STOPPING, copies=1)
        held.release()
        assert daemon.finish()[:2] == (0, "")
        (copied,) = (line["digest"] for line in daemon.lines() if line["msg"] == PULLED)
    answers = [cache.api.get_manifest(repository, "1") for repository in (APP, OTHER)]
    assert sorted(answer.status for answer in answers) == [200, 404]
    assert copied in {sha256(answer.body) for answer in answers}
    assert not open_uploads(cache)


def test_a_copy_that_takes_longer_than_its_time_is_taken_back(
    program: Program, source: RunningRegistry, cache: RunningRegistry
) -> None:
    """The tag stays as it is, no upload is left open, and the exit code is 0 all the same."""
    push(source, APP, "large", LARGE)
    program.settings["shutdown_grace_secs"] = 1
    held = hold_a_layer(source)
    with running(program) as daemon:
        held.wait()
        assert cache.recorder.matching("POST", "/blobs/uploads/")
        daemon.send(signal.SIGTERM)
        run = daemon.finish()
    assert run[:2] == (0, ""), run.stderr
    assert "Traceback" not in run.stderr
    assert cache.api.get_manifest(APP, "1").status == 404
    assert not open_uploads(cache)


def test_a_second_signal_ends_it_at_once(stand_in: Callable[..., StandIn]) -> None:
    """Its exit code is that of the second, and the tool that would not end is gone."""
    program, path = stand_in(fake_tools.HANGS)
    with running(until_stopped(program)) as daemon:
        daemon.expect("copying with crane")
        until(lambda: bool(fake_tools.starts(path)))
        daemon.send(signal.SIGINT)
        daemon.expect(STOPPING)
        run = daemon.finish(signal.SIGINT)
    assert run[:2] == (128 + signal.SIGINT, "")
    assert "Traceback" not in run.stderr
    until(lambda: not any(map(fake_tools.is_alive, fake_tools.starts(path))))


def test_as_pid_1_it_reaps_what_tools_leave_behind(
    tmp_path: Path, source: RunningRegistry, cache: RunningRegistry
) -> None:
    """In a container nobody else does: no zombie stays, and SIGTERM ends it as elsewhere."""
    push(source, APP, "first")
    path = fake_tools.write_crane(tmp_path / "bin", fake_tools.leaves_orphans(require("crane")))
    program = until_stopped(set_up(tmp_path, source, cache, path, "crane"))
    program.add(source, APP, "1")
    with running(program, before=as_pid_1()) as daemon:
        daemon.expect(PULLED, engine="crane")
        (init,) = children(daemon.pid)
        assert len(children(init)) == fake_tools.ORPHANS
        (path / "end").touch()
        until(lambda: not children(init))
        os.kill(init, signal.SIGTERM)
        assert daemon.finish()[:2] == (0, "")


def as_pid_1() -> Sequence[str]:
    """What starts a program as the first process of its own, as a container has it."""
    options = ("--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc")
    isolated = [str(require("unshare")), *options]
    tried = subprocess.run([*isolated, "true"], capture_output=True, check=False, text=True)
    if tried.returncode != 0:
        pytest.skip(f"needs unshare and the right to use it: {tried.stderr}")
    return isolated


def until(reached: Callable[[], bool]) -> None:
    """Wait for what is bound to come."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline
        signal.sigtimedwait([], 0.05)
