"""The benchmark measures what it says: its proxy, its images, its proofs and its arithmetic.

Nothing here looks at a clock.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from anyio.abc import SocketAttribute, SocketStream

from tests.bench import contenders
from tests.bench.contenders import Contender, Course, Name
from tests.bench.figures import Figure, Memory, Report, as_json, as_table
from tests.bench.fill import FillError, fill
from tests.bench.measure import Run, RunError, run
from tests.bench.sample import Kind, content_of, digest_of, images
from tests.bench.servers import delayed
from tests.hostile import Answer, Fault, HostileRegistry

pytestmark = pytest.mark.anyio

DATA = bytes(range(256)) * 4096  # 1 MiB, which fills more than one socket buffer
COURSE = Course("127.0.0.1:1", "127.0.0.2:2", images(5), Kind.SINGLE)


@asynccontextmanager
async def proxied(round_trip_ms: float) -> AsyncIterator[str]:
    """HOST:PORT of a proxy before a server that sends back what it got, after its end."""

    async def echo(stream: SocketStream) -> None:
        async with stream:
            received = bytearray()
            async for data in stream:
                received += data
            await stream.send(bytes(received))

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, echo)
        upstream = f"127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        with delayed(upstream, "127.0.0.2", round_trip_ms) as host:
            yield host
        group.cancel_scope.cancel()


async def connected(host: str) -> SocketStream:
    """A connection to HOST:PORT."""
    address, _, port = host.rpartition(":")
    return await anyio.connect_tcp(address, int(port))


@pytest.mark.parametrize("round_trip_ms", [0, 2])
async def test_the_proxy_changes_nothing_but_the_delay(round_trip_ms: float) -> None:
    """All bytes come in order in both directions, and each end of stream is passed on alone."""
    async with proxied(round_trip_ms) as host, await connected(host) as stream:
        await stream.send(DATA)
        await stream.send_eof()
        received = bytearray()
        async for data in stream:
            received += data
        assert received == DATA


async def test_the_proxy_serves_connections_beside_each_other() -> None:
    """One that is open and silent does not hold up the next."""
    async with (
        proxied(0) as host,
        await connected(host),
        await connected(host) as second,
    ):
        await second.send(b"x")
        await second.send_eof()
        assert await second.receive() == b"x"


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
        with pytest.raises(FillError, match=r"PUT /v2/bench/app-00000/manifests/1.0.0: 500"):
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


def program(text: str) -> Contender:
    """A contender that is a Python program; its proof wants `done`."""

    def proof(output: bytes, _: bytes) -> str | None:
        return None if output == b"done" else "nothing done"

    return Contender(Name.IMAGE_SYNC, (sys.executable, "-c", text), proof)


def test_memory_of_a_run_is_that_of_the_child() -> None:
    """A child that holds 300 MB has a peak above that."""
    ran = run(program("x = b'x' * 300_000_000; print('done', end='')"), {})
    assert ran.peak_rss_bytes is not None
    assert ran.peak_rss_bytes > 300_000_000
    assert ran.wall_seconds > 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("import sys; sys.exit('no such host')", "(?s)exit code 1.*no such host"),
        pytest.param("", "nothing done"),
    ],
)
def test_a_failed_run_says_why(text: str, problem: str) -> None:
    """The exit code and the end of standard error, or what the proof misses."""
    with pytest.raises(RunError, match=problem):
        run(program(text), {})


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
    report = Report(1000, Kind.SINGLE, 3, 2, {"crane": "v0"}, figures, memory)
    table = as_table(report)
    assert "| 0 | image-sync --once | 2.00 | 1.00 | 1.00 | 50 |" in table
    assert "| 0 | regsync once | 3.00 | 1.50 | 1.00 | 50 |" in table
    assert "| 40 | regsync once | 2.00 | 0.50 | 1.00 | 50 |" in table
    assert "50.0 MiB at 1000 images" in table
    assert "3000 bytes for each further image" in table
    written = json.loads(as_json(report))
    assert [one["wall_seconds"] for one in written["figures"][0]["runs"]] == [1.0, 9.0, 2.0]
