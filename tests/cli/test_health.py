"""`image-sync health` asks the running process, and its exit code is the answer."""

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from importlib import metadata
from pathlib import Path

import anyio
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from image_sync.cli.health import _ask
from image_sync.runtime.serve import Address, serving
from image_sync.server import application
from tests.hostile.listener import closed_port

pytestmark = pytest.mark.anyio

VERSION = metadata.version("image-sync")

CONFIGURATION = """\
cache_registry: c.example
settings: {{server: {{listen: "{listen}"}}}}
images: []
"""


class Patient(msgspec.Struct):
    """A process as it is told to be."""

    sick: str | None = None

    def alive(self) -> str | None:
        """As told."""
        return self.sick

    def ready(self) -> str | None:
        """Never."""
        return "no contact with the cache yet"


class Ended(msgspec.Struct, frozen=True):
    """What a program left."""

    exit_code: int
    stdout: str
    stderr: str


async def health(*arguments: str) -> Ended:
    """The verb, in a process of its own."""
    command = [sys.executable, "-m", "image_sync", "health", *arguments]
    with anyio.fail_after(20):
        ended = await anyio.run_process(command, check=False)
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


@pytest.fixture
def patient() -> Patient:
    """A process that is well."""
    return Patient()


@pytest.fixture
async def address(patient: Patient) -> AsyncIterator[Address]:
    """Where it is served: on every address."""
    app = application(patient, CollectorRegistry(), lambda _: None)
    async with serving(app, Address("", 0)) as bound:
        yield bound


async def test_a_live_process_is_exit_0(address: Address) -> None:
    """One line says what was asked, and who answered; whether it is ready does not matter."""
    ended = await health("--address", f"127.0.0.1:{address.port}")
    url = f"http://127.0.0.1:{address.port}/livez"
    assert (ended.exit_code, ended.stdout) == (0, f"image-sync {VERSION} is alive at {url}\n")


async def test_a_sick_process_is_exit_1(address: Address, patient: Patient) -> None:
    """With the reason it gives."""
    patient.sick = "the scheduler ended"
    ended = await health("--address", f":{address.port}")
    assert ended.exit_code == 1
    url = f"http://127.0.0.1:{address.port}/livez"
    assert ended.stdout == f"image-sync {VERSION} at {url} answers 503: the scheduler ended\n"


@pytest.mark.parametrize("host", ["", "0.0.0.0", "127.0.0.1", "localhost"])
async def test_the_configuration_says_where_to_ask(
    address: Address, tmp_path: Path, host: str
) -> None:
    """An address that stands for all is asked on this machine."""
    file = tmp_path / "image-sync.yaml"
    file.write_text(CONFIGURATION.format(listen=f"{host}:{address.port}"), encoding="utf-8")
    ended = await health("--config", str(file))
    assert ended.exit_code == 0
    assert f" is alive at http://127.0.0.1:{address.port}/livez\n" in ended.stdout


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_ipv6_is_asked_where_that_is_served(address: Address) -> None:
    """`[::]` stands for all addresses of IPv6."""
    ended = await health("--address", f"[::]:{address.port}")
    assert ended.exit_code == 0
    assert f" is alive at http://[::1]:{address.port}/livez\n" in ended.stdout


async def test_nobody_there_is_exit_1() -> None:
    """Said in words, not as a traceback."""
    where = closed_port()
    ended = await health("--address", where)
    assert ended.exit_code == 1
    assert ended.stdout == f"nobody answers at http://{where}/livez: Connection refused\n"


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"SSH-2.0-a\r\n", id="another-protocol"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"x" * 100_000, id="no-end-of-it"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", id="another-server"),
        pytest.param(b"HTTP/1.1 404 Not Found\r\n\r\nplanted", id="no-such-page"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n\r\nimage-sync-version: 9\r\n", id="our-words-in-its-text"
        ),
    ],
)
async def test_another_program_there_is_exit_1(said: bytes) -> None:
    """What it says is not shown."""

    async def talk(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(said)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, talk)
        ended = await health("--address", f"127.0.0.1:{port}")
        tasks.cancel_scope.cancel()
    assert ended.exit_code == 1
    assert ended.stdout == f"what answers at http://127.0.0.1:{port}/livez is not image-sync\n"


async def test_a_process_that_hangs_is_not_alive() -> None:
    """After a deadline for everything, shortened here."""
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        port = mute.getsockname()[1]
        with anyio.fail_after(2):
            said = await _ask("127.0.0.1", port, deadline=0.1)
    assert said == (False, f"no answer from http://127.0.0.1:{port}/livez within 0.1 s")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--address", "none"], "give --address", id="served-nowhere"),
        pytest.param(["--address", "8080"], "did you mean :8080?", id="port-alone"),
        pytest.param(["--address", ":0"], "the one that the log names", id="any-port"),
        pytest.param(["--address", ":1", "--config", "c"], "not both", id="both"),
    ],
)
async def test_what_cannot_be_asked_is_exit_2(arguments: list[str], words: str) -> None:
    """With advice."""
    ended = await health(*arguments)
    assert ended.exit_code == 2
    assert words in ended.stderr


async def test_a_configuration_without_a_server_is_exit_2(tmp_path: Path) -> None:
    """Nobody can be asked."""
    file = tmp_path / "image-sync.yaml"
    file.write_text(CONFIGURATION.format(listen="none"), encoding="utf-8")
    ended = await health("--config", str(file))
    assert ended.exit_code == 2
    assert "settings.server.listen is none" in ended.stderr
