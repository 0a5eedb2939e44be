"""`image-sync demo` as people run it."""

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tools import picture

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds after which a run is taken to hang."""
LIMIT = 10.0
"""Seconds that it may take on a machine that does nothing else."""
WAITS = 1.0
"""Seconds of them in which it is told to do nothing."""
WIDTH = 80


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A demo whose temporary folder is below one; killed if it does not end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "image_sync", "demo", *arguments],
        env={"PATH": os.defpath, "TMPDIR": str(folder)},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def numbers(text: str, what: str) -> list[int]:
    """How many of something the source was asked for, step by step."""
    lines = [line for line in text.splitlines() if line.startswith("   source")]
    return [int(found[1]) for line in lines if (found := re.search(rf"(\d+) {what}s?\b", line))]


def test_a_run_shows_every_step_and_leaves_nothing(tmp_path: Path) -> None:
    """Exit 0 with an empty environment, in time, in 80 columns; what it says fits together."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with started(tmp_path) as process:
        out, err = process.communicate(timeout=PATIENCE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert (process.returncode, err) == (0, ""), out
    assert busy + WAITS < LIMIT
    assert list(tmp_path.iterdir()) == []
    assert max(map(len, out.splitlines())) <= WIDTH
    images = int(re.findall(r"source +(\d+) images", out)[0])
    assert numbers(out, "HEAD") == [images, images, images, images, 1]
    assert numbers(out, "pull") == [3 * images, 0, 3, 3, 3]
    (refused,) = numbers(out, "429")
    assert 1 <= refused <= images
    assert "WRONG" not in out
    assert "All 5 steps went as they must" in out


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_leaves_nothing(signum: signal.Signals, tmp_path: Path) -> None:
    """The exit code is the signal's, and nobody sees a traceback."""
    with started(tmp_path) as process:
        assert process.stdout
        process.stdout.readline()
        assert list(tmp_path.iterdir()) != []
        process.send_signal(signum)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (128 + signum, "")
    assert "All" not in out
    assert list(tmp_path.iterdir()) == []


def test_with_keep_both_registries_stay_until_a_signal(tmp_path: Path) -> None:
    """The command that it names works meanwhile, and the end is a good one."""
    with started(tmp_path, "--keep") as process:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        line = next(line for line in lines if "image-sync check" in line)
        checked = subprocess.run(
            [sys.executable, "-m", "image_sync", *line.split()[1:], "--exit-code"],
            env={"PATH": os.defpath},
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert checked.returncode == 0, checked.stderr
    assert (process.returncode, err) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_who_goes_away_is_no_traceback(tmp_path: Path) -> None:
    """As with `image-sync demo | head -1`."""
    with started(tmp_path) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=PATIENCE)
    assert process.returncode == 1
    assert err.startswith("error: the result could not be written")
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_picture_shows_what_the_demo_says() -> None:
    """All but times and, by what they delay, the number of answers with 429."""
    drawn = (ROOT / "docs" / "demo.svg").read_text(encoding="utf-8")
    assert words(drawn) == words(picture.draw(picture.run()))


def words(drawn: str) -> str:
    """The text of a picture without what differs from run to run."""
    text = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", drawn)).replace("&#160;", " ")
    return " ".join(re.sub(r"\d+\.\d s\b|\d+ 429", "N", text).split())
