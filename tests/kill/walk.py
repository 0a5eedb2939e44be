"""Reads all that a cache serves, and what it keeps open.

Every tag is followed to every descriptor below it, and each is read whole, counted and hashed: it
is what a client that pulls the tag gets. Past image-sync's own client, which is being tested.
"""

import hashlib
import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tests.real.running import RunningRegistry
from tests.real.wire import Answer, RegistryApi

# More repositories than any cache here has: the catalog comes in one page.
_PAGE: Final = 1000


class Tagged(NamedTuple):
    """What a tag names.

    Attributes:
        digest: The sha256 of the manifest as it was served.
        children: The digests of an index's manifests, in its order; none for others.
    """

    digest: str
    children: tuple[str, ...] = ()


class Walk(NamedTuple):
    """What a cache served.

    Attributes:
        tags: Every `REPOSITORY:TAG` that names something.
        broken: What is not as its descriptor says, in words.
    """

    tags: Mapping[str, Tagged]
    broken: tuple[str, ...]


class _Descriptor(msgspec.Struct):
    digest: str
    size: int


class _Manifest(msgspec.Struct):
    config: _Descriptor | None = None
    layers: list[_Descriptor] = []
    manifests: list[_Descriptor] = []

    @property
    def blobs(self) -> list[_Descriptor]:
        return [*([self.config] if self.config else []), *self.layers]


def walk(api: RegistryApi) -> Walk:
    """Everything below every tag of a registry."""
    return _Walker(api).walk()


def open_uploads(registry: RunningRegistry) -> dict[str, int]:
    """The upload sessions on the disk of a CNCF distribution, and the bytes that each has.

    One is open while it knows when it was started; distribution keeps the empty folder of one that
    was deleted. Repositories have two components here (`team/app`, `image-sync/ledger`).
    """
    repositories = registry.root / "docker" / "registry" / "v2" / "repositories"
    uploads = (file.parent for file in repositories.glob("*/*/_uploads/*/startedat"))
    return {str(each.relative_to(repositories)): _size(each / "data") for each in uploads}


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


class _Walker:
    """One walk; what two tags share in a repository is read once."""

    def __init__(self, api: RegistryApi) -> None:
        self._api = api
        self._read: dict[tuple[str, str], _Manifest | None] = {}
        self._broken: list[str] = []

    def walk(self) -> Walk:
        tags = {}
        catalog = json.loads(self._api.request("GET", f"/v2/_catalog?n={_PAGE}").body)
        for repository in catalog["repositories"]:
            for tag in self._api.tags(repository):
                tagged = self._follow(repository, tag)
                if tagged is not None:
                    tags[f"{repository}:{tag}"] = tagged
        return Walk(tags, tuple(self._broken))

    def _follow(self, repository: str, tag: str) -> Tagged | None:
        answer = self._api.get_manifest(repository, tag)
        # A registry that dies as it makes a tag may list it, and have nothing behind it.
        if answer.status == http.client.NOT_FOUND:
            return None
        place = f"{repository}:{tag}"
        if answer.status != http.client.OK:
            self._broken.append(f"{place} is answered with {answer.status} {answer.body!r}")
            return None
        digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        said = answer.headers.get("docker-content-digest")
        if said != digest:
            self._broken.append(f"{place} is served with {digest}, and said to be {said}")
        try:
            manifest = self._read_below(repository, answer.body)
        except msgspec.MsgspecError as error:
            self._broken.append(f"{place} is no manifest: {error}")
            return Tagged(digest)
        return Tagged(digest, tuple(child.digest for child in manifest.manifests))

    def _read_below(self, repository: str, data: bytes) -> _Manifest:
        manifest = msgspec.json.decode(data, type=_Manifest)
        for blob in manifest.blobs:
            key = (repository, blob.digest)
            if key not in self._read:
                self._read[key] = None
                self._is_whole(repository, blob, self._api.get_blob(*key))
        for child in manifest.manifests:
            key = (repository, child.digest)
            if key not in self._read:
                self._read[key] = None
                answer = self._api.get_manifest(*key)
                if self._is_whole(repository, child, answer):
                    self._read[key] = self._read_below(repository, answer.body)
        return manifest

    def _is_whole(self, repository: str, wanted: _Descriptor, answer: Answer) -> bool:
        got = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if answer.status != http.client.OK:
            fault = f"is answered with {answer.status}"
        elif len(answer.body) != wanted.size:
            fault = f"has {len(answer.body)} bytes, not {wanted.size}"
        elif got != wanted.digest:
            fault = f"is served with the bytes of {got}"
        else:
            return True
        self._broken.append(f"{repository}@{wanted.digest} {fault}")
        return False
