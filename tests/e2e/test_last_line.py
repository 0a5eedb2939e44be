"""The log ends with a line that says what ended the process, and what that cut off."""

import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.e2e import fake_tools
from tests.e2e.background import PASS_OVER, STOPPING, Background, running
from tests.e2e.conftest import StandIn
from tests.e2e.program import Program
from tests.hostile.listener import closed_port

NOWHERE = {"server": {"listen": "none"}}


@pytest.fixture
def idle(tmp_path: Path) -> Program:
    """image-sync that has nothing to keep."""
    program = Program(tmp_path / "image-sync", closed_port(), tmp_path / "nothing")
    program.settings |= NOWHERE
    return program


def last(daemon: Background) -> Mapping[str, object]:
    """The last line, without what every line has."""
    line = dict(daemon.lines()[-1])
    return {key: value for key, value in line.items() if key not in {"time", "logger", "pass_id"}}


def test_a_process_that_had_nothing_to_finish_says_which_signal_ended_it(idle: Program) -> None:
    """And that nothing was cut off."""
    with running(idle) as daemon:
        daemon.expect("configuration in force")
        assert daemon.finish(signal.SIGTERM).code == 0
        assert last(daemon) == {"level": "info", "msg": "SIGTERM: stopped", "copies_cut_off": 0}


def test_copies_that_were_cut_off_are_counted(stand_in: Callable[..., StandIn]) -> None:
    """Their time was over; the line comes after that of the pass."""
    program, _ = stand_in(fake_tools.HANGS)
    program.settings |= {**NOWHERE, "shutdown_grace_secs": 0}
    with running(program) as daemon:
        daemon.expect("copying with crane")
        assert daemon.finish(signal.SIGINT).code == 0
        daemon.expect(PASS_OVER)
        assert last(daemon) == {"level": "info", "msg": "SIGINT: stopped", "copies_cut_off": 1}


def test_one_pass_that_a_signal_ends_says_so(stand_in: Callable[..., StandIn]) -> None:
    """As a process that runs until it is stopped does."""
    program, _ = stand_in(fake_tools.HANGS)
    with running(program, "--once", "--config", str(program.config)) as once:
        once.expect("copying with crane")
        assert once.finish(signal.SIGTERM).code == 128 + signal.SIGTERM
        assert last(once) == {"level": "info", "msg": "SIGTERM: stopped", "copies_cut_off": 1}


@pytest.mark.parametrize("arguments", [[], ["--once"]], ids=["until-stopped", "once"])
def test_a_second_signal_is_the_last_that_is_told(
    stand_in: Callable[..., StandIn], arguments: list[str]
) -> None:
    """Nobody waited to know what it cut off."""
    program, _ = stand_in(fake_tools.HANGS)
    program.settings |= NOWHERE
    given = [*arguments, "--config", str(program.config)]
    with running(program, *given) as daemon:
        daemon.expect("copying with crane")
        daemon.send(signal.SIGTERM)
        if not arguments:
            daemon.expect(STOPPING)
        daemon.send(signal.SIGINT)
        message = daemon.expect("stopped at once")["msg"]
        ended = daemon.finish().code
    # One pass may hear of the second first: it does not say when it heard of one.
    assert (ended, message) in [
        (128 + signum, f"{signum.name}: stopped at once, by a second signal")
        for signum in ([signal.SIGINT, signal.SIGTERM] if arguments else [signal.SIGINT])
    ]


def test_a_process_that_an_error_ends_says_which(idle: Program) -> None:
    """Here an address that is taken, which is told whole below the log."""
    idle.settings["server"] = {"listen": "192.0.2.1:80"}
    with running(idle) as daemon:
        run = daemon.finish()
        line = daemon.expect("stopped by an error", level="error")
    assert run.code == 2
    assert "192.0.2.1:80" in str(line["error"])
    assert f"error: {line['error']}\n" in run.stderr
