"""What a transfer lies between: a blob at a source, and a place for it at a target.

The protocols that `transfer.py` works with, and their fulfilment by registries.
"""

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from typing import Protocol

from image_sync.model import Endpoint
from image_sync.oci import Descriptor, Digest, Repository
from image_sync.registry import Mounted, RegistryClient, open_blob, open_upload


class Source(Protocol):
    """Where a blob comes from; as text, its name for people."""

    restarts: int
    """Times that it sent all of the blob although only the rest was asked for."""

    def read(self, offset: int) -> AsyncGenerator[bytes, None]:
        """The bytes from an offset to the end; one try.

        Raises:
            RegistryError: It broke, or there are more or fewer than there should be.
        """


class Session(Protocol):
    """A place in a registry that takes a blob's bytes in order."""

    offset: int
    """Bytes that it acknowledged."""

    @property
    def holds(self) -> int:
        """Bytes that it keeps in memory while they are sent."""

    async def append(self, content: AsyncIterable[bytes], size_left: int) -> None:
        """Send the bytes from the offset on; content that ends early is no error."""

    async def settle(self) -> int | None:
        """Ask how many bytes it has, after a failure; None if it is lost."""

    async def finish(self) -> None:
        """Make a blob of what was sent."""

    async def cancel(self) -> None:
        """Throw it away."""


class Target(Protocol):
    """Where a blob goes."""

    async def open(self) -> Session | None:
        """A new session; None if the registry found that it has the blob."""


class RegistrySource:
    """A blob at a registry."""

    def __init__(self, client: RegistryClient, endpoint: Endpoint, blob: Descriptor) -> None:
        self._client = client
        self._endpoint = endpoint
        self._blob = blob
        self.restarts = 0

    def __str__(self) -> str:
        return str(self._endpoint.repository)

    async def read(self, offset: int) -> AsyncGenerator[bytes, None]:
        """The bytes from an offset to the end."""
        async with (
            open_blob(self._client, self._endpoint, self._blob, offset) as download,
            aclosing(download.chunks()) as chunks,
        ):
            self.restarts += bool(download.skips)
            async for chunk in chunks:
                yield chunk


class RegistryTarget:
    """A repository that is to have a blob.

    Args:
        client: For the requests.
        endpoint: The repository.
        digest: The blob.
        mount_from: Another repository of the same registry that has it.
        find: False if the registry must not look for it: what it has is damaged.
        whole: False if the first session is to be streamed to, too, however small the blob is.
    """

    def __init__(
        self,
        client: RegistryClient,
        endpoint: Endpoint,
        digest: Digest,
        mount_from: Repository | None = None,
        *,
        find: bool = True,
        whole: bool = True,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._digest = digest
        self._mount_from = mount_from
        self._find = find
        self._whole = whole  # until there was a session: the next one is to keep what it got

    async def open(self) -> Session | None:
        """A new session; None if the registry has the blob, mounted or found by itself."""
        opened = await open_upload(
            self._client,
            self._endpoint,
            self._digest,
            mount_from=self._mount_from,
            find=self._find,
            whole=self._whole,
        )
        self._whole = False
        return None if isinstance(opened, Mounted) else opened
