"""What is found out about this machine: tools, files, the port of probes."""

import json
import socket
from pathlib import Path

import anyio
import pytest

from image_sync.doctor.machine import listen_finding
from image_sync.examination import Level
from tests.doctor.scene import Scene, failures, told
from tests.e2e.fake_tools import CRASHES, LIES, write_crane
from tests.hostile import HostileRegistry

pytestmark = pytest.mark.anyio


async def test_without_tools_the_builtin_engine_copies(
    scene: Scene, upstream: HostileRegistry
) -> None:
    """Nothing is on PATH, and nothing fails for it."""
    report = await scene.examined()
    assert "is not on PATH" in told(report, "crane", Level.OK)
    assert "is not on PATH" in told(report, "skopeo", Level.OK)
    assert f"builtin copies from {upstream.host}" in told(report, "engine", Level.OK)
    assert told(report, "setpriv") == ""


async def test_a_tool_that_is_named_and_missing_is_a_warning(scene: Scene) -> None:
    """With the way to get it, and with what copies in its place."""
    scene.settings["preferred_tool"] = "skopeo"
    report = await scene.examined()
    text = told(report, "skopeo", Level.WARN)
    assert "it is not installed" in text
    assert "apt-get" in text
    assert "builtin copies from" in told(report, "engine", Level.WARN)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        pytest.param("v0.20.0", "before 0.21.9", id="old"),
        pytest.param("v0.21.7", "it hangs on larger images", id="broken"),
    ],
)
async def test_a_tool_that_is_not_fit_is_told_with_its_reason(
    scene: Scene, version: str, words: str
) -> None:
    """Its path and version, and what is wrong with it."""
    folder = write_crane(scene.folder / "bin", LIES, version)
    scene.environ["PATH"] = str(folder)
    report = await scene.examined()
    text = told(report, "crane", Level.WARN)
    assert f"{folder / 'crane'} is" in text
    assert words in text
    assert failures(report) == []


async def test_an_old_tool_that_is_named_is_used_with_a_warning(scene: Scene) -> None:
    """Told once, although two ask for its version."""
    scene.environ["PATH"] = str(write_crane(scene.folder / "bin", LIES, "v0.20.0"))
    scene.settings["preferred_tool"] = "crane"
    report = await scene.examined()
    warnings = told(report, "engine", Level.WARN).splitlines()
    assert [line for line in warnings if "used because" in line] == warnings
    assert len(warnings) == 1
    assert "crane copies from" in told(report, "engine", Level.OK)


async def test_a_tool_that_is_fit_copies_and_is_not_started_for_it(scene: Scene) -> None:
    """It is asked for its version alone."""
    folder = write_crane(scene.folder / "bin", CRASHES)
    scene.environ["PATH"] = str(folder)
    report = await scene.examined()
    assert f"{folder / 'crane'} is 0.22.1" in told(report, "crane", Level.OK)
    assert "crane copies from" in told(report, "engine", Level.OK)
    assert list(folder.glob("started-*")) == []
    assert told(report, "setpriv")


async def test_files_of_accounts_that_cannot_be_used_are_a_warning(scene: Scene) -> None:
    """Each with its path and what is wrong."""
    broken = scene.folder / "broken.json"
    broken.write_text("{")
    scene.environ["REGISTRY_AUTH_FILE"] = str(broken)
    file = scene.log_in("other.example")
    file.write_text(json.dumps({"credHelpers": {"other.example": "nobody"}}))
    text = told(await scene.examined(), "credentials", Level.WARN)
    assert str(broken) in text
    assert f"{file}: docker config file: it asks docker-credential-nobody" in text


async def test_variables_that_set_something_are_named(scene: Scene) -> None:
    """Not their values, which are in `config show`."""
    scene.environ["IMAGE_SYNC_SETTINGS__CONCURRENCY"] = "7"
    text = told(await scene.examined(), "environment", Level.OK)
    assert "IMAGE_SYNC_SETTINGS__CONCURRENCY" in text


@pytest.mark.parametrize(
    "text", ["127.0.0.1:0", ":0", "[::1]:0", "localhost:0"], ids=["v4", "every", "v6", "name"]
)
async def test_an_address_that_is_free_is_well(text: str) -> None:
    """In each way in which it is written; port 0 is free always."""
    assert (await listen_finding(text)).level is Level.OK


async def test_an_address_that_is_taken_is_a_warning() -> None:
    """As it is whenever image-sync runs on the machine already."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = await listen_finding(f"127.0.0.1:{taken.getsockname()[1]}")
    assert found.level is Level.WARN
    assert "address already in use" in found.text
    assert found.remedy


@pytest.mark.parametrize("text", ["here", "127.0.0.1:http", "127.0.0.1:99999", "no.invalid:80"])
async def test_what_is_no_address_is_a_warning(text: str) -> None:
    """Whatever stands there."""
    assert (await listen_finding(text)).level is Level.WARN


async def test_a_ledger_in_a_file_must_be_writable(scene: Scene, tmp_path: Path) -> None:
    """It is not written to find that out."""
    path = tmp_path / "ledger.json"
    scene.settings["ledger"] = str(path)
    assert "can be read and written" in told(await scene.examined(), "ledger", Level.OK)
    assert not path.exists()
    scene.settings["ledger"] = str(tmp_path / "missing" / "ledger.json")
    assert "cannot be written" in told(await scene.examined(), "ledger", Level.WARN)


async def test_a_ledger_that_is_damaged_is_a_warning(scene: Scene, tmp_path: Path) -> None:
    """Once, in the ledger's own words."""
    path = tmp_path / "ledger.json"
    path.write_text("{")
    scene.settings["ledger"] = str(path)
    report = await scene.examined()
    assert "cannot be used" in told(report, "ledger", Level.WARN)
    assert told(report, "ledger", Level.OK) == ""


async def test_it_stops_when_it_is_told_to(scene: Scene) -> None:
    """Cancelled from outside, it ends at once."""
    with anyio.move_on_after(0.0) as scope:
        await scene.examined()
    assert scope.cancelled_caught
