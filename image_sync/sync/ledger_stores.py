"""The places a ledger can be kept: the cache registry itself, or a file.

In the registry it is a plainly tagged OCI artifact (image spec 1.1, manifest.md, Guidelines for
artifact usage), because the referrers API is missing on many registries: one blob with the
document, one tag per shard.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio.to_thread

from image_sync.errors import ErrorKind, ImageSyncError, RegistryError
from image_sync.model import Endpoint
from image_sync.oci import Digest, Manifest, Reference, mediatypes
from image_sync.registry import RegistryClient, list_tags, push_blob
from image_sync.runtime.files import write_atomic

ARTIFACT_TYPE = "application/vnd.image-sync.ledger.v1+json"
MAX_DOCUMENT = 32 * 1024 * 1024
"""Bytes of a document that are read: several times what `ledger.MAX_PAIRS` pairs need."""
MAX_DOCUMENTS = 1_000
"""Documents that are read: one for each shard, and old ones that nobody writes any more."""
_EMPTY_CONFIG = b"{}"  # image spec 1.1, manifest.md: the empty descriptor
_GONE = frozenset({ErrorKind.NOT_FOUND, ErrorKind.BLOB_MISSING})

Result = TypeVar("Result")


class RegistryStore:
    """Documents as tags of one repository of the cache.

    Args:
        client: For all requests.
        endpoint: The repository.
        tag: Our own document's tag; others belong to other shards.
    """

    def __init__(self, client: RegistryClient, endpoint: Endpoint, tag: str) -> None:
        self.own = tag
        self._client = client
        self._endpoint = endpoint

    async def names(self) -> list[str]:
        """The tags, the own one first.

        Raises:
            RegistryError: The cache did not say.
        """
        tags = await list_tags(self._client, self._endpoint)
        return sorted(tags, key=lambda tag: (tag != self.own, tag))[:MAX_DOCUMENTS]

    async def read(self, name: str) -> bytes | None:
        """The document under a tag; None if the tag or the blob behind it is gone.

        Raises:
            RegistryError: The cache did not hand it out.
            ValueError: The tag holds something else.
        """
        try:
            manifest = await self._client.get_manifest(self._endpoint, self._reference(name))
            if not _is_ledger(manifest):
                raise ValueError(f"{self._reference(name)} is something else")
            return await self._client.get_blob(self._endpoint, manifest.layers[0], MAX_DOCUMENT)
        except RegistryError as error:
            if error.kind in _GONE:
                return None
            raise

    async def write(self, document: bytes) -> None:
        """Replace our own document.

        Raises:
            RegistryError: The cache did not take it.
        """
        blob = await push_blob(self._client, self._endpoint, document)
        config = await push_blob(self._client, self._endpoint, _EMPTY_CONFIG)
        content = _manifest(blob, len(document), config)
        await self._client.put_manifest(
            self._endpoint, self._reference(self.own), content, mediatypes.OCI_MANIFEST
        )

    def _reference(self, tag: str) -> Reference:
        return self._endpoint.repository.tag(tag)


class FileStore:
    """One document in a file, replaced atomically."""

    def __init__(self, path: Path) -> None:
        self.own = str(path)
        self._path = path

    async def names(self) -> list[str]:
        """The file's."""
        return [self.own]

    async def read(self, name: str) -> bytes | None:
        """The document; None if the file does not exist or is empty.

        Raises:
            ImageSyncError: The file cannot be read.
            ValueError: It is far too long for a ledger.
        """
        try:
            content = await _in_thread(partial(_read, Path(name)))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self._path, error) from error
        if len(content) > MAX_DOCUMENT:
            raise ValueError(f"{name} has more than {MAX_DOCUMENT} bytes")
        return content or None

    async def write(self, document: bytes) -> None:
        """Replace the document.

        Raises:
            ImageSyncError: The file cannot be written.
        """
        try:
            await _in_thread(partial(write_atomic, self._path, document))
        except OSError as error:
            raise _unusable(self._path, error) from error


async def _in_thread(work: Callable[[], Result]) -> Result:
    """What a function returns; a file system that hangs does not keep the caller from ending."""
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_DOCUMENT + 1)


def _unusable(path: Path, error: OSError) -> ImageSyncError:
    return ImageSyncError(f"{path}: {error.strerror}", ErrorKind.CONFIG)


def _is_ledger(manifest: Manifest) -> bool:
    return [layer.media_type for layer in manifest.layers] == [ARTIFACT_TYPE]


def _manifest(blob: Digest, size: int, config: Digest) -> bytes:
    return (
        f'{{"schemaVersion":2,"mediaType":"{mediatypes.OCI_MANIFEST}",'
        f'"artifactType":"{ARTIFACT_TYPE}",'
        f'"config":{{"mediaType":"{mediatypes.OCI_EMPTY}","digest":"{config}",'
        f'"size":{len(_EMPTY_CONFIG)}}},'
        f'"layers":[{{"mediaType":"{ARTIFACT_TYPE}","digest":"{blob}","size":{size}}}]}}'
    ).encode()
