"""Which manifests and tags a repository has, as its `index.json` says it.

OCI image spec 1.1, image-layout.md, section index.json file: each tag is an entry with the
annotation `org.opencontainers.image.ref.name`, and a manifest without a tag is an entry without it,
as Zot keeps it. What other programs wrote into an entry stays in it. Pure: no file is touched.
"""

from collections.abc import Iterable, Iterator
from typing import Self

import msgspec

from image_sync.oci import Digest, mediatypes, strictjson
from image_sync.oci.reference import parse_tag
from image_sync.oci.strictjson import JSON

REF_NAME = "org.opencontainers.image.ref.name"
"""The annotation with a tag: OCI image spec 1.1, annotations.md."""


class ListingError(ValueError):
    """An `index.json` is none."""


class Entry(msgspec.Struct, frozen=True):
    """One manifest under one name.

    Attributes:
        digest: Of the manifest.
        media_type: As it was pushed.
        size: Bytes.
        tag: Its tag, None if it has none.
        document: The whole descriptor.
    """

    digest: Digest
    media_type: str
    size: int
    tag: str | None
    document: dict[str, JSON]

    @classmethod
    def make(cls, digest: Digest, media_type: str, size: int) -> Self:
        """The entry of a manifest without a tag."""
        document: dict[str, JSON] = {"mediaType": media_type, "digest": str(digest), "size": size}
        return cls(digest, media_type, size, None, document)

    def under(self, tag: str | None) -> Self:
        """The same manifest under another name."""
        given = self.document.get("annotations")
        annotations = dict(given) if isinstance(given, dict) else {}
        annotations.pop(REF_NAME, None)
        if tag is not None:
            annotations[REF_NAME] = tag
        document = {key: value for key, value in self.document.items() if key != "annotations"}
        if annotations:
            document["annotations"] = annotations
        return msgspec.structs.replace(self, tag=tag, document=document)


class Listing:
    """The manifests and tags of a repository at one moment; never changed, only replaced.

    Args:
        entries: In the order of the file. Of two with the same tag the later one counts.
        strange: Entries that no registry wrote. They stay in the file, and nobody is served them.

    Attributes:
        tags: What each tag names.
        manifests: Every manifest by its digest, under any of its names.
        strange: As given.
    """

    def __init__(self, entries: Iterable[Entry] = (), strange: Iterable[JSON] = ()) -> None:
        self.tags: dict[str, Entry] = {}
        self.manifests: dict[Digest, Entry] = {}
        self.strange = tuple(strange)
        for entry in entries:
            self.manifests[entry.digest] = entry
            if entry.tag is not None:
                self.tags[entry.tag] = entry

    def __iter__(self) -> Iterator[Entry]:
        """The entries of the file: every tag, and what has none."""
        yield from self.tags.values()
        tagged = {entry.digest for entry in self.tags.values()}
        for entry in self.manifests.values():
            if entry.digest not in tagged:  # its last tag may name another by now
                yield entry if entry.tag is None else entry.under(None)

    def has(self, digest: Digest, tags: Iterable[str]) -> bool:
        """True if a manifest is here and these tags name it."""
        named = [self.tags.get(tag) for tag in tags]
        return digest in self.manifests and all(each and each.digest == digest for each in named)

    def having(self, entry: Entry, tags: Iterable[str]) -> "Listing":
        """With a manifest, and these tags naming it."""
        known = self.manifests.get(entry.digest)
        kept = known if known and known.media_type == entry.media_type else entry
        added = [kept.under(None), *(kept.under(tag) for tag in tags)]
        return Listing([*self, *added], self.strange)

    def without_tag(self, tag: str) -> "Listing":
        """Without a tag; what it named stays."""
        gone = self.tags[tag]
        kept = [entry for entry in self if entry.tag != tag]
        return Listing([*kept, gone.under(None)], self.strange)

    def without(self, digests: Iterable[Digest]) -> "Listing":
        """Without some manifests and all their tags."""
        gone = frozenset(digests)
        return Listing((entry for entry in self if entry.digest not in gone), self.strange)

    def dump(self) -> bytes:
        """The file."""
        return strictjson.dump(
            {
                "schemaVersion": 2,
                "mediaType": mediatypes.OCI_INDEX,
                "manifests": [*(entry.document for entry in self), *self.strange],
            }
        )

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """What a file says.

        Raises:
            ListingError: It is not the index of a layout.
        """
        try:
            document = strictjson.parse(content)
        except ValueError as error:
            raise ListingError(str(error)) from error
        entries = document.get("manifests") if isinstance(document, dict) else None
        if entries is None:  # Go writes a list of none as null
            entries = []
        if not isinstance(document, dict) or not isinstance(entries, list):
            raise ListingError("it is no index of manifests")
        read = [(document, _entry(document)) for document in entries if document is not None]
        strange = [document for document, entry in read if entry is None]
        return cls((entry for _, entry in read if entry is not None), strange)


def _entry(document: JSON) -> Entry | None:
    if not isinstance(document, dict):
        return None
    media_type, size = document.get("mediaType"), document.get("size")
    annotations = document.get("annotations")
    tag = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
    if not isinstance(media_type, str) or not isinstance(size, int):
        return None
    try:
        digest = Digest.parse(str(document.get("digest")))
        return Entry(
            digest, media_type, size, parse_tag(tag) if isinstance(tag, str) else None, document
        )
    except ValueError:
        return None
