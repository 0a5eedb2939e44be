"""What the cache should hold, by reading X at the source, where nothing that is known tells it.

Every GET here may count as a pull, and none is spent that is reserved.
"""

from image_sync.errors import ErrorKind, ImageSyncError, RegistryError
from image_sync.model import ImageSpec, Reason
from image_sync.oci import Digest, Manifest
from image_sync.registry import RegistryClient
from image_sync.sync.hosts import Reserves
from image_sync.sync.making import Made, Maker
from image_sync.sync.plan import Absent, Answer, Defer, Fail, Held, Unknown, gone


class Deriver:
    """Finds out what X becomes.

    Args:
        client: For reading X.
        reserves: Says whether manifest GETs may be spent.
        maker: Knows what X becomes, and what has to be read for that.
    """

    def __init__(self, client: RegistryClient, reserves: Reserves, maker: Maker) -> None:
        self._client = client
        self._reserves = reserves
        self._maker = maker

    async def derive(
        self, spec: ImageSpec, x: Digest, *, convert: bool
    ) -> tuple[Answer, Made | Fail | Defer]:
        """What the source holds, and what it becomes or why that is not known.

        Args:
            spec: The image.
            x: What the source is taken to hold.
            convert: Manifests of Docker's types become the OCI's.
        """
        host = spec.source.host
        if not self._reserves.allows(host, 1):
            return Held(x, ""), Defer()
        try:
            with self._reserves.promising(host, 1):
                manifest = await self._manifest(spec, x)
        except ImageSyncError as error:
            return Unknown(error), Fail(Reason.SOURCE_UNKNOWN, error)
        if manifest is None:
            return Absent(), gone(spec)
        made = await self._make(spec, manifest, convert=convert)
        return Held(manifest.digest, manifest.media_type), made

    async def _make(
        self, spec: ImageSpec, manifest: Manifest, *, convert: bool
    ) -> Made | Fail | Defer:
        host = spec.source.host
        try:
            reads = self._maker.reads(spec, manifest, convert=convert)
        except RegistryError as error:
            return Fail(Reason.UNSUITABLE, error)
        if reads and not self._reserves.allows(host, reads):
            return Defer()
        try:
            with self._reserves.promising(host, reads):
                return await self._maker.make(spec, manifest, convert=convert)
        except ImageSyncError as error:
            return Fail(Reason.SOURCE_UNKNOWN, error)

    async def _manifest(self, spec: ImageSpec, x: Digest) -> Manifest | None:
        """The manifest X; what the tag holds now if X is not to be had (fault rows 30 and 55).

        None if the tag is gone meanwhile.

        Raises:
            RegistryError: Neither is to be had.
        """
        try:
            return await self._client.get_manifest(spec.source, spec.source.repository.digest(x))
        except RegistryError as error:
            lost = error.kind in {ErrorKind.NOT_FOUND, ErrorKind.BAD_CONTENT}
            if spec.pin or not lost:
                raise
            failure = error
        try:
            manifest = await self._client.get_manifest(spec.source, spec.source_reference)
        except RegistryError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                return None
            raise
        if manifest.digest == x:  # engines copy by digest, and that is not to be had
            raise failure
        head = await self._client.head_manifest(spec.source, spec.source_reference)
        if head and head.digest == x:  # it did not move: HEAD lies
            self._client.distrust_head(spec.source)
        return manifest
