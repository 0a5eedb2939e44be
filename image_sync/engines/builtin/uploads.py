"""Unfinished uploads of ours, kept so that another attempt goes on with them.

Whoever attempts the blob next takes its upload over, whichever repository it lies in: the bytes
that are there need not come from the source again. What nobody takes is deleted at the registry.
"""

from collections import OrderedDict, deque

import anyio
import msgspec

from image_sync.engines.builtin.flights import Key
from image_sync.engines.builtin.sides import Session
from image_sync.engines.builtin.transfer import Upload
from image_sync.model import Endpoint
from image_sync.oci import Repository
from image_sync.runtime.parallel import for_each

_MOST = 64
"""Uploads that are kept; one holds at most 130 kB here, and what was sent at the registry."""
_MOST_UNWANTED = 1000
"""Uploads that wait for being deleted, of about 2 kB each; registries collect the others."""
_OLDEST = 3600.0
"""Seconds that one is kept without getting further: registries collect what is older (Zot's
gcDelay)."""
_DELETIONS = 8
"""Uploads that are deleted at once."""


class Kept(msgspec.Struct, frozen=True):
    """An upload that nobody works on.

    Attributes:
        endpoint: The repository that it lies in.
    """

    endpoint: Endpoint
    upload: Upload


class Uploads:
    """All that are kept, by blob and cache."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._unwanted: deque[Session] = deque(maxlen=_MOST_UNWANTED)

    def keep(self, key: Key, endpoint: Endpoint, upload: Upload) -> None:
        """Keep an upload; of two for the same blob the one that got further, or the later one.

        How long it is kept counts from when it was first left with what it has: one that does not
        get any further is given up some day.
        """
        if upload.sent > upload.left_with:
            upload.left_with, upload.left_at = upload.sent, anyio.current_time()
        other = self._kept.get(key)
        if other and other.upload.sent > upload.sent:
            self._unwanted.append(upload.session)
            return
        self.drop(key)
        self._kept[key] = Kept(endpoint, upload)
        while len(self._kept) > _MOST:
            self._give_up(next(iter(self._kept)))

    def get(self, key: Key) -> Kept | None:
        """The upload of a blob, wherever it lies; None if there is none."""
        return self._kept.get(key)

    def take(self, key: Key, repository: Repository) -> Upload | None:
        """The upload of a blob in a repository, None if there is none; it is not kept any more."""
        kept = self._kept.get(key)
        if kept is None or kept.endpoint.repository != repository:
            return None
        return self._kept.pop(key).upload

    def drop(self, key: Key) -> None:
        """Keep the upload of a blob no longer, if there is one: the blob is there without it."""
        if key in self._kept:
            self._give_up(key)

    async def tidy(self) -> None:
        """Delete what is too old, and what found no place."""
        young = anyio.current_time() - _OLDEST
        for key in [key for key, kept in self._kept.items() if kept.upload.left_at < young]:
            self._give_up(key)
        await self._delete()

    async def aclose(self) -> None:
        """Delete all that are left."""
        for key in list(self._kept):
            self._give_up(key)
        await self._delete()

    def _give_up(self, key: Key) -> None:
        self._unwanted.append(self._kept.pop(key).upload.session)

    async def _delete(self) -> None:
        """Delete what is not wanted; what there was no time for is left for the next time."""
        left = set(self._unwanted)
        self._unwanted.clear()

        async def delete(session: Session) -> None:
            await session.cancel()
            left.remove(session)

        try:
            await for_each(delete, list(left), workers=_DELETIONS)
        finally:
            self._unwanted.extend(left)
