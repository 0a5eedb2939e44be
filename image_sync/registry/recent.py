"""Manifests that were read a short while ago, so that they are not read, and paid for, again.

Only what was asked for by its digest, and hashed, belongs here: it cannot be stale. What a cache
holds is never remembered: whoever reads there wants to know whether it is there now.
"""

from collections import OrderedDict

from image_sync.oci import Digest, Manifest, Repository

MOST = 2 * 1024 * 1024
"""Bytes of manifests that are kept; those of 50 multi-platform images. What they say takes about
three times as much beside (measured)."""

_Key = tuple[Repository, Digest]


class RecentManifests:
    """The manifests that were used last, bounded by their bytes."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._bytes = 0
        self._kept: OrderedDict[_Key, Manifest] = OrderedDict()

    def get(self, repository: Repository, digest: Digest) -> Manifest | None:
        """A manifest, None if it is not at hand."""
        found = self._kept.get((repository, digest))
        if found is not None:
            self._kept.move_to_end((repository, digest))
        return found

    def keep(self, repository: Repository, digest: Digest, manifest: Manifest) -> None:
        """Remember a manifest; the ones that were not used for longest go."""
        known = self._kept.pop((repository, digest), None)
        self._bytes += len(manifest.content) - (len(known.content) if known else 0)
        self._kept[repository, digest] = manifest
        while self._bytes > self._most:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= len(gone.content)
