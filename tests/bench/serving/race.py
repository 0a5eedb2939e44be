"""The order of events: pairs of new registries that take turns, and what each was asked took.

Linux only: /proc tells what a process that goes on has used.
"""

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import msgspec

from tests.bench.machine import Programs, scratch, setting
from tests.bench.measure import Run, say
from tests.bench.servers import Serving, serving_distribution, serving_embedded
from tests.bench.serving.client import Blob, made, pull, push
from tests.bench.serving.figures import Figure, Name, Report, Task

PROGRAMS = ("image_sync", "registry")
_ADDRESS = "127.0.0.1"
_CLEAR_PEAK = "5"  # proc(5), /proc/pid/clear_refs


class Plan(msgspec.Struct, frozen=True):
    """What was asked for.

    Attributes:
        megabytes: Of one blob, and of the many together.
        many: How many blobs those are.
        at_once: How many of them travel at once.
        rounds: Pairs that are measured.
        folder: Where the registries store; in memory if None.
    """

    megabytes: float
    many: int
    at_once: int
    rounds: int
    folder: Path | None = None


def measured(plan: Plan, programs: Programs) -> Report:
    """Everything, from empty folders to figures.

    Raises:
        RoomError: There is no place for the registries.
        StartError: A registry did not start.
        PushError: A registry did not take a blob, or did not give it back.
    """
    one, many = _content(plan)
    load = os.getloadavg()[0]
    with scratch(int(2.2e6 * plan.megabytes), plan.folder) as folder:
        rounds = [
            dict(_pair(plan, programs, folder / str(number), one, many, swapped=number % 2 == 1))
            for number in range(1 + plan.rounds)
        ]
        return Report(
            plan.megabytes,
            plan.many,
            plan.at_once,
            plan.rounds,
            str(folder.parent),
            load,
            setting(programs, PROGRAMS),
            tuple(_figures(rounds[1:])),
        )


_Key = tuple[Task, Name]


def _figures(rounds: Sequence[Mapping[_Key, Run]]) -> Iterator[Figure]:
    for task in Task:
        for name in Name:
            yield Figure(name, task, tuple(each[task, name] for each in rounds))


def _pair(
    plan: Plan, programs: Programs, folder: Path, one: Blob, many: Sequence[Blob], *, swapped: bool
) -> Iterator[tuple[_Key, Run]]:
    """Both registries, one after the other, each over a new folder."""
    folder.mkdir()
    starts: dict[Name, Callable[[], AbstractContextManager[Serving]]] = {
        Name.OURS: partial(serving_embedded, programs.image_sync, folder / "ours", _ADDRESS),
        Name.THEIRS: partial(serving_distribution, programs.registry, folder / "theirs", _ADDRESS),
    }
    for name in sorted(starts, reverse=swapped):
        with starts[name]() as serving:
            host = serving.host
            work: dict[Task, Callable[[], None]] = {
                Task.PUSH_ONE: partial(push, host, [one], 1),
                Task.PULL_ONE: partial(pull, host, [one], 1),
                Task.PULL_AGAIN: partial(pull, host, [one], 1),
                Task.PUSH_MANY: partial(push, host, many, plan.at_once),
                Task.PULL_MANY: partial(pull, host, many, plan.at_once),
            }
            for task, ask in work.items():
                run = _timed(serving.pid, ask)
                say(f"{name}, {task}: {run.wall_seconds:.2f} s")
                yield (task, name), run


def _content(plan: Plan) -> tuple[Blob, Sequence[Blob]]:
    """One blob, and many that differ from it and from each other."""
    size = int(plan.megabytes * 1e6 / plan.many)
    piece = random.Random("serving").randbytes(size - 4)
    many = [made([number.to_bytes(4), piece]) for number in range(plan.many)]
    return made([part for blob in many for part in blob.pieces]), many


def _timed(pid: int, ask: Callable[[], None]) -> Run:
    Path(f"/proc/{pid}/clear_refs").write_text(_CLEAR_PEAK)
    used, began = _cpu_seconds(pid), time.perf_counter()
    ask()
    wall = time.perf_counter() - began
    return Run(wall, _cpu_seconds(pid) - used, _peak_rss_bytes(pid))


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process: proc(5), /proc/pid/stat, fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_rss_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) * 1024
