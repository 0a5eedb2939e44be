"""Two image-syncs that fill the same cache: both end well, and no tag is ever wrong.

Neither knows of the other. They meet at chosen requests: each has a recorder of its own before the
one cache, and is held there.
"""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.conftest import set_up
from tests.e2e.program import Program, Run, finish
from tests.kill.walk import walk
from tests.real import images
from tests.real.content import filler
from tests.real.recorder import Recorder
from tests.real.running import RunningRegistry
from tests.real.tools import bin_directory

CHECK = ("HEAD", r"/manifests/1$")
UPLOAD = ("POST", r"/blobs/uploads/")
CHILD = ("PUT", r"/manifests/sha256:")
COMMIT = ("PUT", r"/manifests/1$")
# Where two may meet, in the order of a pass. Whatever copies, the tag is moved by the same code: a
# tool is met as it uploads, and no further.
MEETINGS = [
    pytest.param("builtin", CHECK, id="as they check"),
    pytest.param("builtin", UPLOAD, id="as they upload a blob"),
    pytest.param("crane", UPLOAD, id="as their tools upload a blob"),
    pytest.param("builtin", CHILD, id="as they push a manifest"),
    pytest.param("builtin", COMMIT, id="as they move the tag"),
]
met = pytest.mark.parametrize(("instances", "meeting"), MEETINGS, indirect=["instances"])
met_late = pytest.mark.parametrize(("instances", "meeting"), MEETINGS[1:], indirect=["instances"])
# Bytes of a program: large enough for an upload to be more than one piece.
SIZE = 200_000
# Seconds between two looks at a tag that is being moved.
BETWEEN_READS = 0.02


class Instance(NamedTuple):
    """One image-sync, and the recorder through which it alone reaches the cache."""

    program: Program
    recorder: Recorder

    def start(self) -> "subprocess.Popen[str]":
        """A pass in the background."""
        return self.program.start("--once", "--config", str(self.program.config))


@pytest.fixture
def instances(
    request: pytest.FixtureRequest, tmp_path: Path, source: RunningRegistry, cache: RunningRegistry
) -> Iterator[tuple[Instance, Instance]]:
    """Two that keep the same list: an index whole, one platform of it, and an image alone."""
    engine: str = request.param
    tools = {} if engine == "builtin" else {engine: engine}
    path = bin_directory(tmp_path / "bin", tools)
    with Recorder(cache.api.host, address="127.0.0.2") as other:
        both = []
        for recorder in (cache.recorder, other):
            folder = tmp_path / f"by-{recorder.host}"
            program = set_up(folder, source, cache, path, engine)
            program.cache_registry = recorder.host
            program.add(source, "team/index", "1", platform="all")
            program.add(source, "team/child", "1", platform="linux/arm64")
            program.add(source, "team/single", "1")
            both.append(Instance(program, recorder))
        yield both[0], both[1]


def move(source: RunningRegistry, label: str) -> dict[str, str]:
    """Have all three images move at the source; what a cache should name now."""
    programs = {
        platform: filler(SIZE, f"{label} {platform}")
        for platform in ("linux/amd64", "linux/arm64", "linux/arm/v7")
    }
    index = images.with_attestations(programs, label)
    source.push("team/index", "1", index)
    source.push("team/child", "1", index)
    single = source.push("team/single", "1", images.single(programs, label))
    child = index.child("linux/arm64").digest
    return {"team/index:1": index.digest, "team/child:1": child, "team/single:1": single}


def names(cache: RunningRegistry) -> dict[str, str]:
    """What the tags of the list name in the cache, all of it whole."""
    walked = walk(cache.api)
    assert walked.broken == ()
    return {name: t.digest for name, t in walked.tags.items() if name.startswith("team/")}


def ended_well(*runs: Run) -> bool:
    """Whether each ended with 0 and reports nothing failed."""
    return all(run.code == 0 and "failed" not in run.actions for run in runs)


@met
def test_two_that_copy_the_same_images_at_once_end_well(
    meeting: tuple[str, str],
    instances: tuple[Instance, Instance],
    source: RunningRegistry,
    cache: RunningRegistry,
) -> None:
    """Both hold the same request in their hands at the same moment, and go on together: every tag
    names what the source names, whole, and whoever reads meanwhile sees the old image or the new.
    """
    for label in ("first", "second"):
        old, new = names(cache), move(source, label)
        holds = [instance.recorder.hold(*meeting) for instance in instances]
        processes = [instance.start() for instance in instances]
        for hold in holds:
            hold.wait()
        for instance in instances:
            instance.recorder.stop_answering()
        while any(process.poll() is None for process in processes):
            seen = cache.api.digest_of("team/index", "1")
            assert seen in {old.get("team/index:1"), new["team/index:1"]}
            with suppress(subprocess.TimeoutExpired):
                processes[0].wait(BETWEEN_READS)
        runs = [finish(process) for process in processes]
        assert ended_well(*runs), [run.stderr for run in runs]
        assert names(cache) == new


@met_late
def test_one_with_an_older_view_breaks_nothing(
    meeting: tuple[str, str],
    instances: tuple[Instance, Instance],
    source: RunningRegistry,
    cache: RunningRegistry,
) -> None:
    """It stands in the middle of an image that the other has replaced meanwhile: no registry lets
    it find that out as it moves the tag, so the older image may win; it is whole, and the next
    pass of either brings the newer one."""
    late, quick = instances
    move(source, "first")
    assert ended_well(late.program.once())
    older = move(source, "older")
    hold = late.recorder.hold(*meeting)
    process = late.start()
    hold.wait()
    newer = move(source, "newer")
    assert ended_well(quick.program.once())
    assert names(cache) == newer
    late.recorder.stop_answering()
    run = finish(process)
    assert ended_well(run), run.stderr
    for name, digest in names(cache).items():
        assert digest in {older[name], newer[name]}
    assert ended_well(quick.program.once())
    assert names(cache) == newer


@pytest.mark.parametrize("instances", ["builtin"], indirect=True)
def test_one_that_is_overtaken_as_it_moves_a_tag_ends_well(
    instances: tuple[Instance, Instance],
    source: RunningRegistry,
    cache: RunningRegistry,
) -> None:
    """It has moved the tag to the older image, and finds the newer one there when it looks: that
    is another's work, and no fault."""
    late, quick = instances
    late.program.images = quick.program.images = late.program.images[-1:]
    move(source, "older")
    commit = late.recorder.hold(*COMMIT)
    process = late.start()
    commit.wait()
    look = late.recorder.hold(*CHECK)
    commit.release()
    look.wait()
    newer = move(source, "newer")
    assert ended_well(quick.program.once())
    late.recorder.stop_answering()
    run = finish(process)
    assert ended_well(run), run.stderr
    assert names(cache) == {"team/single:1": newer["team/single:1"]}
