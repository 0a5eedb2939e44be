"""The soak sees what a process holds, and what it holds too much of."""

import os
from pathlib import Path

import pytest

from tests.soak.holding import Holding, Slack, grown, hold_now

BEFORE = Holding(memory=80_000_000, descriptors=12, threads=4, children=0, files=0)
SLACK = Slack(memory=1.2, descriptors=2, threads=1)


@pytest.mark.parametrize(
    ("after", "told"),
    [
        pytest.param(BEFORE, [], id="the same"),
        pytest.param(BEFORE._replace(memory=95_000_000, threads=5), [], id="within the slack"),
        pytest.param(BEFORE._replace(memory=97_000_000), ["memory"], id="memory"),
        pytest.param(BEFORE._replace(descriptors=15), ["descriptors"], id="descriptors"),
        pytest.param(BEFORE._replace(threads=6), ["threads"], id="threads"),
        pytest.param(BEFORE._replace(children=1, files=1), ["children", "files"], id="no slack"),
    ],
)
def test_what_is_held_beyond_the_slack_is_told(after: Holding, told: list[str]) -> None:
    """Each kind by its name; less is never too much."""
    assert [text.partition(":")[0] for text in grown(BEFORE, after, SLACK)] == told
    assert grown(after, BEFORE._replace(memory=1), SLACK) == []


def test_an_open_file_and_a_temporary_file_are_seen(tmp_path: Path) -> None:
    """Of this process: one descriptor more and one file more."""
    before = hold_now(os.getpid(), tmp_path)
    with (tmp_path / "file").open("wb"):
        held = hold_now(os.getpid(), tmp_path)
    assert held.descriptors == before.descriptors + 1
    assert held.files == before.files + 1
    assert held.memory > 1_000_000
