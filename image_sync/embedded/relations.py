"""What the manifests of a repository need and refer to, and the same the other way round. Pure."""

from collections.abc import Iterable

from image_sync.oci import Digest, Manifest
from image_sync.oci.referrers import descriptor_of, subject_of
from image_sync.oci.strictjson import JSON


class Relations:
    """What each of some manifests needs, and which manifest it refers to.

    Args:
        manifests: By the digests that they are known under.
    """

    def __init__(self, manifests: Iterable[tuple[Digest, Manifest]] = ()) -> None:
        self._parts: dict[Digest, frozenset[Digest]] = {}
        self._subjects: dict[Digest, Digest] = {}
        self._needed_by: dict[Digest, set[Digest]] = {}
        self._referrers: dict[Digest, dict[Digest, JSON]] = {}
        for digest, manifest in manifests:
            self.add(digest, manifest)

    def add(self, digest: Digest, manifest: Manifest) -> None:
        """Know another manifest."""
        self._parts[digest] = frozenset(
            part.digest for part in (*manifest.children, *manifest.blobs)
        )
        for part in self._parts[digest]:
            self._needed_by.setdefault(part, set()).add(digest)
        subject = subject_of(manifest)
        if subject is not None:
            self._subjects[digest] = subject
            self._referrers.setdefault(subject, {})[digest] = descriptor_of(manifest, digest)

    def remove(self, digest: Digest) -> None:
        """Forget a manifest; nothing if it is not known."""
        for part in self._parts.pop(digest, ()):
            needing = self._needed_by[part]
            needing.discard(digest)
            if not needing:
                del self._needed_by[part]
        subject = self._subjects.pop(digest, None)
        if subject is not None:
            del self._referrers[subject][digest]
            if not self._referrers[subject]:
                del self._referrers[subject]

    def needing(self, digest: Digest) -> Digest | None:
        """A manifest that needs a blob or a manifest, None if none does."""
        return min(self._needed_by.get(digest, ()), default=None)

    def referrers(self, subject: Digest) -> list[JSON]:
        """The descriptors of what refers to a manifest, which need not be known itself."""
        return list(self._referrers.get(subject, {}).values())

    def reach(self, roots: Iterable[Digest]) -> set[Digest]:
        """Some manifests, what they need, what refers to any of it, and so on."""
        reached: set[Digest] = set()
        waiting = list(roots)
        while waiting:
            digest = waiting.pop()
            if digest not in reached:
                reached.add(digest)
                waiting.extend(self._parts.get(digest, ()))
                waiting.extend(self._referrers.get(digest, ()))
        return reached
