"""The embedded registry's folder is Zot's folder, in both directions.

What one of them wrote, the other serves as it is, and may go on with: the same tags,
manifests, blobs, referrers and catalog. Zot's own background work (hard links between
equal blobs, collecting garbage) is on, as Zot has it by default.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from tests.real.content import (
    OCI_MANIFEST,
    Blob,
    Image,
    encode,
    push,
)
from tests.real.images import KINDS, Programs, single, with_attestations
from tests.real.registries import embedded, zot
from tests.real.running import RunningRegistry
from tests.real.wire import Answer, RegistryApi

EMPTY = "application/vnd.oci.empty.v1+json"
SIGNATURE = "application/vnd.example.signature"

# The second lies in the folder of the first.
REPOSITORIES = ("lab/app", "lab/app/nested")

Start = Callable[[Path], AbstractContextManager[RunningRegistry]]
START: dict[str, Start] = {"embedded": embedded, "zot": zot}
BOTH_WAYS = pytest.mark.parametrize(
    ("writer", "reader"), [("embedded", "zot"), ("zot", "embedded")]
)


class Manifest(NamedTuple):
    """A manifest as it is served, with the digest that its header tells."""

    status: int
    body: bytes
    media_type: str | None
    digest: str | None


class Lists(msgspec.Struct):
    """The parts of the catalog and of a list of referrers that are compared."""

    repositories: list[str] = []
    manifests: list[object] = []


class Contents(NamedTuple):
    """All that a registry shows of its repositories."""

    catalog: list[str]
    tags: dict[str, list[str]]
    manifests: dict[tuple[str, str], Manifest]
    blobs: dict[tuple[str, str], bytes]
    referrers: dict[tuple[str, str], list[object]]


def referrer(subject: Image) -> Image:
    """A signature of an image, without a tag of its own."""
    config, layer = Blob(EMPTY, b"{}"), Blob(SIGNATURE, b"signed")
    fields: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": SIGNATURE,
        "config": config.descriptor(),
        "layers": [layer.descriptor()],
        "subject": subject.descriptor(),
        "annotations": {"org.example.signer": "somebody"},
    }
    return Image(OCI_MANIFEST, encode(fields), (config, layer))


def fill(api: RegistryApi, programs: Programs) -> list[Image]:
    """Every kind of image by tag in both repositories, and a signature for each."""
    filled: list[Image] = []
    for kind, build in KINDS.items():
        image = build(programs, "one")
        signature = referrer(image)
        for repository in REPOSITORIES:
            push(api, repository, kind, image)
            push(api, repository, signature.digest, signature)
        filled += [image, signature]
    return filled


def contents(api: RegistryApi, images: list[Image]) -> Contents:
    """What is served of these images: by digest, and whatever is tagged by tag."""
    held = [manifest for image in images for manifest in image.manifests()]
    blobs = {blob.digest for image in images for blob in image.all_blobs}
    tags = {repository: api.tags(repository) for repository in REPOSITORIES}
    return Contents(
        sorted(_lists(api.request("GET", "/v2/_catalog")).repositories),
        tags,
        {
            (repository, reference): _manifest(api.get_manifest(repository, reference))
            for repository in REPOSITORIES
            for reference in {*tags[repository], *(manifest.digest for manifest in held)}
        },
        {
            (repository, digest): api.get_blob(repository, digest).body
            for repository in REPOSITORIES
            for digest in blobs
        },
        {
            (repository, image.digest): _referrers(api, repository, image.digest)
            for repository in REPOSITORIES
            for image in images
        },
    )


def _manifest(answer: Answer) -> Manifest:
    headers = answer.headers
    media_type, digest = headers.get("content-type"), headers.get("docker-content-digest")
    return Manifest(answer.status, answer.body, media_type, digest)


def _referrers(api: RegistryApi, repository: str, digest: str) -> list[object]:
    answer = api.request("GET", f"/v2/{repository}/referrers/{digest}")
    return sorted(_lists(answer).manifests, key=str)


def _lists(answer: Answer) -> Lists:
    assert answer.status == 200
    return msgspec.json.decode(answer.body, type=Lists)


def assert_all_there(found: Contents, images: list[Image]) -> None:
    """So that two registries are not equal in showing nothing."""
    assert {answer.status for answer in found.manifests.values()} == {200}
    assert found.catalog == list(REPOSITORIES)
    assert found.tags == {repository: sorted(KINDS) for repository in REPOSITORIES}
    assert sum(map(len, found.referrers.values())) == len(KINDS) * len(REPOSITORIES)
    bytes_of = {blob.digest: blob.data for image in images for blob in image.all_blobs}
    assert all(data == bytes_of[digest] for (_, digest), data in found.blobs.items())


@BOTH_WAYS
def test_one_serves_what_the_other_wrote(
    tmp_path: Path, programs: Programs, writer: str, reader: str
) -> None:
    """Tags, manifests with type and digest, blobs, referrers and catalog are the same."""
    with START[writer](tmp_path) as registry:
        images = fill(registry.api, programs)
        before = contents(registry.api, images)
    assert_all_there(before, images)
    with START[reader](tmp_path) as registry:
        assert contents(registry.api, images) == before


@BOTH_WAYS
def test_one_goes_on_where_the_other_stopped(
    tmp_path: Path, programs: Programs, writer: str, reader: str
) -> None:
    """A tag moves, a tag goes, an image goes: the first one sees all that the second did."""
    moved, kept, gone = (single(programs, label) for label in ("moved", "kept", "gone"))
    fresh = with_attestations(programs)
    with START[writer](tmp_path) as registry:
        for tag, image in {"moves": moved, "loses-its-tag": kept, "goes": gone}.items():
            registry.push("lab/app", tag, image)
    with START[reader](tmp_path) as registry:
        registry.push("lab/app", "moves", fresh)
        assert registry.api.delete_manifest("lab/app", "loses-its-tag").status == 202
        assert registry.api.delete_manifest("lab/app", gone.digest).status == 202
    with START[writer](tmp_path) as registry:
        assert registry.api.tags("lab/app") == ["moves"]
        assert registry.api.digest_of("lab/app", "moves") == fresh.digest
        for manifest in (*fresh.manifests(), kept):
            assert registry.api.digest_of("lab/app", manifest.digest) == manifest.digest
        assert registry.api.digest_of("lab/app", gone.digest) is None


@BOTH_WAYS
def test_a_repository_that_was_emptied_is_empty_for_the_other(
    tmp_path: Path, programs: Programs, writer: str, reader: str
) -> None:
    """Its list of manifests may even be `null`: Zot writes that."""
    image = single(programs)
    with START[writer](tmp_path) as registry:
        registry.push("lab/app", "1.0", image)
        assert registry.api.delete_manifest("lab/app", image.digest).status == 202
    with START[reader](tmp_path) as registry:
        assert registry.api.tags("lab/app") == []
        assert registry.api.digest_of("lab/app", image.digest) is None
        registry.push("lab/app", "2.0", image)
    with START[writer](tmp_path) as registry:
        assert registry.api.tags("lab/app") == ["2.0"]
        assert registry.api.digest_of("lab/app", "2.0") == image.digest


def test_our_garbage_collection_leaves_zot_s_images_whole(
    tmp_path: Path, programs: Programs
) -> None:
    """Of what is a year old, only what no tag, index or subject keeps is taken from its folder."""
    with zot(tmp_path) as registry:
        images = fill(registry.api, programs)
        before = contents(registry.api, images)
        unneeded = registry.api.put_blob("lab/app", b"of no manifest")
        root = registry.root
    a_year_ago = time.time() - 365 * 24 * 3600
    for file in root.rglob("*"):
        os.utime(file, (a_year_ago, a_year_ago))
    command = [sys.executable, "-m", "image_sync", "serve", "--gc", "--root", str(root)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with zot(tmp_path) as registry:
        assert registry.api.head_blob("lab/app", unneeded).status == 404
        assert contents(registry.api, images) == before
