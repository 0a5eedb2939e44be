"""What a registry holds, in memory: blobs and manifests per repository, and tags.

Nothing is checked here, so that a test can plant what no registry would take. The rules of a push
belong in `registry.py`; documents that are hostile by themselves in `documents.py`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

import msgspec

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class StoredManifest(msgspec.Struct, frozen=True):
    """A manifest's bytes, and the Content-Type that it is served with."""

    content: bytes
    media_type: str


class Repository(msgspec.Struct):
    """One repository: content by digest, digests by tag."""

    blobs: dict[str, bytes] = msgspec.field(default_factory=dict)
    manifests: dict[str, StoredManifest] = msgspec.field(default_factory=dict)
    tags: dict[str, str] = msgspec.field(default_factory=dict)

    def manifest(self, reference: str) -> tuple[str, StoredManifest] | None:
        """Digest and manifest behind a tag or a digest."""
        digest = self.tags.get(reference, reference)
        manifest = self.manifests.get(digest)
        return None if manifest is None else (digest, manifest)


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """`ALGORITHM:HEX` of some bytes."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def document(value: object) -> bytes:
    """A value as compact JSON in the order it was written, the same bytes for the same input."""
    return json.dumps(value, separators=(",", ":")).encode()


def descriptor(media_type: str, content: bytes, **more: object) -> dict[str, object]:
    """A descriptor: OCI image spec 1.1, descriptor.md."""
    return {
        "mediaType": media_type,
        "digest": digest_of(content),
        "size": len(content),
        **more,
    }


def platform_of(text: str) -> dict[str, str]:
    """`os/arch[/variant]` as the object of an index."""
    return dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False))


class Store:
    """Repositories by name."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}

    def repository(self, name: str) -> Repository:
        """A repository, made when it is not there."""
        return self.repositories.setdefault(name, Repository())

    def put_blob(self, repository: str, content: bytes) -> str:
        """Its digest."""
        digest = digest_of(content)
        self.repository(repository).blobs[digest] = content
        return digest

    def put_manifest(
        self, repository: str, tag: str | None, content: bytes, media_type: str
    ) -> str:
        """Its digest; the tag, if there is one, points to it from now on."""
        digest = digest_of(content)
        self.repository(repository).manifests[digest] = StoredManifest(content, media_type)
        if tag is not None:
            self.tag(repository, tag, digest)
        return digest

    def tag(self, repository: str, tag: str, digest: str) -> None:
        """Move a tag."""
        self.repository(repository).tags[tag] = digest

    def tagged(self, repository: str, tag: str) -> str | None:
        """What a tag points to, or None."""
        found = self.repositories.get(repository, Repository()).tags.get(tag)
        return found or None

    def content(self, repository: str, digest: str) -> bytes:
        """The bytes of a manifest or blob.

        Raises:
            KeyError: They are not there.
        """
        held = self.repositories[repository]
        manifest = held.manifests.get(digest)
        return held.blobs[digest] if manifest is None else manifest.content

    def put_image(
        self,
        repository: str,
        tag: str | None = None,
        *,
        layers: Sequence[bytes] = (b"a layer",),
        platform: str = "linux/amd64",
        docker: bool = False,
    ) -> str:
        """The digest of an image with these layers and a config that names the platform.

        Layers are opaque here: real archives are needed only where a tool unpacks them.
        """
        manifest_type, config_type, layer_type = (
            (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER)
            if docker
            else (OCI_MANIFEST, OCI_CONFIG, OCI_LAYER)
        )
        diff_ids = [digest_of(layer) for layer in layers]
        rootfs = {"type": "layers", "diff_ids": diff_ids}
        config = document({**platform_of(platform), "config": {}, "rootfs": rootfs})
        for blob in (config, *layers):
            self.put_blob(repository, blob)
        content = document(
            {
                "schemaVersion": 2,
                "mediaType": manifest_type,
                "config": descriptor(config_type, config),
                "layers": [descriptor(layer_type, layer) for layer in layers],
            }
        )
        return self.put_manifest(repository, tag, content, manifest_type)

    def put_index(
        self,
        repository: str,
        tag: str | None = None,
        *,
        children: Mapping[str, str],
        docker: bool = False,
    ) -> str:
        """The digest of an index over children that are here: platform -> digest."""
        media_type = DOCKER_LIST if docker else OCI_INDEX
        held = self.repository(repository).manifests
        entries = [
            descriptor(
                held[digest].media_type, held[digest].content, platform=platform_of(platform)
            )
            for platform, digest in children.items()
        ]
        content = document({"schemaVersion": 2, "mediaType": media_type, "manifests": entries})
        return self.put_manifest(repository, tag, content, media_type)

    def put_platforms(
        self,
        repository: str,
        tag: str | None = None,
        *,
        platforms: Sequence[str] = ("linux/amd64", "linux/arm64", "linux/arm/v7"),
        docker: bool = False,
    ) -> str:
        """The digest of an index of small images, one for each platform, a layer in each."""
        children = {
            platform: self.put_image(
                repository,
                layers=[f"{repository} for {platform}".encode()],
                platform=platform,
                docker=docker,
            )
            for platform in platforms
        }
        return self.put_index(repository, tag, children=children, docker=docker)
