"""The benchmarks measure what they say: their proxy, their account of a run, their command line.

Nothing here looks at a clock.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from anyio.abc import SocketAttribute, SocketStream

from tests.bench.__main__ import main
from tests.bench.machine import RoomError, scratch
from tests.bench.measure import Contender, RunError, run
from tests.bench.servers import Proxy, delayed
from tests.real.tools import require, require_address

pytestmark = pytest.mark.anyio

DATA = bytes(range(256)) * 4096  # 1 MiB, which fills more than one socket buffer


@asynccontextmanager
async def proxied(round_trip_ms: float, *, before: bytes = b"") -> AsyncIterator[Proxy]:
    """A proxy before a server that sends something, and then what it got, after its end."""

    async def echo(stream: SocketStream) -> None:
        async with stream:
            received = bytearray()
            async for data in stream:
                received += data
            await stream.send(before + bytes(received))

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, echo)
        upstream = f"127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        with delayed(upstream, "127.0.0.2", round_trip_ms) as proxy:
            yield proxy
        group.cancel_scope.cancel()


async def connected(host: str) -> SocketStream:
    """A connection to HOST:PORT."""
    address, _, port = host.rpartition(":")
    return await anyio.connect_tcp(address, int(port))


@pytest.mark.parametrize("round_trip_ms", [0, 2])
async def test_the_proxy_changes_nothing_but_the_delay(round_trip_ms: float) -> None:
    """All bytes come in order in both directions, and each end of stream is passed on alone."""
    async with proxied(round_trip_ms) as proxy, await connected(proxy.host) as stream:
        await stream.send(DATA)
        await stream.send_eof()
        received = bytearray()
        async for data in stream:
            received += data
        assert received == DATA


async def test_the_proxy_serves_connections_beside_each_other() -> None:
    """One that is open and silent does not hold up the next."""
    async with (
        proxied(0) as proxy,
        await connected(proxy.host),
        await connected(proxy.host) as second,
    ):
        await second.send(b"x")
        await second.send_eof()
        assert await second.receive() == b"x"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "bodies"),
    [
        pytest.param(DATA, len(DATA), id="the middle of a body"),
        pytest.param(HEAD, 0, id="an answer without a body"),
        pytest.param(HEAD + DATA, len(DATA), id="a body"),
        pytest.param(DATA + HEAD, len(DATA + HEAD), id="a body that looks like a head"),
        pytest.param(HEAD[:-1], len(HEAD) - 1, id="no end of the head"),
    ],
)
async def test_the_proxy_counts_bodies_that_the_server_sent(sent: bytes, bodies: int) -> None:
    """All connections together, one direction only, without the heads, and time and again."""
    async with proxied(1, before=sent) as proxy:
        for number in range(3):
            assert await anyio.to_thread.run_sync(proxy.body_bytes) == number * (bodies + 9)
            async with await connected(proxy.host) as stream:
                await stream.send(b"a request")
                await stream.send_eof()
                async for _ in stream:
                    pass


def program(text: str) -> Contender:
    """A contender that is a Python program; its proof wants `done`."""

    def proof(output: bytes, _: bytes) -> str | None:
        return None if output == b"done" else "nothing done"

    return Contender("a program", (sys.executable, "-c", text), proof)


def test_memory_of_a_run_is_that_of_the_child() -> None:
    """A child that holds 300 MB has a peak above that."""
    ran = run(program("x = b'x' * 300_000_000; print('done', end='')"), {})
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


def test_memory_of_a_small_run_is_not_that_of_the_benchmark() -> None:
    """What this process holds does not show in a child that holds less."""
    held = bytearray(b"x" * 300_000_000)
    ran = run(program("print('done', end='')"), {})
    assert ran.peak_rss_bytes < len(held) / 4


def test_processor_time_of_a_run_includes_its_children() -> None:
    """A contender that lets others work is no cheaper for it."""
    busy = "import time\nwhile time.process_time() < 0.2: pass"
    ran = run(
        program(
            f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}], check=True);"
            "print('done', end='')"
        ),
        {},
    )
    assert ran.cpu_seconds >= 0.2


def test_a_program_that_cannot_be_started_has_no_figure() -> None:
    """A wrong path is said and not measured."""
    with pytest.raises(RunError, match=r"(?s)nobody: not started.*/no/such/program"):
        run(Contender("nobody", ("/no/such/program",)), {})


def test_a_benchmark_without_room_does_not_begin() -> None:
    """It says how much it wanted, before it fills a disk."""
    with pytest.raises(RoomError, match=r"1\d{9}\.\d GiB"), scratch(2**60):
        pass


def test_a_missing_program_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is started before all contenders are there."""
    assert main(["platform", "--image-sync", "/no/such/program"]) == 1
    assert "not there yet: /no/such/program" in capsys.readouterr().err


def test_a_contender_that_copies_nothing_has_no_figure(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Its exit code does not count; what the cache names does."""
    require("registry")
    require_address("127.0.0.2")
    figures = tmp_path / "figures.json"
    idle = ["--only", "builtin", "--image-sync", "/bin/true", "--json", str(figures)]
    assert main(["blob", "--megabytes", "0.1", "--rounds", "1", *idle]) == 1
    said = capsys.readouterr()
    assert "bench/large:1.0.0 is None, not sha256:" in said.err
    assert not said.out
    assert not figures.exists()


def test_the_command_line_measures_and_prints(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The table goes to standard output, every run to the file.

    Without latency the passes that count bytes are not the timed ones.
    """
    for tool in ("registry", "crane"):
        require(tool)
    require_address("127.0.0.2")
    figures = tmp_path / "figures.json"
    given = ["blob", "--megabytes", "0.1", "--rounds", "2", "--only", "crane", "--json"]
    assert main([*given, str(figures)]) == 0
    assert "crane copy" in capsys.readouterr().out
    (figure,) = json.loads(figures.read_text())["figures"]
    assert (figure["contender"], figure["latency_ms"]) == ("crane", 0)
    assert (len(figure["runs"]), len(figure["read_bytes"])) == (2, 1)
