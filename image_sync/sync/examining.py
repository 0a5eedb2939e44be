"""What tells a pass which unchanged images are damaged: examining them in turn, or knowing already.

What an examination is stands in `verify.py`, whose turn it is in `rounds.py`; what follows from
damage is the runner's.
"""

from collections.abc import Mapping

from image_sync.errors import RegistryError
from image_sync.events import Emit, Warned
from image_sync.model import ImageSpec
from image_sync.oci import Digest, Reference
from image_sync.registry import RegistryClient
from image_sync.sync.rounds import Rounds
from image_sync.sync.verify import examine


class Scheduled:
    """Examines unchanged images in their turn.

    Args:
        client: For asking the cache.
        rounds: Whose turn it is.
        emit: Told of images that could not be examined; their turn stays.
    """

    def __init__(self, client: RegistryClient, rounds: Rounds, emit: Emit) -> None:
        self._client = client
        self._rounds = rounds
        self._emit = emit

    async def damage(self, spec: ImageSpec, digest: Digest) -> frozenset[Digest]:
        """What of an image is damaged in the cache; nothing where it is not its turn."""
        if not self._rounds.take(spec.target_reference):
            return frozenset()
        try:
            examined = await examine(self._client, spec.target, digest)
        except RegistryError as error:
            self._emit(Warned("verify", f"{spec}: what the cache holds is unverified: {error}"))
            return frozenset()
        if not examined.damage:
            self._rounds.done(spec.target_reference)
        return frozenset(damage.digest for damage in examined.damage)


class KnownDamage:
    """What was found damaged before a pass.

    Args:
        damage: The damaged parts of each image, by its place in the cache.
    """

    def __init__(self, damage: Mapping[Reference, frozenset[Digest]]) -> None:
        self._damage = damage

    async def damage(self, spec: ImageSpec, digest: Digest) -> frozenset[Digest]:  # noqa: ARG002
        """What of an image is damaged in the cache."""
        return self._damage.get(spec.target_reference, frozenset())
