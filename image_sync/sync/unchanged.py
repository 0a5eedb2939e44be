"""A closer look at images that are unchanged: are they whole, and did referrers come late?

An unchanged image costs one HEAD at either side and nothing else, unless somebody asked for more:
its parts are examined when their turn has come (`examining.py`), and referrers are looked for where
they are wanted.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.model import Endpoint, ImageSpec
from image_sync.oci import Digest
from image_sync.registry import RegistryClient
from image_sync.sync.referrers import Referrer, Referrers
from image_sync.sync.verify import examine


class Found(msgspec.Struct, frozen=True):
    """What a closer look found; nothing, as a rule."""

    damaged: frozenset[Digest] = frozenset()
    referrers: tuple[Referrer, ...] = ()


_NOTHING = Found()
_DAMAGE = frozenset({ErrorKind.BLOB_MISSING, ErrorKind.BAD_CONTENT})
"""Kinds of failure at the cache behind which there may be damage."""


class Examines(Protocol):
    """What knows whether an unchanged image is whole."""

    async def damage(self, spec: ImageSpec, digest: Digest) -> frozenset[Digest]:
        """What of it is damaged in the cache; nothing where its turn has not come."""


class Unchanged:
    """Looks at unchanged images.

    Args:
        client: For asking the cache.
        referrers: Looks for referrers.
        examines: Looks for damage; None for nobody.
        holds: Told what the cache holds, so that other images can have blobs from there.
    """

    def __init__(
        self,
        client: RegistryClient,
        referrers: Referrers,
        examines: Examines | None,
        holds: Callable[[Endpoint, Digest], None],
    ) -> None:
        self._client = client
        self._referrers = referrers
        self._examines = examines
        self._holds = holds

    async def look(self, spec: ImageSpec, expected: Digest) -> Found:
        """What is wrong with an image although its tag names the right digest.

        Raises:
            RegistryError: A registry did not say.
        """
        if self._examines:
            damaged = await self._examines.damage(spec, expected)
            if damaged:
                return Found(damaged=damaged)
        self._holds(spec.target, expected)
        return await self._referring(spec, expected) if spec.referrers else _NOTHING

    async def _referring(self, spec: ImageSpec, expected: Digest) -> Found:
        """Referrers that the cache lacks; or damage, which is in the way of finding out."""
        try:
            return Found(referrers=await self._referrers.missing_of(spec, expected))
        except RegistryError as error:
            if error.side is not Side.TARGET or error.kind not in _DAMAGE:
                raise
        examined = await examine(self._client, spec.target, expected)
        if examined.damage:
            return Found(damaged=frozenset(part.digest for part in examined.damage))
        return Found(referrers=await self._referrers.missing_of(spec, expected))
