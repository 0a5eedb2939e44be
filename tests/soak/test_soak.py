"""A short soak with a fixed seed; `make soak` is a long one."""

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.real.tls import Authority
from tests.soak.scene import scene
from tests.soak.soak import Plan, play

IMAGES: Final = 60
# Of trouble; the rests after it take longer than that.
MINUTES: Final = 0.65


def test_whatever_happens_the_cache_is_right_in_the_end_and_nothing_piles_up(
    tmp_path: Path, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tags move, registries and tools are killed, configurations change: afterwards the cache
    equals the sources, image by image, and image-sync holds no more than it did before."""
    with scene(tmp_path, authority, IMAGES) as stage:
        outcome = play(stage, Plan(MINUTES))
    with capsys.disabled():
        sys.stdout.write(f"\n{outcome.summary()}\n")
    assert not outcome.violations
    assert outcome.made["moves"]
    assert outcome.made["registries killed"]
    assert "crane" in outcome.copies
