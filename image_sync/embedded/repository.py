"""One repository: an OCI image layout in a folder, the one that Zot keeps for it.

OCI image spec 1.1, image-layout.md; OCI distribution spec 1.1. What a client was told is on the
disk: content first, then `index.json`, each written beside and renamed. So a crash loses nothing
that was acknowledged, and at worst leaves content that nothing refers to, which is collected.

Changes block and exclude each other: to be called in threads. Reading what is listed does not.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from image_sync.embedded.blobs import BLOBS, Blobs
from image_sync.embedded.listing import Entry, Listing, ListingError
from image_sync.embedded.refusal import Code, RefusedError
from image_sync.embedded.relations import Relations
from image_sync.errors import StoreError
from image_sync.oci import Digest, Manifest, ManifestError
from image_sync.oci.referrers import subject_of
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
        unreadable: Manifests that cannot be read; their repositories were left as they are.
    """

    manifests: int = 0
    blobs: int = 0
    size: int = 0
    unreadable: int = 0


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
        self._closed = False
        self._listing = _read(folder / INDEX)
        self._known: Relations | None = None

    @classmethod
    def create(cls, name: str, folder: Path) -> "Repository":
        """A repository that is new, or the one that is there."""
        if not (folder / INDEX).exists():
            make_folder_durably(folder / BLOBS)
            staging = Blobs(folder).prepare_uploads()
            write_atomic(folder / LAYOUT, _LAYOUT_CONTENT, staging=staging)
            write_atomic(folder / INDEX, Listing().dump(), staging=staging)
        return cls(name, folder)

    def close(self) -> None:
        """Have it changed no more; waits for the change that is being made."""
        with self._changing:
            self._closed = True

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
        entry = Entry.make(digest, manifest.media_type, len(content))
        with self._change():
            self._require_parts(manifest)
            self._keep(entry, content, tags)
            if self._known is not None:
                self._known.add(digest, manifest)
        return Stored(digest, subject_of(manifest))

    def delete(self, name: str | Digest) -> None:
        """Remove a tag, or a manifest with all its tags.

        Raises:
            RefusedError: It is not here, or an index that is here needs it.
        """
        with self._change():
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
        with self._change():
            if self.blobs.size(digest) is None or digest in self._listing.manifests:
                raise RefusedError(Code.BLOB_UNKNOWN, f"{self.name} has no blob {digest}")
            self._refuse_if_needed(digest)
            self.blobs.delete(digest)

    def referrers(self, subject: Digest) -> list[JSON]:
        """The descriptors of the manifests that refer to one, which need not be here itself."""
        with self._changing:
            return self._relations().referrers(subject)

    def collect(self, grace: float) -> Collected:
        """Remove what nothing needs: manifests that no tag leads to, and blobs of no manifest.

        A manifest is needed by a tag, by an index that is needed, or because it refers to a
        manifest that is needed. Where a manifest cannot be read nobody knows what it needs, and
        nothing is removed.

        Args:
            grace: Seconds for which everything stays that somebody counted on last, with all that
                it needs.
        """
        with self._change():
            found = {digest: self._manifest(digest) for digest in self._listing.manifests}
            unreadable = sum(manifest is None for manifest in found.values())
            unreadable += len(self._listing.strange)
            if unreadable:
                return Collected(unreadable=unreadable)
            relations = Relations((digest, each) for digest, each in found.items() if each)
            tagged = [entry.digest for entry in self._listing.tags.values()]
            recent = [digest for digest in found if self.blobs.age(digest) <= grace]
            needed = relations.reach([*tagged, *recent])
            gone = [digest for digest in found if digest not in needed]
            size = self._remove(gone)
            loose = 0
            for digest in [each for each in self.blobs if each not in needed]:
                if self.blobs.age(digest) > grace:  # looked at last: it may be asked for just now
                    size += self.blobs.delete(digest)
                    loose += 1
            return Collected(len(gone), len(gone) + loose, size)

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Exclude other changes.

        Raises:
            RefusedError: It is closed: what is listed here may be out of date by now.
        """
        with self._changing:
            if self._closed:
                raise RefusedError(Code.DENIED, "the registry is ending", status=503)
            yield

    def _keep(self, entry: Entry, content: bytes, tags: Sequence[str]) -> None:
        """Have a manifest on the disk, and then listed; what is so already is not written again."""
        former = [self._listing.tags[tag].digest for tag in tags if tag in self._listing.tags]
        listed = entry.digest in self._listing.manifests
        if listed and self.blobs.read(entry.digest) is not None:
            self.blobs.touch(entry.digest)
        else:
            self.blobs.write(entry.digest, content)
        if not self._listing.has(entry.digest, tags):
            self._replace(self._listing.having(entry, tags))
        for digest in former:
            self.blobs.touch(digest)  # from now on nobody may need it

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
        other = self._relations().needing(digest)
        if other is not None:
            text = f"{self.name}@{other} needs {digest}: delete that first"
            raise RefusedError(Code.DENIED, text, status=409)

    def _relations(self) -> Relations:
        """Between the manifests that are listed and can be read; all are read once for it."""
        if self._known is None:
            found = ((digest, self._manifest(digest)) for digest in self._listing.manifests)
            self._known = Relations((digest, manifest) for digest, manifest in found if manifest)
        return self._known

    def _remove(self, digests: Sequence[Digest]) -> int:
        """Remove manifests and their files; tells how many bytes are free by that."""
        if not digests:
            return 0
        self._replace(self._listing.without(digests))
        if self._known is not None:
            for digest in digests:
                self._known.remove(digest)
        return sum(self.blobs.delete(digest) for digest in digests if self.blobs.size(digest))

    def _replace(self, listing: Listing) -> None:
        staging = self.blobs.prepare_uploads()
        write_atomic(self._folder / INDEX, listing.dump(), staging=staging)
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


def _read(index: Path) -> Listing:
    try:
        return Listing.parse(index.read_bytes())
    except (OSError, ListingError) as error:
        text = f"{index} cannot be used: {error}; bring it back, or remove its folder"
        raise StoreError(text) from error
