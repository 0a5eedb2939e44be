"""Whether a cache takes pushes: an upload is begun and taken back, and no byte is sent.

In the repository of an image, because what an account may do differs by repository. Zot makes that
repository by this, as the first pass would; distribution leaves an empty folder, which it clears
away with other abandoned uploads (measured on 3.1.2).
"""

import anyio

from image_sync.model import Endpoint
from image_sync.oci import Digest
from image_sync.registry import RegistryClient, UploadSession, open_upload

_NOTHING = Digest.of(b"")
"""What the upload would be of; a registry is told only at the end, which never comes."""
_TAKING_BACK = 5.0
"""Seconds for the request that ends an upload, whatever ends us."""


async def try_push(client: RegistryClient, endpoint: Endpoint) -> None:
    """Begin an upload, and take it back.

    Raises:
        RegistryError: The registry does not allow it, or does not answer.
    """
    opened = await open_upload(client, endpoint, _NOTHING, find=False)
    if isinstance(opened, UploadSession):
        with anyio.move_on_after(_TAKING_BACK, shield=True):
            await opened.cancel()
