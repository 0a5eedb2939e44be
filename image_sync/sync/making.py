"""Y from X: what the cache should hold, and the manifests of it that the source does not have.

What is wanted of an image is `plan.choose`'s business, how Docker's types become the OCI's
`oci/conversion.py`'s; here those manifests are read that this takes.
"""

import msgspec

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.model import ImageSpec
from image_sync.oci import Descriptor, Digest, Manifest, ManifestError, conversion, mediatypes
from image_sync.registry import RegistryClient, read_tree
from image_sync.sync.checked import Checked
from image_sync.sync.plan import Copy, choose


class Made(msgspec.Struct, frozen=True):
    """What the cache should hold.

    Attributes:
        expected: Y; always sha256.
        manifests: Those of it that the source does not have, top first.
        converted: Something in it was of Docker's types.
    """

    expected: Digest
    manifests: tuple[Manifest, ...] = ()
    converted: bool = False


class Maker:
    """Makes what the cache should hold.

    Args:
        client: For reading manifests at the source.
    """

    def __init__(self, client: RegistryClient) -> None:
        self._client = client

    def reads(self, spec: ImageSpec, x: Manifest, *, convert: bool) -> int:
        """How many manifests `make` has to read beside X.

        Raises:
            RegistryError: What is wanted cannot be made of X.
        """
        chosen = _chosen(spec, x)
        if not convert or not _is_suspect(chosen):
            return 0
        return 1 if isinstance(chosen, Descriptor) else len(chosen.children)

    async def make(self, spec: ImageSpec, x: Manifest, *, convert: bool) -> Made:
        """What the cache should hold when the source holds X.

        Args:
            spec: The image.
            x: What its source holds.
            convert: Manifests of Docker's types become the OCI's.

        Raises:
            RegistryError: What is wanted cannot be made of X, or manifests below it not be read.
        """
        chosen = _chosen(spec, x)
        if convert and _is_suspect(chosen):
            made = await self._converted(spec, x, chosen)
            if made:
                return Made(made[0].digest, made, converted=True)
        if isinstance(chosen, Descriptor):
            return Made(chosen.digest)
        expected = Digest.of(chosen.content)
        if expected == x.digest:
            return Made(expected)
        return Made(expected, (msgspec.structs.replace(chosen, digest=expected),))

    async def made(self, checked: Checked) -> tuple[Manifest, ...]:
        """The manifests of what is to be copied that the source does not have, top first.

        Raises:
            RegistryError: They cannot be made; as NOT_FOUND if X does not become what was decided.
        """
        spec, x = checked.spec, checked.made_from
        if x is None:
            return ()
        manifest = await self._client.get_manifest(spec.source, spec.source.repository.digest(x))
        made = await self.make(spec, manifest, convert=checked.convert)
        if not isinstance(checked.decision, Copy) or made.expected != checked.decision.expected:
            raise RegistryError(
                f"{spec}: {x} becomes {made.expected}, and not what was remembered of it",
                ErrorKind.NOT_FOUND,
                side=Side.SOURCE,
            )
        return made.manifests

    async def _converted(
        self, spec: ImageSpec, x: Manifest, chosen: Manifest | Descriptor
    ) -> tuple[Manifest, ...]:
        """All of it is read: a copy needs the rest as well, and the client keeps it for that."""
        if isinstance(chosen, Descriptor):
            source, at_hand = chosen.digest, {}
        else:
            source, at_hand = Digest.of(x.content), {chosen.digest: chosen}
        tree = await read_tree(self._client, spec.source, chosen.digest, at_hand)
        below = {manifest.digest: manifest for manifest in tree.manifests}
        try:
            return conversion.convert(tree.top, below, source)
        except ManifestError as error:
            raise _unfit(spec, error) from error


def _chosen(spec: ImageSpec, x: Manifest) -> Manifest | Descriptor:
    try:
        return choose(spec, x)
    except ManifestError as error:
        raise _unfit(spec, error) from error


def _is_suspect(chosen: Manifest | Descriptor) -> bool:
    """True if something of Docker's types may be in it."""
    if isinstance(chosen, Descriptor):
        return conversion.is_suspect(chosen)
    docker = chosen.media_type in mediatypes.DOCKER
    return docker or any(map(conversion.is_suspect, chosen.children))


def _unfit(spec: ImageSpec, error: ManifestError) -> RegistryError:
    return RegistryError(f"{spec}: {error}", ErrorKind.BAD_CONTENT, side=Side.SOURCE)
