"""Unfinished uploads of ours, kept so that another attempt goes on with them.

Whoever attempts the blob next takes its upload over, whichever repository it lies in: the bytes
that are there need not come from the source again. What nobody takes is deleted at the registry.
"""

from collections import OrderedDict

import anyio
import msgspec

from image_sync.engines.builtin.flights import Key
from image_sync.engines.builtin.transfer import Upload
from image_sync.model import Endpoint
from image_sync.runtime.parallel import for_each

_MOST = 64
"""Uploads that are kept; one holds at most 130 kB here, and what was sent at the registry."""
_OLDEST = 3600.0
"""Seconds that one is kept: registries collect what is older (Zot's gcDelay)."""
_DELETIONS = 8
"""Uploads that are deleted at once."""


class Kept(msgspec.Struct, frozen=True):
    """An upload that nobody works on.

    Attributes:
        endpoint: The repository that it lies in.
        since: When it was left, in seconds of the event loop's clock.
    """

    endpoint: Endpoint
    upload: Upload
    since: float


class Uploads:
    """All that are kept, by blob and cache."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._unwanted: list[Upload] = []

    def keep(self, key: Key, endpoint: Endpoint, upload: Upload) -> None:
        """Keep an upload; one that is kept for the same blob already is not needed any more."""
        self.drop(key)
        self._kept[key] = Kept(endpoint, upload, anyio.current_time())
        while len(self._kept) > _MOST:
            self._unwanted.append(self._kept.popitem(last=False)[1].upload)

    def take(self, key: Key) -> Kept | None:
        """The upload of a blob, None if there is none."""
        return self._kept.pop(key, None)

    def drop(self, key: Key) -> None:
        """Keep the upload of a blob no longer, if there is one: the blob is there without it."""
        kept = self.take(key)
        if kept:
            self._unwanted.append(kept.upload)

    async def tidy(self) -> None:
        """Delete what is too old, and what found no place."""
        young = anyio.current_time() - _OLDEST
        for key in [key for key, kept in self._kept.items() if kept.since < young]:
            self._unwanted.append(self._kept.pop(key).upload)
        await self._delete()

    async def aclose(self) -> None:
        """Delete all that are left."""
        while self._kept:
            self._unwanted.append(self._kept.popitem()[1].upload)
        await self._delete()

    async def _delete(self) -> None:
        unwanted, self._unwanted = self._unwanted, []
        await for_each(lambda upload: upload.session.cancel(), unwanted, workers=_DELETIONS)
