"""The benchmark of copying: its images, its contenders, what it counts and its arithmetic.

Nothing here looks at a clock.
"""

import json
import zlib
from functools import partial
from pathlib import Path

import anyio.to_thread
import pytest

from tests.bench.__main__ import programs
from tests.bench.content import digest_of
from tests.bench.copying.contenders import Course, Name, contender, program
from tests.bench.copying.figures import Figure, Report, as_table
from tests.bench.copying.race import Plan, measured
from tests.bench.copying.sample import (
    TAG,
    Layer,
    families,
    fill,
    named_bytes,
    needed_bytes,
    one_blob,
)
from tests.bench.figure import as_json
from tests.bench.machine import Setting
from tests.bench.measure import Run
from tests.hostile import HostileRegistry
from tests.real.tools import require, require_address

pytestmark = pytest.mark.anyio

SMALL = families(0.001)[:6]  # two families have two images; about 0.2 MB
MIB = 1024 * 1024


def test_the_families_share_what_they_are_said_to_share() -> None:
    """202 MB in 1.6 GB, 40 images, no repository twice."""
    sketches = families()
    layers = [layer for sketch in sketches for layer in sketch.layers]
    assert len({sketch.repository for sketch in sketches}) == 40
    assert sum(layer.size for layer in set(layers)) == 202_000_000
    assert sum(layer.size for layer in layers) == 1_597_000_000


def test_a_layer_is_gzip_that_cannot_be_compressed_further() -> None:
    """Otherwise a tool would compress it, and have less to move or more to do."""
    layer = Layer("base", 3 * MIB + 1)
    made = b"".join(layer.pieces())
    assert made == b"".join(layer.pieces())
    assert len(zlib.decompress(made, wbits=31)) == layer.size
    assert layer.size < len(made) < 1.001 * layer.size
    assert len(zlib.compress(made)) > layer.size
    assert made != b"".join(Layer("other", layer.size).pieces())


async def test_every_image_is_pushed_with_all_it_needs() -> None:
    """A registry that checks what manifests name takes them; the sums are those of its blobs."""
    async with HostileRegistry() as registry:
        images = await anyio.to_thread.run_sync(partial(fill, registry.host, SMALL))
        tagged = [registry.store.tagged(image.repository, TAG) for image in images]
    assert [image.digest for image in images] == tagged
    parts = {digest: size for image in images for digest, size in image.parts.items()}
    assert needed_bytes(images) == sum(parts.values())
    assert named_bytes(images) == sum(sum(image.parts.values()) for image in images)
    layers = {layer for sketch in SMALL for layer in sketch.layers}
    assert len(parts) == len(layers) + 2 * len(SMALL)
    for layer in layers:
        made = b"".join(layer.pieces())
        assert parts[digest_of(made)] == len(made)


async def test_every_contender_is_given_every_image(tmp_path: Path) -> None:
    """Each list names each image with its own source and cache."""
    async with HostileRegistry() as registry:
        images = await anyio.to_thread.run_sync(partial(fill, registry.host, SMALL))
    course = Course("127.0.0.1:1", "127.0.0.2:2", images)
    for name in Name:
        folder = tmp_path / name
        folder.mkdir()
        contender(name, programs(Path("image-sync")), course, folder)
        (given,) = (file.read_text() for file in folder.iterdir())
        for image in images:
            assert given.count(image.repository) == (1 if name is Name.SKOPEO else 2)


@pytest.mark.parametrize("name", list(Name))
def test_every_contender_copies_everything(name: Name) -> None:
    """By its own settings, from a source at a distance, into an empty cache, each round."""
    for tool in ("registry", "crane", "regsync", "skopeo-1.18"):
        require(tool)
    require_address("127.0.0.2")
    at_hand = programs()
    plan = Plan(SMALL, (name,), rounds=1, latencies_ms=(1.0,))
    assert plan.programs() == (program(name), "registry")
    report = measured(plan, at_hand)
    (figure,) = report.figures
    assert len(figure.runs) == 1
    assert len(figure.read_bytes) == 2
    assert min(figure.read_bytes) >= report.needed_bytes
    assert report.named_bytes > 1.2 * report.needed_bytes


def test_the_room_is_that_of_two_registries() -> None:
    """The source, and one cache at a time."""
    plan = Plan(one_blob(500), tuple(Name), 1, (0.0,))
    assert 1_000_000_000 < plan.room() < 1_100_000_000


def test_figures_are_medians_the_most_read_and_ratios_to_ours_at_the_same_latency() -> None:
    """Above 1 is slower than image-sync; every run stays in the JSON."""

    def figure(name: Name, latency: float, *walls: float) -> Figure:
        runs = tuple(Run(wall, 0.5, 50 * MIB) for wall in walls)
        return Figure(name, latency, runs, (200_000_000, 300_000_000, 100_000_000))

    report = Report(
        images=40,
        needed_bytes=200_000_000,
        named_bytes=1_600_000_000,
        rounds=3,
        setting=Setting("2 CPUs", {"crane": "0.1.2"}),
        figures=(
            figure(Name.BUILTIN, 0, 1.0, 9.0, 2.0),
            figure(Name.CRANE, 0, 3.0, 3.0, 3.0),
            figure(Name.CRANE, 40, 5.0, 5.0, 5.0),
        ),
    )
    table = as_table(report)
    assert "200.000 MB in 1600.000 MB named" in table
    assert "2 CPUs; crane 0.1.2." in table
    assert (
        "| 0 | image-sync, 8 at once | 2.00 | 1.00 | 100 | 0.50 | 2.50 | 50 | 300.000 | 1.500 |"
        in table
    )
    assert (
        "| 0 | xargs -P8 crane copy | 3.00 | 1.50 | 67 | 0.50 | 2.50 | 50 | 300.000 | 1.500 |"
        in table
    )
    assert "| 40 | xargs -P8 crane copy | 5.00 |  | 40 |" in table
    written = json.loads(as_json(report))
    assert [one["wall_seconds"] for one in written["figures"][0]["runs"]] == [1.0, 9.0, 2.0]
