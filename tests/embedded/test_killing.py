"""A few kills of the embedded registry; `python -m tests.embedded.killing` plays 200."""

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.embedded.killing import COLLECTED_EVERY, Tally, play

# One collection within, and one at the end; some 20 seconds on two busy cores.
ROUNDS: Final = COLLECTED_EVERY + 1
SEED: Final = 1


def test_whatever_moment_it_is_killed_what_was_acknowledged_is_served_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a kill -9 amid pushes the folder can be opened, each tag is whole and names what was
    acknowledged last or was being pushed, every acknowledged blob and manifest is there, and
    collecting leaves what the tags need and nothing else."""
    tally = Tally()
    violations: list[str] = []
    for played in play(tmp_path, SEED, range(ROUNDS)):
        tally.add(played)
        violations += [f"{played.story}: {text}" for text in played.violations]
    with capsys.disabled():
        sys.stdout.write(f"\n{tally.summary()}\n")
    assert not violations, "\n".join(violations)
    assert tally.midway
    assert tally.collections == 2
