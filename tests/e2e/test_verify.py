"""What a cache's disk lost or changed behind its back: found, healed where that is possible, and
said plainly where it is not.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from tests.e2e.conftest import set_up
from tests.e2e.program import Program, Run, finish
from tests.real import images
from tests.real.content import Image
from tests.real.losing import lose_blob
from tests.real.registries import crane_registry, distribution, embedded, zot
from tests.real.running import RunningRegistry, Serving
from tests.real.tools import bin_directory, find

REPOSITORY = "team/app"
START: dict[str, Callable[[Path, Serving], AbstractContextManager[RunningRegistry]]] = {
    "distribution-3": distribution,
    "distribution-2.8": lambda directory, serving: distribution(directory, serving, version=2),
    "crane": crane_registry,
    "embedded": embedded,
    **({"zot": zot} if find("zot") else {}),
}
ON_ONE = pytest.mark.parametrize("kept", ["distribution-3"], indirect=True)
"""Where the registry makes no difference."""


class Part(msgspec.Struct):
    """A damaged part in the report."""

    digest: str
    what: str


class Result(msgspec.Struct):
    """One entry of the report, as far as tests look at it."""

    condition: str
    damage: list[Part]
    error: str | None


class Report(msgspec.Struct):
    """The report of a verification, as far as tests look at it."""

    summary: dict[str, int | bool]
    results: list[Result]


class Scene(NamedTuple):
    """An image of three platforms, in a source and whole in a cache."""

    program: Program
    source: RunningRegistry
    cache: RunningRegistry
    image: Image

    @property
    def layer(self) -> str:
        """The digest of a layer of one of its platforms."""
        return self.image.child("linux/arm64").blobs[-1].digest

    def verify(self, *options: str) -> tuple[Run, Result]:
        """The run, and what it says of the image."""
        run = self.program.run("verify", "--config", str(self.program.config), *options)
        [result] = report_of(run).results
        return run, result


def report_of(run: Run) -> Report:
    """The document on standard output."""
    return msgspec.json.decode(run.stdout, type=Report)


@pytest.fixture(params=START)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningRegistry]:
    """Each kind of registry in turn, as the cache."""
    with START[request.param](tmp_path / "cache", Serving(address="127.0.0.2")) as registry:
        yield registry


@pytest.fixture
def kind(request: pytest.FixtureRequest, kept: RunningRegistry) -> str:
    """Which one it is."""
    name: str = request.node.callspec.params["kept"]
    return name


@pytest.fixture
def scene(
    tmp_path: Path, source: RunningRegistry, kept: RunningRegistry, programs: dict[str, bytes]
) -> Scene:
    """Copied by crane, which is the preferred tool; it repairs nothing."""
    image = images.multi_platform(programs)
    source.push(REPOSITORY, "1", image)
    tools = bin_directory(tmp_path / "bin", {"crane": "crane"})
    program = set_up(tmp_path, source, kept, tools, "crane")
    program.add(source, REPOSITORY, "1", platform="all")
    first = program.once()
    assert first.code == 0, first.stderr
    source.recorder.clear()
    return Scene(program, source, kept, image)


def files_of(registry: RunningRegistry, digest: str) -> list[Path]:
    """Where a registry keeps some content on its disk."""
    name = digest.partition(":")[2]
    named = [*registry.root.rglob(name), *registry.root.rglob(f"{name}/data")]
    found = [path for path in named if path.is_file()]
    assert found, f"{digest} is not there"
    return found


def flip(registry: RunningRegistry, digest: str) -> None:
    """Change one byte of some content on a registry's disk."""
    for path in files_of(registry, digest):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


def cut_short(registry: RunningRegistry, digest: str) -> None:
    """Lose the end of some content on a registry's disk."""
    for path in files_of(registry, digest):
        path.write_bytes(path.read_bytes()[:-1])


@ON_ONE
def test_a_whole_image_is_found_whole_and_its_source_asked_for_nothing(scene: Scene) -> None:
    """Neither by the quick look, nor by reading every byte, nor with leave to heal."""
    for options in ([], ["--deep"], ["--deep", "--heal"]):
        run, result = scene.verify(*options)
        assert (run.code, result.condition, result.damage) == (0, "whole", []), run.stderr
    assert scene.source.recorder.requests == []


