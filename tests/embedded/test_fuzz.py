"""What the embedded registry makes of hostile requests; `python -m tests.embedded.fuzzing` asks
many more."""

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.embedded.fuzzing import fuzz

# Some 20 seconds on two busy cores; from some 3,000 on nothing new was found.
REQUESTS: Final = 3_000
SEED: Final = 1


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what a process holds")
def test_no_request_makes_it_fail_lie_leave_its_folder_or_hold_on_to_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever paths, fields, bodies and orders clients come up with, no answer is a 5xx, what is
    served has the bytes of its digest, every file lies in its place, and memory, descriptors and
    open uploads are at the end what they were."""
    found = fuzz(tmp_path, SEED, REQUESTS)
    with capsys.disabled():
        sys.stdout.write(f"\n{found.summary()}\n")
    assert not found.violations, "\n".join(found.violations[:20])
    assert {200, 201, 202, 204, 206, 304, 400, 404, 405, 409, 413, 416} <= set(found.statuses)
