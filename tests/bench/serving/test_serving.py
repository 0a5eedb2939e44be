"""The benchmark of the embedded registry: its client, its arithmetic and its command line.

Nothing here looks at a clock.
"""

import json
import sys
from pathlib import Path

import pytest

from tests.bench.__main__ import main
from tests.bench.machine import Setting
from tests.bench.measure import Run
from tests.bench.push import PushError
from tests.bench.serving.client import made, pull, push
from tests.bench.serving.figures import Figure, Name, Report, Task, as_table
from tests.real.registries import embedded
from tests.real.tools import require


def test_blobs_are_pushed_and_pulled_whole(tmp_path: Path) -> None:
    """Each of many arrives as it is, and one that is not there ends the benchmark."""
    blobs = [made([b"a" * number, b"b" * 100_000]) for number in range(5)]
    with embedded(tmp_path) as registry:
        push(registry.host, blobs, 3)
        pull(registry.host, blobs, 3)
        for blob in blobs:
            answer = registry.api.get_blob("bench/pieces", blob.digest)
            assert answer.body == b"".join(blob.pieces)
        with pytest.raises(PushError, match="404"):
            pull(registry.host, [made([b"not there"])], 1)


def test_ratios_are_those_of_pairs() -> None:
    """What one round had of the machine, both registries had: 3 : 1, 2 : 2 and 8 : 2."""
    walls = {Name.OURS: (1.0, 2.0, 2.0), Name.THEIRS: (3.0, 2.0, 8.0)}
    figures = tuple(
        Figure(name, Task.PUSH_ONE, tuple(Run(wall, 1.0, 1 << 20) for wall in each))
        for name, each in walls.items()
    )
    table = as_table(Report(500, 50, 4, 3, "/memory", 0.5, Setting("2 CPUs", {}), figures))
    assert "| push one | image-sync serve | 2.00 | 250 |  | 1.00 | 1 |" in table
    assert "| push one | distribution | 3.00 | 167 | 3.00 (1.00 to 4.00) | 1.00 | 1 |" in table


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what a registry used")
def test_the_command_line_measures_and_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A small one, from the start of registries to a table and a file."""
    require("registry")
    file = tmp_path / "figures.json"
    small = ["--megabytes", "0.2", "--many", "4", "--rounds", "1", "--folder", str(tmp_path)]
    assert main(["serve", *small, "--json", str(file)]) == 0
    assert "| pull many | distribution |" in capsys.readouterr().out
    figures = json.loads(file.read_text())["figures"]
    assert len(figures) == len(Task) * len(Name)
