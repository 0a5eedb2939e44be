"""How things stand, as text for people: what a process says when it is asked by SIGQUIT.

Everything that came from outside is escaped and bounded. Not here: what is shown while it moves
(`overview.py`), and what machines read.
"""

from collections.abc import Iterator
from datetime import datetime
from signal import Signals

from image_sync.model import Action, Tally
from image_sync.observe.board import Board
from image_sync.observe.quantities import human_bytes, human_seconds
from image_sync.observe.states import (
    CurrentPass,
    HostState,
    ImageState,
    LastPass,
    Leadership,
    Running,
)
from image_sync.oci.quoting import printable

_FAILING = 50
"""Failing images that are told: what fits on a few screens; the log and the report have all."""
_PROBLEMS = 10
"""Problems of a rejected configuration that are told; correcting them shows the rest."""
_NAME = 300
"""Characters of an image: more than a reference has (`oci.reference.MAX_NAME`, and a tag)."""
_ERROR = 500
"""Characters of an error: its message, the request and the registry's own codes."""


def status_text(board: Board) -> str:
    """How things stand, in lines that each end with a newline."""
    sections = (_head(board), _copies(board), _hosts(board), _failures(board))
    return "".join(f"{line}\n" for section in sections for line in section)


def _head(board: Board) -> Iterator[str]:
    yield f"image-sync: up {human_seconds(board.uptime)}, since {_moment(board.began_at)}"
    yield f"images: {_counts(board.by_action())}"
    yield f"pass: {_pass(board.current_pass)}"
    if board.last_pass:
        yield f"last pass: {_last_pass(board.last_pass)}"
    if board.next_pass_in is not None:
        yield f"next pass: in {human_seconds(board.next_pass_in)}"
    yield from _config(board)
    if board.leadership:
        yield f"leader: {_leader(board.leadership)}"
    ending = board.shutdown
    if ending:
        left = human_seconds(ending.grace_left)
        yield f"{Signals(ending.signal).name}: stopping, copies have {left} left"


def _counts(counts: dict[Action | None, int]) -> str:
    told = [f"{counts.get(action, 0)} {_words(action)}" for action in Action]
    return f"{', '.join(told)}, {counts.get(None, 0)} not checked yet"


def _pass(current: CurrentPass | None) -> str:
    if current is None:
        return "none runs"
    dry = " (dry run)" if current.dry_run else ""
    return (
        f"{current.done} of {current.images} done in {human_seconds(current.elapsed)}{dry}: "
        f"{current.pulled} pulled, {current.already_cached} already cached, "
        f"{current.skipped} skipped, {current.failed} failed"
    )


def _last_pass(last: LastPass) -> str:
    how = "interrupted" if last.interrupted else "ended"
    took = human_seconds(last.duration)
    return f"{how} {_moment(last.ended_at)} after {took}: {_tally(last.tally)}"


def _tally(tally: Tally) -> str:
    return (
        f"{tally.pulled} pulled, {tally.already_cached} already cached, {tally.skipped} skipped, "
        f"{tally.failed} failed, {human_bytes(tally.bytes_copied)} copied"
    )


def _config(board: Board) -> Iterator[str]:
    config = board.config
    if config.adopted_at:
        yield f"configuration: in force since {_moment(config.adopted_at)}"
    if config.rejected_at:
        yield f"configuration: a later one was wrong at {_moment(config.rejected_at)}"
        for problem in config.problems[:_PROBLEMS]:
            yield f"  {printable(problem, _ERROR)}"
        yield from _more(len(config.problems) - _PROBLEMS)


def _leader(leadership: Leadership) -> str:
    who = "this replica" if leadership.leads else printable(leadership.leader) or "nobody known"
    return f"{who}, since {_moment(leadership.since)}"


def _copies(board: Board) -> Iterator[str]:
    running = board.running()
    if running:
        yield "copying:"
    for copy in running:
        yield f"  {_name(copy)}: {_copy(copy)}"


def _copy(copy: Running) -> str:
    size = f" of {human_bytes(copy.size)} at most" if copy.size is not None else ""
    again = f", attempt {copy.attempt}" if copy.attempt > 1 else ""
    left = f", {human_seconds(copy.left)} left at most" if copy.left is not None else ""
    return (
        f"{copy.engine}{again}, {human_bytes(copy.bytes_moved)}{size} "
        f"in {human_seconds(copy.elapsed)}, now {human_bytes(copy.rate)}/s{left}"
    )


def _hosts(board: Board) -> Iterator[str]:
    told = [
        f"  {host.host}: {facts}" for host in board.hosts() if (facts := "; ".join(_host(host)))
    ]
    if told:
        yield "registries:"
    yield from told


def _host(host: HostState) -> Iterator[str]:
    if host.pause:
        yield f"paused for {human_seconds(host.pause.left)}: {printable(host.pause.why)}"
    if host.pull_pause:
        pause = host.pull_pause
        yield f"pulls paused for {human_seconds(pause.left)}: {printable(pause.why)}"
    if host.quota:
        yield f"{host.quota.remaining} of {host.quota.limit} pulls left"
    if host.down_since:
        soon = f", asked in {human_seconds(host.asked_again_in)}" if host.asked_again_in else ""
        yield f"down since {_moment(host.down_since)}{soon}"


def _failures(board: Board) -> Iterator[str]:
    failing = [
        (state.failing_since, f"{_name(state)}: {_failure(state, state.failing_since)}")
        for state in board.images()
        if state.failing_since
    ]
    failing.sort()
    if failing:
        yield "failing:"
    for _, text in failing[:_FAILING]:
        yield f"  {text}"
    yield from _more(len(failing) - _FAILING)


def _failure(state: ImageState, since: datetime) -> str:
    """Since when, how often, and how the last turn went."""
    often = f" ({state.failures} times)" if state.failures > 1 else ""
    result = state.result
    why = (result.error or _words(result.reason)) if result else ""
    return f"since {_moment(since)}{often}: {printable(why, _ERROR)}"


def _name(about: ImageState | Running) -> str:
    return printable(str(about.spec), _NAME)


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f"  and {count} more"


def _moment(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")


def _words(name: str) -> str:
    return name.replace("_", " ")
