"""The clients that people have push to the embedded registry and pull from it."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.real import images, podman
from tests.real.containerd import containerd
from tests.real.content import Image
from tests.real.images import KINDS, Programs
from tests.real.registries import distribution, embedded
from tests.real.running import RunningRegistry
from tests.real.tools import SKOPEOS, require

KIND = pytest.mark.parametrize("kind", KINDS)
SKOPEO = pytest.mark.parametrize("skopeo", SKOPEOS)


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[RunningRegistry]:
    """The embedded registry, over plain HTTP."""
    with embedded(tmp_path / "ours") as registry:
        yield registry


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[RunningRegistry]:
    """CNCF distribution, over plain HTTP."""
    with distribution(tmp_path / "theirs") as registry:
        yield registry


def run(tool: str, *arguments: str, home: Path) -> str:
    """What the tool says on standard output.

    Raises:
        AssertionError: it failed; its stderr is in it.
    """
    ran = subprocess.run(
        [require(tool), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
    )
    assert ran.returncode == 0, f"{tool} {arguments}: {ran.stderr}"
    return ran.stdout


def assert_whole(image: Image, registry: RunningRegistry, tags: Sequence[str] = ("1.0",)) -> None:
    """Every manifest and blob is there, byte for byte, under these tags and no others."""
    for manifest in image.manifests():
        answer = registry.api.get_manifest("lab/app", manifest.digest)
        assert (answer.status, answer.body) == (200, manifest.data)
        assert answer.headers["content-type"] == manifest.media_type
    for blob in image.all_blobs:
        assert registry.api.get_blob("lab/app", blob.digest).body == blob.data
    assert registry.api.tags("lab/app") == list(tags)
    for tag in tags:
        assert registry.api.digest_of("lab/app", tag) == image.digest


@KIND
def test_crane_copies_to_it_and_from_it(
    ours: RunningRegistry,
    theirs: RunningRegistry,
    programs: Programs,
    tmp_path: Path,
    kind: str,
) -> None:
    """There and back, every kind of image stays as it is."""
    image = KINDS[kind](programs, "one")
    theirs.push("lab/app", "1.0", image)
    run("crane", "copy", f"{theirs.host}/lab/app:1.0", f"{ours.host}/lab/app:1.0", home=tmp_path)
    assert_whole(image, ours)
    run("crane", "copy", f"{ours.host}/lab/app:1.0", f"{theirs.host}/lab/app:2.0", home=tmp_path)
    assert_whole(image, theirs, ["1.0", "2.0"])


def test_crane_pulls_and_pushes_a_folder(
    ours: RunningRegistry, programs: Programs, tmp_path: Path
) -> None:
    """An index goes out as an OCI layout and comes in again under another name."""
    image = images.multi_platform(programs)
    ours.push("lab/app", "1.0", image)
    folder = str(tmp_path / "layout")
    run("crane", "pull", "--format=oci", f"{ours.host}/lab/app:1.0", folder, home=tmp_path)
    run("crane", "push", "--index", folder, f"{ours.host}/lab/other:1.0", home=tmp_path)
    # crane wraps what it pulled into an index of its own.
    listed = run("crane", "ls", f"{ours.host}/lab/other", home=tmp_path)
    assert listed.split() == ["1.0"]
    for manifest in image.manifests():
        assert ours.api.digest_of("lab/other", manifest.digest) == manifest.digest


def test_crane_lists_and_tags_and_deletes(
    ours: RunningRegistry, programs: Programs, tmp_path: Path
) -> None:
    """A second tag, the list, the catalog; then a tag goes, and then the image."""
    image = images.single(programs)
    ours.push("lab/app", "1.0", image)
    run("crane", "tag", f"{ours.host}/lab/app:1.0", "latest", home=tmp_path)
    assert run("crane", "ls", f"{ours.host}/lab/app", home=tmp_path).split() == ["1.0", "latest"]
    assert run("crane", "catalog", ours.host, home=tmp_path).split() == ["lab/app"]
    run("crane", "delete", f"{ours.host}/lab/app:latest", home=tmp_path)
    assert_whole(image, ours)
    run("crane", "delete", f"{ours.host}/lab/app@{image.digest}", home=tmp_path)
    assert ours.api.get_manifest("lab/app", image.digest).status == 404
    assert ours.api.tags("lab/app") == []


def test_crane_validates_what_it_pulls(
    ours: RunningRegistry, programs: Programs, tmp_path: Path
) -> None:
    """Layers, config and digests fit together, as crane reads them."""
    ours.push("lab/app", "1.0", images.twenty_layers(programs))
    said = run("crane", "validate", "--remote", f"{ours.host}/lab/app:1.0", home=tmp_path)
    assert said.startswith("PASS: ")


@SKOPEO
@KIND
def test_skopeo_copies_to_it_and_from_it(
    ours: RunningRegistry,
    theirs: RunningRegistry,
    programs: Programs,
    tmp_path: Path,
    skopeo: str,
    kind: str,
) -> None:
    """There and back with --all --preserve-digests, every kind of image stays as it is."""
    image = KINDS[kind](programs, "one")
    theirs.push("lab/app", "1.0", image)
    skopeo_copy(skopeo, f"{theirs.host}/lab/app:1.0", f"{ours.host}/lab/app:1.0", tmp_path)
    assert_whole(image, ours)
    skopeo_copy(skopeo, f"{ours.host}/lab/app:1.0", f"{theirs.host}/lab/app:2.0", tmp_path)
    assert_whole(image, theirs, ["1.0", "2.0"])


def skopeo_copy(skopeo: str, source: str, target: str, home: Path) -> None:
    """All platforms over plain HTTP, with their digests."""
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    how = ("--insecure-policy", "copy", "--all", "--preserve-digests", *plain)
    run(skopeo, *how, f"docker://{source}", f"docker://{target}", home=home)


@SKOPEO
def test_skopeo_lists_and_deletes(
    ours: RunningRegistry, programs: Programs, tmp_path: Path, skopeo: str
) -> None:
    """The tags as skopeo reads them; its delete takes the image a tag names."""
    image = images.single(programs)
    ours.push("lab/app", "1.0", image)
    place = f"docker://{ours.host}/lab/app"
    listed = run(skopeo, "list-tags", "--tls-verify=false", place, home=tmp_path)
    assert '"1.0"' in listed
    run(skopeo, "delete", "--tls-verify=false", f"{place}:1.0", home=tmp_path)
    assert ours.api.tags("lab/app") == []
    assert ours.api.get_manifest("lab/app", image.digest).status == 404


def test_podman_pulls_what_a_node_would(ours: RunningRegistry, programs: Programs) -> None:
    """This machine's image of an index, by the index's digest."""
    image = images.multi_platform(programs)
    ours.push("lab/app", "1.0", image)
    assert podman.pull(f"{ours.host}/lab/app:1.0") in {
        image.digest,
        *(child.digest for child in image.children),
    }


def test_podman_pushes_what_was_built(ours: RunningRegistry, programs: Programs) -> None:
    """Under another name; what podman says it pushed is what is served."""
    ours.push("lab/app", "1.0", images.single(programs))
    digest = podman.push(f"{ours.host}/lab/app:1.0", f"{ours.host}/lab/built:2.0")
    assert ours.api.digest_of("lab/built", "2.0") == digest
    assert podman.pull(f"{ours.host}/lab/built:2.0") == digest


def test_containerd_pulls_through_a_hosts_file(ours: RunningRegistry, programs: Programs) -> None:
    """It takes the registry for a mirror of another, and unpacks the image."""
    image = images.multi_platform(programs)
    ours.push("lab/app", "1.0", image)
    with containerd() as node:
        node.mirror("registry.example", ours.host)
        assert node.pull("registry.example/lab/app:1.0") == image.digest


def test_containerd_pushes_all_it_has(ours: RunningRegistry, programs: Programs) -> None:
    """An index with every platform comes in, and goes out again under another name."""
    image = images.with_attestations(programs)
    ours.push("lab/source", "1.0", image)
    with containerd() as node:
        node.mirror("registry.example", ours.host)
        node.fetch("registry.example/lab/source:1.0")
        assert node.digests() == image.digests
        node.push(f"{ours.host}/lab/app:1.0", "registry.example/lab/source:1.0")
    assert_whole(image, ours)