def test_a_lost_blob_is_found_and_healed(scene: Scene) -> None:
    """By the engine that can, whichever is preferred; the source is asked for nothing before."""
    lose_blob(scene.cache, scene.layer)
    run, result = scene.verify()
    assert (run.code, result.condition) == (1, "damaged"), run.stderr
    assert [part.digest for part in result.damage] == [scene.layer]
    assert scene.source.recorder.requests == []
    run, result = scene.verify("--heal")
    assert (run.code, result.condition) == (0, "healed"), run.stderr
    assert scene.cache.api.get_blob(REPOSITORY, scene.layer).status == 200
    assert scene.verify("--deep")[1].condition == "whole"


def test_a_lost_child_is_found_and_healed(scene: Scene, kind: str) -> None:
    """An index of which one platform cannot be pulled is not whole."""
    child = scene.image.child("linux/arm64").digest
    if kind == "crane":  # which keeps manifests in memory
        assert scene.cache.api.delete_manifest(REPOSITORY, child).status < 300
    else:
        lose_blob(scene.cache, child)
    run, result = scene.verify()
    assert (run.code, result.condition) == (1, "damaged"), run.stderr
    assert [part.digest for part in result.damage] == [child]
    run, result = scene.verify("--heal")
    assert (run.code, result.condition) == (0, "healed"), run.stderr
    assert scene.cache.api.digest_of(REPOSITORY, child) == child


def test_a_short_blob_is_found_and_healed_or_said_to_be_beyond_that(scene: Scene) -> None:
    """Distribution keeps what it has under a digest, whatever its size."""
    cut_short(scene.cache, scene.layer)
    run, result = scene.verify()
    assert (run.code, result.condition) == (1, "damaged"), run.stderr
    assert [part.digest for part in result.damage] == [scene.layer]
    run, result = scene.verify("--heal")
    assert_healed_or_plainly_not(scene, run, result)


def test_a_flipped_byte_is_found_by_reading_and_healed_or_said_to_be_beyond_that(
    scene: Scene, kind: str
) -> None:
    """Fault row 57: presence and size are right. Our own registry takes the new bytes."""
    flip(scene.cache, scene.layer)
    run, result = scene.verify("--deep")
    assert (run.code, result.condition) == (1, "damaged"), run.stderr
    assert [part.digest for part in result.damage] == [scene.layer]
    run, result = scene.verify("--deep", "--heal")
    assert_healed_or_plainly_not(scene, run, result)
    assert run.code == 0 or kind != "embedded"


def assert_healed_or_plainly_not(scene: Scene, run: Run, result: Result) -> None:
    """What is said to be healed is served right, and what is not, names the files to remove."""
    served = scene.cache.api.get_blob(REPOSITORY, scene.layer)
    content = {blob.digest: blob.data for blob in scene.image.all_blobs}[scene.layer]
    if run.code == 0:
        assert result.condition == "healed"
        assert served.body == content
        return
    assert (run.code, result.condition) == (1, "damaged"), run.stderr
    assert result.error is not None
    assert "not healable over the API" in result.error
    assert any(
        str(path.relative_to(scene.cache.root)) in result.error
        for path in files_of(scene.cache, scene.layer)
    )


@pytest.mark.parametrize(
    "kept", [kind for kind in START if kind not in ("crane", "embedded")], indirect=True
)
def test_doing_what_is_said_heals_what_the_api_could_not(scene: Scene) -> None:
    """The files removed, the registry restarted, and the same command again. Not crane's, which
    forgets all manifests when it is restarted, nor ours, where there is nothing to remove."""
    flip(scene.cache, scene.layer)
    scene.verify("--deep", "--heal")
    for path in files_of(scene.cache, scene.layer):
        path.unlink()
    scene.cache.kill()
    scene.cache.restart()
    run, result = scene.verify("--deep", "--heal")
    assert (run.code, result.condition) == (0, "healed"), run.stderr
    assert scene.verify("--deep")[1].condition == "whole"


