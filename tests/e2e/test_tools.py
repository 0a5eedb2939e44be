"""Whatever a tool does, no tag moves that should not, no child stays, and the pass goes on."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e import fake_tools
from tests.e2e.conftest import StandIn, set_up
from tests.e2e.program import Program, finish
from tests.real import images
from tests.real.losing import lose_blob
from tests.real.running import RunningRegistry
from tests.real.tools import bin_directory, require


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(fake_tools.LIES, id="lies"),
        pytest.param(fake_tools.CRASHES, id="crashes"),
        pytest.param(fake_tools.SHOUTS, id="shouts"),
    ],
)
def test_a_broken_tool_is_not_believed_and_the_builtin_engine_takes_over(
    behaviour: str,
    source: RunningRegistry,
    cache: RunningRegistry,
    stand_in: Callable[..., StandIn],
) -> None:
    """Its word counts for nothing: what is in the cache does."""
    program, path = stand_in(behaviour)
    run = program.once()
    assert (run.code, run.only.engine, run.only.attempts) == (0, "builtin", 1), run.stderr
    assert len(fake_tools.starts(path)) == 1
    assert "builtin instead of crane" in run.stderr
    assert cache.api.digest_of("team/app", "1") == source.api.digest_of("team/app", "1")
    assert "\x1b" not in run.stderr + run.stdout


def test_a_hung_tool_is_killed_with_its_children_and_the_pass_goes_on(
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
    stand_in: Callable[..., StandIn],
) -> None:
    """`pull_timeout_secs` ends each attempt; the image that needs no copy is not delayed."""
    program, path = stand_in(fake_tools.HANGS)
    done = images.single(programs, label="done")
    source.push("team/done", "1", done)
    cache.push("team/done", "1", done)
    program.settings["pull_timeout_secs"] = 3  # by then it has read all that it reads to start
    program.add(source, "team/done", "1")
    run = program.once()
    hung, fine = run.report.results
    assert (hung.action, hung.error_kind, fine.action) == ("failed", "timeout", "already_cached")
    assert not [pid for pid in fake_tools.starts(path) if fake_tools.is_alive(pid)]


def test_a_failure_of_one_tool_is_the_turn_of_the_next(
    tmp_path: Path,
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """crane crashes, skopeo copies, in the same attempt."""
    digest = source.push("team/app", "1", images.single(programs))
    path = fake_tools.write_crane(tmp_path / "bin", fake_tools.CRASHES)
    (path / "skopeo").symlink_to(require("skopeo-1.18"))
    program = set_up(tmp_path, source, cache, path, "crane")
    program.add(source, "team/app", "1")
    run = program.once()
    assert (run.code, run.only.engine, run.only.attempts) == (0, "skopeo", 1), run.stderr
    assert cache.api.digest_of("team/app", "1") == digest


def test_without_any_tool_image_sync_copies_by_itself(
    tmp_path: Path,
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """Without a word, unless one was named: then the log says how to get it."""
    source.push("team/app", "1", images.single(programs))
    digest = source.push("team/app", "2", images.single(programs, label="two"))
    (tmp_path / "bin").mkdir()
    program = set_up(tmp_path, source, cache, tmp_path / "bin", "crane")
    program.add(source, "team/app", "1")
    named = program.once()
    assert (named.code, named.only.engine) == (0, "builtin"), named.stderr
    assert "builtin instead of crane: it is not installed: install it" in named.stderr
    del program.settings["preferred_tool"]
    program.add(source, "team/app", "2")
    silent = program.once()
    assert (silent.code, silent.actions) == (0, ["already_cached", "pulled"]), silent.stderr
    assert "crane" not in silent.stderr
    assert cache.api.digest_of("team/app", "2") == digest


def test_an_old_crane_is_used_only_if_it_is_named(
    source: RunningRegistry,
    programs: dict[str, bytes],
    stand_in: Callable[..., StandIn],
) -> None:
    """Being the default is not being named: it can be made to send credentials to strangers."""
    program, path = stand_in(fake_tools.CRASHES, version="0.20.2")
    del program.settings["preferred_tool"]
    run = program.once()
    assert (run.code, run.only.engine) == (0, "builtin"), run.stderr
    assert "0.20.2" in run.stderr
    assert fake_tools.starts(path) == []
    program.settings["preferred_tool"] = "crane"
    source.push("team/app", "1", images.single(programs, label="another"))
    assert program.once().code == 0
    assert fake_tools.starts(path) != []


def test_a_blob_that_is_lost_in_the_cache_is_found_and_copied_again(
    tmp_path: Path,
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """A manifest that is there does not stand for an image that is whole: the tools would take it
    for one, so builtin repairs (a copy to another tag of the same digest finds the damage)."""
    image = images.single(programs)
    source.push("team/app", "1", image)
    source.push("team/app", "2", image)
    tools = bin_directory(tmp_path / "bin", {"crane": "crane", "skopeo": "skopeo-1.18"})
    program = set_up(tmp_path, source, cache, tools, "crane")
    program.add(source, "team/app", "1")
    assert program.once().code == 0
    lost = image.blobs[-1].digest
    lose_blob(cache, lost)
    program.add(source, "team/app", "2")
    run = program.once()
    assert (run.code, run.actions) == (0, ["already_cached", "pulled"]), run.stderr
    assert run.report.results[1].engine == "builtin"
    assert cache.api.head_blob("team/app", lost).status == 200


@pytest.mark.parametrize(
    "signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda s: s.name
)
def test_a_signal_ends_a_pass_in_order(
    signum: signal.Signals,
    stand_in: Callable[..., StandIn],
) -> None:
    """What was done is reported, what was not is failed as interrupted, no child is left."""
    program, path = stand_in(fake_tools.HANGS)
    process = program.start("--once", "--config", str(program.config))
    _wait_for_start(path)
    run = finish(process, signum)
    assert run.code == 128 + signum, run.stderr
    assert (run.only.action, run.only.reason) == ("failed", "interrupted")
    assert not [pid for pid in fake_tools.starts(path) if fake_tools.is_alive(pid)]


def test_a_second_signal_ends_the_process_at_once(
    stand_in: Callable[..., StandIn],
) -> None:
    """No report, no waiting for a tool that will not end, no traceback, and no child left."""
    program, path = stand_in(fake_tools.HANGS)
    process = program.start("--once", "--config", str(program.config))
    _wait_for_start(path)
    process.send_signal(signal.SIGTERM)
    signal.sigtimedwait([], 0.5)
    run = finish(process, signal.SIGINT)
    assert (run.code, run.stdout) == (128 + signal.SIGINT, "")
    assert "Traceback" not in run.stderr
    _wait_for_end(fake_tools.starts(path))


def test_the_time_of_a_pass_is_bounded(
    stand_in: Callable[..., StandIn],
) -> None:
    """`pass_timeout_secs` reports what is left as failed, exit 1."""
    program, path = stand_in(fake_tools.HANGS)
    program.settings["pass_timeout_secs"] = 2
    run = program.once()
    assert (run.code, run.only.reason) == (1, "pass_timeout")
    assert not [pid for pid in fake_tools.starts(path) if fake_tools.is_alive(pid)]


def test_kill_9_in_mid_copy_leaves_the_old_tag_and_no_child(
    engine: str,
    program: Program,
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """The old tag serves, the tool dies with its parent, and the next pass completes (row 72)."""
    old = images.single(programs)
    source.push("team/app", "1", old)
    program.add(source, "team/app", "1", platform="all")
    assert program.once().code == 0
    new = images.bulk(8_000_000, "new")
    source.push("team/app", "1", new)
    hold = source.recorder.hold("GET", r"/blobs/", after_bytes=1_000_000)
    process = program.start("--once", "--config", str(program.config))
    hold.wait()
    children = _children(process.pid)
    assert bool(children) is (engine != "builtin")
    finish(process, signal.SIGKILL)
    _wait_for_end(children)
    hold.release()
    assert cache.api.digest_of("team/app", "1") == old.digest
    again = program.once()
    assert (again.code, again.actions) == (0, ["pulled"]), again.stderr
    assert cache.api.digest_of("team/app", "1") == new.digest


def _children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text(encoding="utf-8").split()
    ]


def _wait_for_start(path: Path) -> None:
    while not fake_tools.starts(path):
        signal.sigtimedwait([], 0.02)


def _wait_for_end(pids: list[int]) -> None:
    while any(map(fake_tools.is_alive, pids)):
        signal.sigtimedwait([], 0.02)
