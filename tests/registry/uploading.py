"""A blob to upload, and an upload as an engine does it."""

from collections.abc import AsyncIterator

from image_sync.errors import RegistryError
from image_sync.model import Endpoint
from image_sync.oci import Digest
from image_sync.registry import (
    RegistryClient,
    UploadSession,
    open_upload,
    upload_broken,
    upload_lost,
)
from tests.hostile import (
    HostileRegistry,
)
from tests.registry.asking import (
    REPOSITORY,
)

CONTENT = bytes(range(256)) * 800
SIZE = len(CONTENT)
DIGEST = Digest.of(CONTENT)


class Pieces:
    """Content from some byte on, and whether whoever read it let it clean up."""

    def __init__(self, start: int = 0, end: int = SIZE, size: int = 10_000) -> None:
        self.closed = False
        self._bounds = range(start, end, size)
        self._end = end
        self._size = size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            for start in self._bounds:
                yield CONTENT[start : min(start + self._size, self._end)]
        finally:
            self.closed = True


async def opened(client: RegistryClient, endpoint: Endpoint) -> UploadSession:
    """A session for the content."""
    session = await open_upload(client, endpoint, DIGEST)
    assert isinstance(session, UploadSession)
    return session


async def upload(client: RegistryClient, endpoint: Endpoint, most: int = 8) -> list[RegistryError]:
    """Everything, as an engine does it; what went wrong on the way."""
    session = await opened(client, endpoint)
    errors: list[RegistryError] = []
    for _ in range(most):
        try:
            await session.append(Pieces(session.offset), SIZE - session.offset)
            if session.offset == SIZE:
                await session.finish()
                return errors
        except RegistryError as error:
            errors.append(error)
            settled = await session.settle() if upload_broken(error) else None
            if not upload_broken(error) and not upload_lost(error):
                raise
            if settled is None:
                session = await opened(client, endpoint)
    raise AssertionError(f"it never arrived: {errors}")


def stored(registry: HostileRegistry) -> dict[str, bytes]:
    """The blobs that the registry has."""
    held = registry.store.repositories.get(REPOSITORY)
    return held.blobs if held else {}


RIGHT = {str(DIGEST): CONTENT}
