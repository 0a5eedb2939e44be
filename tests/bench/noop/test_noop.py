"""The benchmark of a pass without changes: its images, its proofs and its arithmetic.

Nothing here looks at a clock.
"""

import json
from functools import partial
from pathlib import Path

import anyio.to_thread
import pytest

from tests.bench.content import digest_of
from tests.bench.figure import Figure, as_json
from tests.bench.machine import Setting
from tests.bench.measure import Run
from tests.bench.noop import contenders
from tests.bench.noop.contenders import Course, Name
from tests.bench.noop.figures import Memory, Report, as_table
from tests.bench.noop.sample import Kind, content_of, fill, images
from tests.bench.push import PushError
from tests.hostile import Answer, Fault, HostileRegistry

pytestmark = pytest.mark.anyio

COURSE = Course("127.0.0.1:1", "127.0.0.2:2", images(5), Kind.SINGLE)


@pytest.mark.parametrize("kind", list(Kind))
async def test_every_image_is_pushed_with_all_it_needs(kind: Kind) -> None:
    """A registry that checks what manifests name takes them; tags are distinct images."""
    everything = images(9)
    async with HostileRegistry() as source, HostileRegistry("127.0.0.2") as cache:
        for registry, is_cache in ((source, False), (cache, True)):
            push = partial(fill, registry.host, everything, kind, cache=is_cache)
            await anyio.to_thread.run_sync(push)
        at_source = [source.store.tagged(image.repository, image.tag) for image in everything]
        in_cache = [cache.store.tagged(image.repository, image.tag) for image in everything]
    assert len(set(at_source)) == 9
    assert (at_source == in_cache) is (kind is not Kind.PLATFORM)
    for image, digest in zip(everything, in_cache, strict=True):
        assert digest == digest_of(content_of(image, kind, cache=True).body)


async def test_a_registry_that_refuses_ends_the_benchmark() -> None:
    """Half-filled registries would make every figure meaningless."""
    async with HostileRegistry() as registry:
        registry.inject(Fault("PUT", "*/manifests/*", Answer(500)))
        push = partial(fill, registry.host, images(1), Kind.SINGLE, cache=False)
        with pytest.raises(PushError, match=r"PUT /v2/bench/app-00000/manifests/1.0.0: 500"):
            await anyio.to_thread.run_sync(push)


def test_every_contender_is_given_every_image(tmp_path: Path) -> None:
    """Each list names each image with its own source and cache."""
    ours = contenders.image_sync(Path("image-sync"), COURSE, tmp_path)
    crane = contenders.crane(Path("crane"), COURSE, tmp_path)
    regsync = contenders.regsync(Path("regsync"), COURSE, tmp_path)
    assert crane.stdin is not None
    for image in COURSE.images:
        reference = f"{image.repository}:{image.tag}"
        assert f"127.0.0.1:1/{reference}\n" in crane.stdin.read_text()
        listed = Path(regsync.command[-1]).read_text()
        assert f"source: 127.0.0.1:1/{reference}\n" in listed
        assert f"target: 127.0.0.2:2/{reference}\n" in listed
        assert f"tag: {image.tag}\n" in Path(ours.command[-1]).read_text()


def summary(already_cached: int) -> bytes:
    """A report of ours about five images."""
    return json.dumps({"summary": {"already_cached": already_cached, "total": 5}}).encode()


@pytest.mark.parametrize(
    ("name", "output", "errors", "proven"),
    [
        pytest.param(Name.IMAGE_SYNC, summary(5), b"a log", True, id="ours"),
        pytest.param(Name.IMAGE_SYNC, summary(4), b"", False, id="ours copied one"),
        pytest.param(Name.IMAGE_SYNC, b"", b"", False, id="ours is silent"),
        pytest.param(Name.CRANE, b"sha256:0\n" * 5, b"", True, id="crane"),
        pytest.param(Name.CRANE, b"sha256:0\n" * 4, b"", False, id="crane missed one"),
        pytest.param(Name.REGSYNC, b"", b"", True, id="regsync"),
        pytest.param(Name.REGSYNC, b"", b"Image sync needed", False, id="regsync copied"),
    ],
)
def test_a_pass_counts_only_with_its_proof(
    tmp_path: Path, *, name: Name, output: bytes, errors: bytes, proven: bool
) -> None:
    """A contender that did less or more than a pass without changes has no figure."""
    built = {
        Name.IMAGE_SYNC: contenders.image_sync,
        Name.CRANE: contenders.crane,
        Name.REGSYNC: contenders.regsync,
    }[name](Path("program"), COURSE, tmp_path)
    assert (built.proof(output, errors) is None) is proven


def test_figures_are_medians_and_ratios_to_ours_at_the_same_latency() -> None:
    """Above 1 is slower than image-sync; every run stays in the JSON."""

    def figure(name: Name, latency: float, *walls: float) -> Figure:
        return Figure(name, latency, tuple(Run(wall, 1.0, 50 * 1024 * 1024) for wall in walls))

    figures = (
        figure(Name.IMAGE_SYNC, 0, 1.0, 9.0, 2.0),
        figure(Name.REGSYNC, 0, 3.0, 3.0, 3.0),
        figure(Name.IMAGE_SYNC, 40, 4.0, 4.0, 4.0),
        figure(Name.REGSYNC, 40, 2.0, 2.0, 2.0),
    )
    memory = Memory(1000, 50 * 1024 * 1024, 1000, 50 * 1024 * 1024 + 3_000_000)
    report = Report(1000, Kind.SINGLE, 3, Setting("2 CPUs", {"crane": "0.1.2"}), figures, memory)
    table = as_table(report)
    assert "2 CPUs; crane 0.1.2." in table
    assert "| 0 | image-sync --once | 2.00 | 1.00 | 1.00 | 50 |" in table
    assert "| 0 | regsync once | 3.00 | 1.50 | 1.00 | 50 |" in table
    assert "| 40 | regsync once | 2.00 | 0.50 | 1.00 | 50 |" in table
    assert "50.0 MiB at 1000 images" in table
    assert "3000 bytes for each further image" in table
    written = json.loads(as_json(report))
    assert [one["wall_seconds"] for one in written["figures"][0]["runs"]] == [1.0, 9.0, 2.0]
