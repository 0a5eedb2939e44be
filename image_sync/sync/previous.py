"""Keeping the earlier images of a tag under `TAG.previous-1` and so on, the latest first.

A registry may drop an image the moment its last tag leaves it (Zot does: measured), while Pods
still run it. Nobody is told of these tags, and nobody checks them. A process that is killed in the
middle loses none of them, and the next one goes on where it ended.
"""

from image_sync.errors import ErrorKind, RegistryError
from image_sync.events import Emit, Warned
from image_sync.model import ImageSpec
from image_sync.oci import Digest, Reference
from image_sync.oci.previous import MOST, previous_tag
from image_sync.registry import RegistryClient
from image_sync.runtime.parallel import IMAGE_REQUESTS, for_each

_NOT_KEPT = frozenset(
    {
        ErrorKind.NOT_FOUND,
        ErrorKind.BAD_CONTENT,
        ErrorKind.BLOB_MISSING,
        ErrorKind.REFUSED_BY_TARGET,
    }
)
"""Kinds of failure that speak of the earlier image: it is damaged or refused, and stays that."""


class Previous:
    """The earlier images of one tag of the cache.

    Args:
        client: For the requests.
        spec: Whose tag it is.
        emit: Told of images that cannot be kept, and tags that cannot be removed.
    """

    def __init__(self, client: RegistryClient, spec: ImageSpec, emit: Emit) -> None:
        self._client = client
        self._spec = spec
        self._emit = emit

    async def keep(self, digest: Digest, most: int) -> None:
        """Have `previous-1` name an image, and those before it the next ones.

        Each is stored under its next name before its own is given away, the oldest first: at every
        moment, each but the one that falls out has a name.

        Args:
            digest: What the tag is about to leave.
            most: How many are kept, at least 1.

        Raises:
            RegistryError: The cache did not take one, and it is not the image's own doing.
        """
        named = await self._named(most)
        for number in range(place_to_fill(named, digest), 1, -1):
            if named[number - 1] != named[number - 2]:
                await self._name(number, named[number - 2])
        await self._name(1, digest)

    async def trim(self, most: int) -> None:
        """Remove the tags beyond a number, where the registry lets tags be removed."""
        number = most + 1
        try:
            while number <= MOST and await self._digest(number):
                number += 1
            while number > most + 1:  # the last one first, so that what is left has no gaps
                number -= 1
                if not await self._client.delete_tag(self._spec.target, self._tag(number)):
                    self._warn(f"{self._tag(number)} stays: this registry removes no tags")
                    return
        except RegistryError as error:
            self._warn(f"{self._tag(number)} is not removed: {error}")

    async def _named(self, most: int) -> list[Digest | None]:
        """What the tags name, the latest first."""
        named: list[Digest | None] = [None] * most

        async def look(place: int) -> None:
            named[place] = await self._digest(place + 1)

        await for_each(look, range(most), workers=IMAGE_REQUESTS)
        return named

    async def _digest(self, number: int) -> Digest | None:
        head = await self._client.head_manifest(self._spec.target, self._tag(number))
        return head.digest if head else None

    async def _name(self, number: int, digest: Digest | None) -> None:
        """Store an earlier image under one of the tags, by its manifest alone."""
        if digest is None:
            return
        target, tag = self._spec.target, self._tag(number)
        try:
            manifest = await self._client.get_manifest(target, target.repository.digest(digest))
            await self._client.put_manifest(target, tag, manifest.content, manifest.media_type)
        except RegistryError as error:
            if error.kind not in _NOT_KEPT:
                raise
            refused = error.kind is ErrorKind.REFUSED_BY_TARGET
            why = "the cache refuses it" if refused else "it is damaged in the cache"
            self._warn(f"{digest} cannot be kept as {tag}, {why}: {error}")

    def _tag(self, number: int) -> Reference:
        tag = previous_tag(self._spec.target_tag, number)
        return self._spec.target.repository.tag(tag)

    def _warn(self, message: str) -> None:
        self._emit(Warned("previous", f"{self._spec}: {message}"))


def place_to_fill(named: list[Digest | None], digest: Digest) -> int:
    """The number, from 1, of the first tag that can take another image without a loss.

    It is free, or names what another names: the new image, or one before it, when a process was
    killed between two steps. Otherwise it is the last, whose image falls out.
    """
    seen: set[Digest | None] = {None, digest}
    for number, each in enumerate(named, 1):
        if each in seen:
            return number
        seen.add(each)
    return len(named)
