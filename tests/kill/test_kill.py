"""A few rounds of the kill loop with a fixed seed; `make kill` plays many."""

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.kill.rounds import Plan, Victim, play
from tests.kill.scene import scene
from tests.kill.tally import Tally
from tests.real.tls import Authority

# Every victim, on either version of the cache, back soon and down to the end, and some more.
ROUNDS: Final = 20
# Seconds for a pass that is disturbed: a registry that is gone need not be waited for here.
TIMEOUT: Final = 3


def test_whoever_is_killed_no_tag_is_wrong_and_the_next_pass_completes(
    tmp_path: Path, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever moment it comes, a kill -9 of image-sync, the source or the cache leaves every tag
    whole and old or new, an honest report, no upload that could be taken back, and nothing that
    the next pass does not put right (fault row 72)."""
    tally, plan = Tally(), Plan(pass_timeout=TIMEOUT)
    violations: list[str] = []
    with scene(tmp_path, authority, plan.engine) as stage:
        for kill in play(stage, plan, range(ROUNDS)):
            tally.add(kill)
            violations += [f"{kill.story}: {text}" for text in kill.violations]
    with capsys.disabled():
        sys.stdout.write(f"\n{tally.summary()}\n")
    assert not violations, "\n".join(violations)
    assert set(tally.kills) == set(Victim)
    assert tally.midway
