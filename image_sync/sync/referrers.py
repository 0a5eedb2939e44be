"""Signatures, attestations and SBOMs of cached images: which are missing, and bringing them.

What refers to a manifest by its `subject`, and what cosign keeps under tags made from the digest.
What refers to manifests of our own making is nobody's, and what the cache has beyond the source
stays there.

Not here: how lists are kept (`registry/referrers.py`), and when the image's own tag moves.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import msgspec

from image_sync.engines import Copied, CopyRequest, Engine
from image_sync.engines.base import Turn
from image_sync.errors import CopyError, EngineError, ErrorKind, RegistryError, Side
from image_sync.events import Emit
from image_sync.model import Endpoint, ImageSpec, Security
from image_sync.oci import AllPlatforms, Digest, Manifest
from image_sync.registry import RegistryClient, Tree, read_tree
from image_sync.registry.referrers import ReferrerLists
from image_sync.sync.bring import bounded
from image_sync.sync.hosts import Hosts, Reserves
from image_sync.sync.referrer_search import Referrer, ReferrerSearch, by_subject
from image_sync.sync.verify import verified_tree

__all__ = ["Referrer", "Referrers"]

_ITS_OWN = frozenset(
    {
        ErrorKind.NOT_FOUND,
        ErrorKind.BLOB_MISSING,
        ErrorKind.BAD_CONTENT,
        ErrorKind.BLOB_REFUSED,
        ErrorKind.REFUSED_BY_TARGET,
        ErrorKind.UNSUPPORTED,
    }
)
"""Kinds of failure that speak of one referrer, and leave hope for the others."""


class Referrers:
    """Finds and copies what refers to images.

    It remembers which repositories have no API for it, and what it warned of.

    Args:
        client: For all requests but those of copies.
        engine: Copies them.
        hosts: Know how connections turned out.
        reserves: Says whether manifest GETs may be spent.
        deadline: Seconds for each copy and each of the phases before and after it
            (`pull_timeout_secs`).
        emit: Told of what is left out.
    """

    def __init__(
        self,
        client: RegistryClient,
        engine: Engine,
        hosts: Hosts,
        reserves: Reserves,
        deadline: float,
        emit: Emit,
    ) -> None:
        self._client = client
        self._engine = engine
        self._hosts = hosts
        self._deadline = deadline
        self._lists = ReferrerLists(client)
        self._search = ReferrerSearch(client, self._lists, reserves, deadline, emit)

    @property
    def engine(self) -> str:
        """Who copies them."""
        return self._engine.name

    async def missing_of(self, spec: ImageSpec, digest: Digest) -> tuple[Referrer, ...]:
        """The same as `missing`, of an image that the cache holds under a digest.

        Raises:
            RegistryError: As there, or the image is not whole in the cache.
        """
        with self._bounded(spec, "reading its manifests"):
            tree = await read_tree(self._client, spec.target, digest)
        return await self.missing(spec, tree)

    async def missing(self, spec: ImageSpec, tree: Tree) -> tuple[Referrer, ...]:
        """What refers to an image at the source, and is not in the cache.

        Args:
            spec: The image.
            tree: It, as the cache holds it.

        Raises:
            RegistryError: A registry did not say.
        """
        return await self._search.missing(spec, tree)

    async def bring(self, spec: ImageSpec, missing: Sequence[Referrer], turn: Turn) -> Copied:
        """Copy referrers into the cache, where pullers find them.

        One that fails by itself does not keep the others away. Those that arrived stay.

        Args:
            spec: The image.
            missing: Which ones.
            turn: The image's place among the copies.

        Raises:
            EngineError: One could not be copied.
            CopyError: One arrived damaged, or is not found where it belongs.
            RegistryError: A registry did not do its part.
        """
        copies: list[Copied] = []
        failures: list[EngineError | CopyError | RegistryError] = []
        for subject, group in by_subject(missing):
            arrived: list[Manifest] = []
            for referrer in group:
                request = self._request(spec, referrer)
                try:
                    copied, manifest = await self._copy(spec, request, turn)
                    copies.append(copied)
                    if referrer.tag is None:
                        arrived.append(manifest)
                    else:
                        with self._bounded(spec, "tagging what refers to it"):
                            await self._tag(spec, referrer.tag, manifest)
                except (EngineError, CopyError, RegistryError) as error:
                    failures.append(error)
                    if error.kind not in _ITS_OWN:
                        raise
            with self._bounded(spec, "listing what refers to it"):
                await self._attach(spec, subject, arrived)
        if failures:
            raise failures[0]
        return _sum(copies)

    def _request(self, spec: ImageSpec, referrer: Referrer) -> CopyRequest:
        return CopyRequest(
            source=spec.source,
            target=spec.target,
            digest=referrer.digest,
            source_security=self._security(spec.source),
            target_security=self._security(spec.target),
            deadline=self._deadline,
        )

    def _security(self, endpoint: Endpoint) -> Security:
        """How a registry proved itself when it was asked for referrers."""
        return self._hosts.security(endpoint.host, endpoint.tls) or Security.VERIFIED

    async def _copy(
        self, spec: ImageSpec, request: CopyRequest, turn: Turn
    ) -> tuple[Copied, Manifest]:
        """What one copy moved, and the referrer as it arrived, whole."""
        refusal = await self._engine.refusal(request)
        if refusal:
            raise EngineError(refusal.why, refusal.kind, engine=self._engine.name)
        copied = await self._engine.copy(request, turn)
        artifact = msgspec.structs.replace(spec, platforms=AllPlatforms())  # it is for none
        blobs = not self._engine.vouches
        with self._bounded(spec, "reading back what refers to it"):
            tree = await verified_tree(self._client, artifact, request.digest, blobs=blobs)
        return copied, tree.top

    def _bounded(self, spec: ImageSpec, doing: str) -> AbstractContextManager[None]:
        return bounded(spec.target, doing, self._deadline)

    async def _tag(self, spec: ImageSpec, tag: str, manifest: Manifest) -> None:
        reference = spec.target.repository.tag(tag)
        await self._client.put_manifest(
            spec.target, reference, manifest.content, manifest.media_type
        )

    async def _attach(self, spec: ImageSpec, subject: Digest, arrived: Sequence[Manifest]) -> None:
        """Make sure that the cache lists referrers which it holds."""
        if not arrived:
            return
        listing = await self._lists.read(spec.target, subject)
        unlisted = tuple(manifest for manifest in arrived if listing.lacks(manifest.digest))
        if unlisted and listing.by_api:
            raise CopyError(
                f"{spec.target.repository}: {unlisted[0].digest} was stored, and is not listed "
                f"among the referrers of {subject}",
                ErrorKind.UNAVAILABLE,
                operation="commit",
                side=Side.TARGET,
            )
        if unlisted:
            await self._lists.extend(spec.target, subject, unlisted)


def _sum(copies: Sequence[Copied]) -> Copied:
    """What some copies moved together; None where one cannot say."""
    copied = [copy.bytes_copied for copy in copies]
    reused = [copy.bytes_reused for copy in copies]
    return Copied(
        None if None in copied else sum(each or 0 for each in copied),
        None if None in reused else sum(each or 0 for each in reused),
    )
