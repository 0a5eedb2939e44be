"""One repository: an OCI image layout in a folder, the one that Zot keeps for it.

OCI image spec 1.1, image-layout.md; OCI distribution spec 1.1. What a client was told is on the
disk: content first, then `index.json`, each written beside and renamed. So a crash loses nothing
that was acknowledged, and at worst leaves content that nothing refers to, which is collected.

Changes block and exclude each other: to be called in threads. Reading what is listed does not.
"""

import json
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from image_sync.embedded.blobs import BLOBS, Blobs
from image_sync.embedded.listing import Entry, Listing, ListingError
from image_sync.embedded.refusal import Code, RefusedError
from image_sync.errors import StoreError
from image_sync.oci import Digest, Manifest, ManifestError
from image_sync.oci.referrers import descriptor_of, subject_of
from image_sync.oci.strictjson import JSON
from image_sync.runtime.files import make_folder_durably, write_atomic

INDEX, LAYOUT = "index.json", "oci-layout"
_LAYOUT_CONTENT = json.dumps({"imageLayoutVersion": "1.0.0"}).encode()
"""OCI image spec 1.1, image-layout.md, section oci-layout file."""


class Stored(NamedTuple):
    """A manifest that was pushed.

    Attributes:
        digest: Its own.
        subject: What it refers to, None if nothing.
    """

    digest: Digest
    subject: Digest | None


class Collected(NamedTuple):
    """What was removed because nothing needs it.

    Attributes:
        manifests: How many.
        blobs: How many files, those of the manifests included.
        size: Bytes that are free by that.
    """

    manifests: int = 0
    blobs: int = 0
    size: int = 0


