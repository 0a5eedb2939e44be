"""The walk sees everything that a cache can serve wrongly."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kill.walk import Tagged, open_uploads, walk
from tests.real import images
from tests.real.content import filler
from tests.real.registries import distribution
from tests.real.running import RunningRegistry
from tests.real.wire import Answer

IMAGE = images.with_attestations(
    {platform: filler(1000, platform) for platform in ("linux/amd64", "linux/arm64")}
)
NAMED = Tagged(IMAGE.digest, tuple(child.digest for child in IMAGE.children))
BLOB = IMAGE.children[0].blobs[1].digest


@pytest.fixture(params=[3, 2], ids=["distribution-3", "distribution-2.8"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningRegistry]:
    """Either version, with one image under two tags."""
    with distribution(tmp_path / "registry", version=request.param) as running:
        running.push("team/app", "1", IMAGE)
        running.push("team/app", "2", IMAGE)
        yield running


def data(registry: RunningRegistry, digest: str) -> Path:
    """Where distribution keeps the bytes."""
    name = digest.partition(":")[2]
    return registry.root / f"docker/registry/v2/blobs/sha256/{name[:2]}/{name}/data"


def test_a_sound_cache_is_read_whole(registry: RunningRegistry) -> None:
    """Both tags, each with what it names, and nothing broken."""
    assert walk(registry.api) == ({"team/app:1": NAMED, "team/app:2": NAMED}, ())


@pytest.mark.parametrize(
    ("digest", "content", "says"),
    [
        pytest.param(BLOB, None, "is answered with 404", id="no blob"),
        pytest.param(BLOB, b"short", "has 5 bytes", id="short blob"),
        pytest.param(IMAGE.children[2].digest, None, "is answered with 404", id="no child"),
    ],
)
def test_what_is_damaged_is_said_once(
    digest: str, content: bytes | None, says: str, registry: RunningRegistry
) -> None:
    """However many tags lie above it."""
    file = data(registry, digest)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    (broken,) = walk(registry.api).broken
    assert broken.startswith(f"team/app@{digest}")
    assert says in broken


def test_other_bytes_of_the_same_number_are_seen(registry: RunningRegistry) -> None:
    """A size that is right proves nothing."""
    file = data(registry, BLOB)
    file.write_bytes(bytes(len(file.read_bytes())))
    (broken,) = walk(registry.api).broken
    assert "is served with the bytes of sha256:" in broken


def test_a_tag_with_a_torn_manifest_is_broken(registry: RunningRegistry) -> None:
    """It names something, and nothing that can be pulled."""
    data(registry, IMAGE.digest).write_bytes(IMAGE.data[:-1])
    walked = walk(registry.api)
    assert len(walked.broken) == 2
    assert all(broken.startswith("team/app:") for broken in walked.broken)


def test_a_tag_with_nothing_behind_it_names_nothing(registry: RunningRegistry) -> None:
    """A registry that dies as it makes a tag may list it."""
    tags = registry.root / "docker/registry/v2/repositories/team/app/_manifests/tags"
    (tags / "3" / "current").mkdir(parents=True)
    walked = walk(registry.api)
    assert (set(walked.tags), walked.broken) == ({"team/app:1", "team/app:2"}, ())


def test_an_upload_is_open_until_it_is_deleted(registry: RunningRegistry) -> None:
    """What an engine leaves is counted on the registry's disk."""
    assert open_uploads(registry) == {}
    opened = registry.api.request("POST", "/v2/team/app/blobs/uploads/", body=b"")
    sent = registry.api.request("PATCH", place(registry, opened), body=b"some")
    ((upload, size),) = open_uploads(registry).items()
    assert (upload.startswith("team/app/_uploads/"), size) == (True, 4)
    assert registry.api.request("DELETE", place(registry, sent)).status == 204
    assert open_uploads(registry) == {}


def place(registry: RunningRegistry, answer: Answer) -> str:
    """Where an upload goes on."""
    return answer.headers["location"].removeprefix(f"http://{registry.host}")
