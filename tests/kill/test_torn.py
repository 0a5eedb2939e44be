"""What a registry tears itself as it dies is found and mended, and nothing else is touched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kill.torn import mend
from tests.kill.walk import Tagged, walk
from tests.real import images
from tests.real.registries import distribution
from tests.real.running import RunningRegistry

IMAGE = images.bulk(1000)
NAMED = {"team/app:1": Tagged(IMAGE.digest)}
HEX = IMAGE.digest.partition(":")[2]
APP = "repositories/team/app"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RunningRegistry]:
    """Distribution 2.8 that held an image, and was killed."""
    with distribution(tmp_path / "registry", version=2) as running:
        running.push("team/app", "1", IMAGE)
        running.kill()
        yield running
        running.restart()


def emptied(registry: RunningRegistry, path: str) -> str:
    """That file, as a write that has only begun leaves it."""
    file = registry.root / "docker" / "registry" / "v2" / path
    assert file.read_bytes()
    file.write_bytes(b"")
    return path


def test_a_sound_registry_is_left_alone(registry: RunningRegistry) -> None:
    """Nothing of it is taken for torn."""
    assert mend(registry, NAMED) == []
    registry.restart()
    assert walk(registry.api) == (NAMED, ())


def test_a_torn_tag_names_again_what_it_named(registry: RunningRegistry) -> None:
    """The move had only begun."""
    path = emptied(registry, f"{APP}/_manifests/tags/1/current/link")
    assert mend(registry, NAMED) == [path]
    registry.restart()
    assert walk(registry.api) == (NAMED, ())


def test_a_torn_tag_that_is_new_names_nothing(registry: RunningRegistry) -> None:
    """As if it had not been made."""
    path = emptied(registry, f"{APP}/_manifests/tags/1/current/link")
    assert mend(registry, {}) == [path]
    registry.restart()
    assert walk(registry.api) == ({}, ())


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f"{APP}/_manifests/revisions/sha256/{HEX}/link", id="manifest"),
        pytest.param(f"{APP}/_layers/sha256/{IMAGE.blobs[1].digest[7:]}/link", id="blob"),
        pytest.param(f"blobs/sha256/{HEX[:2]}/{HEX}/data", id="bytes"),
    ],
)
def test_what_else_is_torn_is_gone_and_can_be_pushed_again(
    path: str, registry: RunningRegistry
) -> None:
    """As if that push had not been."""
    torn = emptied(registry, path)
    assert mend(registry, NAMED) == [torn]
    registry.restart()
    registry.push("team/app", "1", IMAGE)
    assert walk(registry.api) == (NAMED, ())