class Repository:
    """One repository.

    Args:
        name: Its name in the registry.
        folder: Its layout.

    Attributes:
        name: Its name.
        blobs: Its content.

    Raises:
        StoreError: Its `index.json` cannot be read.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.blobs = Blobs(folder)
        self._folder = folder
        self._changing = threading.RLock()
        self._listing = _read(folder / INDEX)
        self._referrers: dict[Digest, dict[Digest, JSON]] | None = None  # by subject

    @classmethod
    def create(cls, name: str, folder: Path) -> "Repository":
        """A repository that is new, or the one that is there."""
        if not (folder / INDEX).exists():
            make_folder_durably(folder / BLOBS)
            write_atomic(folder / LAYOUT, _LAYOUT_CONTENT)
            write_atomic(folder / INDEX, Listing().dump())
        return cls(name, folder)

    @property
    def is_empty(self) -> bool:
        """True if it has no manifest."""
        return not self._listing.manifests

    def tags(self) -> list[str]:
        """All its tags, in the order of their bytes."""
        return sorted(self._listing.tags)

    def find(self, name: str | Digest) -> Entry | None:
        """What a tag or a digest names."""
        if isinstance(name, Digest):
            return self._listing.manifests.get(name)
        return self._listing.tags.get(name)

    def put(
        self, content: bytes, media_type: str, digest: Digest | None, tags: Sequence[str]
    ) -> Stored:
        """Take a manifest all of whose parts are here, and have tags name it.

        Args:
            content: The manifest.
            media_type: Its Content-Type.
            digest: What it must have; None if nothing was said.
            tags: Which tags are to name it from now on.

        Raises:
            RefusedError: It is none, it has another digest, or something that it names is not here.
        """
        try:
            manifest = Manifest.parse(content, media_type)
        except ManifestError as error:
            raise RefusedError(Code.MANIFEST_INVALID, str(error)) from error
        if digest is None:
            digest = manifest.digest
        elif not digest.matches(content):
            raise RefusedError(Code.DIGEST_INVALID, f"the manifest is not {digest}")
        with self._changing:
            self._require_parts(manifest)
            left = [self._listing.tags[tag].digest for tag in tags if tag in self._listing.tags]
            self.blobs.write(digest, content)
            entry = Entry.make(digest, media_type or manifest.media_type, len(content))
            self._replace(self._listing.having(entry, tags))
            for former in left:
                self.blobs.touch(former)  # from now on nobody may need it
            subject = subject_of(manifest)
            if subject and self._referrers is not None:
                self._referrers.setdefault(subject, {})[digest] = descriptor_of(manifest, digest)
        return Stored(digest, subject)

    def delete(self, name: str | Digest) -> None:
        """Remove a tag, or a manifest with all its tags.

        Raises:
            RefusedError: It is not here, or an index that is here needs it.
        """
        with self._changing:
            entry = self.find(name)
            if entry is None:
                raise RefusedError(Code.MANIFEST_UNKNOWN, f"{self.name} has no {name}")
            if isinstance(name, str):
                self._replace(self._listing.without_tag(name))
                self.blobs.touch(entry.digest)
                return
            self._refuse_if_needed(name)
            self._remove([name])

    def delete_blob(self, digest: Digest) -> None:
        """Remove a blob.

        Raises:
            RefusedError: It is not here, or a manifest that is here needs it.
        """
        with self._changing:
            if self.blobs.size(digest) is None or digest in self._listing.manifests:
                raise RefusedError(Code.BLOB_UNKNOWN, f"{self.name} has no blob {digest}")
            self._refuse_if_needed(digest)
            self.blobs.delete(digest)

    def referrers(self, subject: Digest) -> list[JSON]:
        """The descriptors of the manifests that refer to one, which need not be here itself."""
        with self._changing:
            if self._referrers is None:
                self._referrers = self._find_referrers()
            return list(self._referrers.get(subject, {}).values())

    def collect(self, grace: float) -> Collected:
        """Remove what nothing needs: manifests that no tag leads to, and blobs of no manifest.

        A manifest is needed by a tag, by an index that is needed, or because it refers to a
        manifest that is needed. Where a manifest cannot be read nobody knows what it needs, and
        nothing is removed.

        Args:
            grace: Seconds for which everything stays that somebody counted on last.
        """
        with self._changing:
            documents = {digest: self._manifest(digest) for digest in self._listing.manifests}
            if not all(documents.values()):
                return Collected()
            manifests = {digest: found for digest, found in documents.items() if found}
            needed = self._needed(manifests)
            gone = [
                digest
                for digest in manifests
                if digest not in needed and self.blobs.age(digest) > grace
            ]
            kept = [found for digest, found in manifests.items() if digest not in set(gone)]
            size = self._remove(gone)
            parts = {part for manifest in kept for part in _parts(manifest)}
            parts.update(self._listing.manifests)
            loose = [
                digest
                for digest in self.blobs
                if digest not in parts and self.blobs.age(digest) > grace
            ]
            size += sum(map(self.blobs.delete, loose))
            return Collected(len(gone), len(gone) + len(loose), size)

    def _require_parts(self, manifest: Manifest) -> None:
        """Refuse a manifest that could not be pulled whole from here."""
        for child in manifest.children:
            if child.digest not in self._listing.manifests:
                text = f"the manifest {child.digest} is not in {self.name}: push it first"
                raise RefusedError(Code.MANIFEST_BLOB_UNKNOWN, text)
        for part in manifest.blobs:
            size = self.blobs.size(part.digest)
            if size is None:
                text = f"the blob {part.digest} is not in {self.name}: push it first"
                raise RefusedError(Code.MANIFEST_BLOB_UNKNOWN, text)
            if size != part.size:
                text = f"the blob {part.digest} has {size} bytes, and not {part.size}"
                raise RefusedError(Code.MANIFEST_INVALID, text)

    def _refuse_if_needed(self, digest: Digest) -> None:
        for other in self._listing.manifests:
            manifest = self._manifest(other)
            if manifest and digest in _parts(manifest):
                text = f"{self.name}@{other} needs {digest}: delete that first"
                raise RefusedError(Code.DENIED, text, status=409)

    def _remove(self, digests: Sequence[Digest]) -> int:
        """Remove manifests and their files; tells how many bytes are free by that."""
        if not digests:
            return 0
        self._replace(self._listing.without(digests))
        if self._referrers is not None:
            for referrers in self._referrers.values():
                for digest in digests:
                    referrers.pop(digest, None)
        return sum(self.blobs.delete(digest) for digest in digests if self.blobs.size(digest))

    def _replace(self, listing: Listing) -> None:
        write_atomic(self._folder / INDEX, listing.dump())
        self._listing = listing

    def _manifest(self, digest: Digest) -> Manifest | None:
        """A manifest that is listed, None if it cannot be read."""
        content = self.blobs.read(digest)
        if content is None:
            return None
        try:
            return Manifest.parse(content, self._listing.manifests[digest].media_type)
        except ManifestError:
            return None

    def _find_referrers(self) -> dict[Digest, dict[Digest, JSON]]:
        found: dict[Digest, dict[Digest, JSON]] = {}
        for digest in self._listing.manifests:
            manifest = self._manifest(digest)
            subject = manifest and subject_of(manifest)
            if manifest and subject:
                found.setdefault(subject, {})[digest] = descriptor_of(manifest, digest)
        return found

    def _needed(self, manifests: dict[Digest, Manifest]) -> set[Digest]:
        """The manifests that a tag leads to, and what refers to those."""
        refers: dict[Digest, list[Digest]] = {}
        for digest, manifest in manifests.items():
            subject = subject_of(manifest)
            if subject:
                refers.setdefault(subject, []).append(digest)
        needed: set[Digest] = set()
        waiting = [entry.digest for entry in self._listing.tags.values()]
        while waiting:
            digest = waiting.pop()
            if digest in needed or digest not in manifests:
                continue
            needed.add(digest)
            waiting.extend(child.digest for child in manifests[digest].children)
            waiting.extend(refers.get(digest, ()))
        return needed


def _parts(manifest: Manifest) -> Iterable[Digest]:
    """What a manifest names that a registry must have."""
    return [part.digest for part in (*manifest.children, *manifest.blobs)]


def _read(index: Path) -> Listing:
    try:
        return Listing.parse(index.read_bytes())
    except (OSError, ListingError) as error:
        text = f"{index} cannot be used: {error}; bring it back, or remove its folder"
        raise StoreError(text) from error