@ON_ONE
def test_a_source_that_moved_on_brings_the_newer_image(
    scene: Scene, programs: dict[str, bytes]
) -> None:
    """Healing is a pass like any other."""
    lose_blob(scene.cache, scene.layer)
    newer = scene.source.push(REPOSITORY, "1", images.multi_platform(programs, "two"))
    run, result = scene.verify("--heal")
    assert (run.code, result.condition) == (0, "healed"), run.stderr
    assert scene.cache.api.digest_of(REPOSITORY, "1") == newer


@ON_ONE
def test_damage_stays_where_the_source_has_the_image_no_more(scene: Scene) -> None:
    """And the report says so."""
    lose_blob(scene.cache, scene.layer)
    scene.source.api.delete_manifest(REPOSITORY, scene.image.digest)
    run, result = scene.verify("--heal")
    assert (run.code, result.condition) == (1, "damaged"), run.stderr
    assert result.error is not None
    assert result.error.startswith("not healed: source: ")
    assert "does not exist" in result.error


@ON_ONE
def test_what_the_cache_lacks_or_does_not_say_is_no_damage(scene: Scene) -> None:
    """A tag that was never copied is missing; a cache that is down has an exit code of its own."""
    scene.program.images[:] = []
    scene.program.add(scene.source, REPOSITORY, "never-copied", platform="all")
    run, result = scene.verify("--heal")
    assert (run.code, result.condition) == (0, "missing"), run.stderr
    scene.cache.kill()
    run, result = scene.verify()
    assert (run.code, result.condition) == (4, "unknown"), run.stderr


@ON_ONE
def test_one_can_look_at_some_images_only_and_read_a_table(scene: Scene) -> None:
    """The options of a pass mean the same here."""
    scene.program.add(scene.source, "team/other", "1", platform="all")
    config = str(scene.program.config)
    run = scene.program.run("verify", "--config", config, "--image", "*other*")
    assert (run.code, report_of(run).summary["missing"]) == (0, 1), run.stderr
    assert report_of(run).summary["total"] == 1
    table = scene.program.run("verify", "--config", config, "-o", "table").stdout
    assert "CONDITION" in table
    assert "2 images: 1 whole, 0 damaged, 1 missing" in table
    nothing = scene.program.run("verify", "--config", config, "--image", "nothing-like-it")
    assert nothing.code == 2


@ON_ONE
def test_the_next_pass_takes_no_notice_of_damage_and_verify_does(scene: Scene) -> None:
    """An unchanged image costs a HEAD at either side: looking deeper is this verb's business."""
    lose_blob(scene.cache, scene.layer)
    assert scene.program.once().actions == ["already_cached"]
    assert scene.verify()[0].code == 1


def test_a_signal_ends_a_verification_in_order(
    crane_program: Program,
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """What was found is reported, what was not looked at is unknown."""
    source.push(REPOSITORY, "1", images.single(programs))
    crane_program.add(source, REPOSITORY, "1")
    assert crane_program.once().code == 0
    hold = cache.recorder.hold("HEAD", "/manifests/1")
    process = crane_program.start("verify", "--config", str(crane_program.config))
    hold.wait()
    run = finish(process, signal.SIGTERM)
    hold.release()
    assert run.code == 128 + signal.SIGTERM, run.stderr
    assert '"msg":"SIGTERM: stopped"' in run.stderr.splitlines()[-1]
    assert [result.condition for result in report_of(run).results] == ["unknown"]


@ON_ONE
def test_a_signal_ends_a_repair_in_order(scene: Scene) -> None:
    """The pass that heals is ended like any other: it is told, and so is what was not healed."""
    lose_blob(scene.cache, scene.layer)
    hold = scene.source.recorder.hold("GET", "/blobs/")
    config = str(scene.program.config)
    process = scene.program.start("verify", "--heal", "--log-format", "json", "--config", config)
    hold.wait()
    run = finish(process, signal.SIGTERM)
    hold.release()
    assert run.code == 128 + signal.SIGTERM, run.stderr
    [result] = report_of(run).results
    assert result.condition == "damaged"
    assert result.error == "not healed: the pass was interrupted before this image was done"
    assert '"interrupted":true' in run.stderr
