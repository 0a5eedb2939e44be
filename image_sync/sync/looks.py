"""Looking at the blobs of many images: each once, and only so many at a time.

How one blob is looked at is in `verify.py` and `proof.py`.
"""

import anyio

from image_sync.model import Damage, Endpoint
from image_sync.oci import Descriptor, Digest, Repository
from image_sync.registry import RegistryClient
from image_sync.sync.verify import Look

_Blob = tuple[Repository, Digest, int]


class SharedLook:
    """Looks at each blob of a repository once, however many images share it.

    Args:
        look: How.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._found: dict[_Blob, Damage | None] = {}
        self._looking: dict[_Blob, anyio.Lock] = {}  # not kept: there are millions of blobs

    async def __call__(
        self, client: RegistryClient, endpoint: Endpoint, blob: Descriptor
    ) -> Damage | None:
        """What is wrong with a blob, None if nothing is.

        Raises:
            RegistryError: The registry did not say; it is asked again next time.
        """
        key = (endpoint.repository, blob.digest, blob.size)
        if key not in self._found:
            async with self._looking.setdefault(key, anyio.Lock(fast_acquire=True)):
                if key not in self._found:
                    self._found[key] = await self._look(client, endpoint, blob)
                    del self._looking[key]
        return self._found[key]

    def forget_damage(self) -> None:
        """Look again at what was damaged."""
        self._found = {key: found for key, found in self._found.items() if not found}


def at_once(look: Look, most: int) -> Look:
    """The same look, so many at once."""
    limiter = anyio.CapacityLimiter(most)

    async def limited_look(
        client: RegistryClient, endpoint: Endpoint, blob: Descriptor
    ) -> Damage | None:
        async with limiter:
            return await look(client, endpoint, blob)

    return limited_look
