"""Whether a registry serves the bytes that a blob's digest names: read to the last one, and hashed.

A registry's word that a blob is there says nothing of its bytes (fault row 57). What is read here
is only hashed, never kept.
"""

import hashlib
from contextlib import aclosing
from http import HTTPStatus

from image_sync.errors import ErrorKind, RegistryError
from image_sync.model import Damage, Endpoint
from image_sync.oci import Descriptor, Digest
from image_sync.registry import RegistryClient, open_blob
from image_sync.sync.verify import look_at_blob, missing

_SERVED = frozenset({HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT})


async def read_through(
    client: RegistryClient, endpoint: Endpoint, blob: Descriptor
) -> Damage | None:
    """What is wrong with a blob, by reading it; None if nothing is.

    What was wrong is read once more from the start: a byte may change on its way (fault row 27),
    and a blob that is just being replaced be missing for a moment (fault row 15).

    Raises:
        RegistryError: The registry did not serve it, for a reason that lies not in the blob.
    """
    damage = await look_at_blob(client, endpoint, blob)
    if damage:
        return damage  # without the long way of reading as far as it goes, several times
    damage = await _Reading(client, endpoint, blob).run()
    return damage and await _Reading(client, endpoint, blob).run()


class _Reading:
    """One blob being read; what broke off goes on where it stopped."""

    def __init__(self, client: RegistryClient, endpoint: Endpoint, blob: Descriptor) -> None:
        self._client = client
        self._endpoint = endpoint
        self._blob = blob
        self._hash = hashlib.new(blob.digest.algorithm)
        self._read = 0  # bytes
        self._began = 0  # where the last try began, in bytes

    async def run(self) -> Damage | None:
        blob = self._blob
        try:
            await self._client.calls.retry(self._once)
        except RegistryError as error:
            damage = self._damage(error)
            if damage is None:
                raise
            return damage
        found = Digest(blob.digest.algorithm, self._hash.hexdigest())
        if found == blob.digest:
            return None
        what = f"the blob {blob.digest} is served with other bytes: {found}"
        return Damage(blob.digest, what, ErrorKind.BAD_CONTENT)

    async def _once(self, _tries: int) -> None:
        self._began = self._read
        async with (
            open_blob(self._client, self._endpoint, self._blob, self._read) as download,
            aclosing(download.chunks()) as chunks,
        ):
            async for chunk in chunks:
                self._hash.update(chunk)
                self._read += len(chunk)

    def _damage(self, error: RegistryError) -> Damage | None:
        """What a failure says of the blob; None if it speaks of the registry only."""
        digest, size = self._blob.digest, self._blob.size
        if error.kind is ErrorKind.BLOB_MISSING:
            return missing(f"the blob {digest}", digest)
        if error.kind is ErrorKind.TRUNCATED and self._read == self._began:
            # It always ends at the same byte.
            what = f"the blob {digest} breaks off after {self._read} bytes of {size}"
            return Damage(digest, what, ErrorKind.BLOB_MISSING)
        if error.kind is ErrorKind.BAD_CONTENT and error.status in _SERVED:
            what = f"the blob {digest} is served with more than its {size} bytes"
            return Damage(digest, what, ErrorKind.BAD_CONTENT)
        if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:  # try after try
            what = f"the blob {digest} is refused: {error.message}"
            return Damage(digest, what, ErrorKind.BAD_CONTENT)
        return None
