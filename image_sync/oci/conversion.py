"""Manifests of Docker's types as the OCI's: image spec 1.1, media-types.md, Compatibility Matrix.

Only media types change, and what follows from that: the digests and sizes by which indexes name
their children, and the digests by which attestations name their siblings. Configs and layers are
the same bytes, so nothing that a runtime reads is lost; Zot's own sync converts likewise. What
stands inside attestations and signatures still speaks of the source's digests.
"""

from collections.abc import Mapping

from image_sync.oci import mediatypes, strictjson
from image_sync.oci.digest import Digest
from image_sync.oci.manifest import REFERENCE_DIGEST, Descriptor, Manifest, ManifestError
from image_sync.oci.strictjson import JSON

SOURCE_DIGEST = "vnd.image-sync.source.digest"
"""Annotation of a converted image: the digest of what it was made from at the source."""
_SUSPECT = mediatypes.DOCKER | {mediatypes.OCI_INDEX}


def is_suspect(child: Descriptor) -> bool:
    """True if a child may be of Docker's types, or something below it: it has to be read."""
    return child.media_type in _SUSPECT


def is_converted(manifest: Manifest) -> bool:
    """True if a manifest is the top of an image that was converted."""
    annotations = manifest.document().get("annotations")
    return isinstance(annotations, dict) and SOURCE_DIGEST in annotations


def convert(
    top: Manifest, below: Mapping[Digest, Manifest], source: Digest
) -> tuple[Manifest, ...]:
    """The manifests that stand for those of an image that change, top first.

    None do if nothing in it is of Docker's types. The same input gives the same bytes.

    Args:
        top: The image.
        below: At least its suspect children, and theirs, by the digests that name them.
        source: What it is made from: goes into the annotation of the top.

    Raises:
        ManifestError: One is not at hand, or cannot be written anew.
    """
    conversion = _Conversion(below)
    conversion.converted(top, source)
    return tuple(reversed(conversion.made.values()))


class _Conversion:
    """One image's conversion; `made` has children before their parents."""

    def __init__(self, below: Mapping[Digest, Manifest]) -> None:
        self.made: dict[Digest, Manifest] = {}
        self._below = below
        self._done: dict[Digest, Manifest] = {}

    def converted(self, manifest: Manifest, source: Digest | None = None) -> Manifest:
        """What stands for a manifest: itself where nothing changes."""
        document = manifest.document()
        changes = self._rename_children(manifest, document)
        if manifest.media_type not in mediatypes.DOCKER and not changes:
            return manifest
        media_type = mediatypes.OCI_FOR_DOCKER.get(manifest.media_type, manifest.media_type)
        document["mediaType"] = media_type
        for blob in _objects([document.get("config")]) + _objects(document.get("layers")):
            _retype(blob)
        if source:
            _annotate(document, source)
        made = Manifest.parse(strictjson.dump(document), media_type)
        self.made[made.digest] = made
        return made

    def _rename_children(self, index: Manifest, document: dict[str, JSON]) -> bool:
        """Have an index name what stands for its children; whether that changes it."""
        new = {child.digest: self._child(child) for child in index.children if is_suspect(child)}
        changes = False
        entries = _objects(document.get("manifests"))
        for entry, child in zip(entries, index.children, strict=True):
            made = new.get(child.digest)
            if made and (made.digest, made.media_type) != (child.digest, child.media_type):
                entry |= {
                    "mediaType": made.media_type,
                    "digest": str(made.digest),
                    "size": len(made.content),
                }
                entry.pop("data", None)  # the old content
                changes = True
            subject = new.get(child.attests) if child.attests else None
            if subject and isinstance(notes := entry.get("annotations"), dict):
                notes[REFERENCE_DIGEST] = str(subject.digest)
        return changes

    def _child(self, child: Descriptor) -> Manifest:
        held = self._below.get(child.digest)
        if held is None:
            raise ManifestError(f"the child {child.digest} is not at hand")
        if child.digest not in self._done:
            self._done[child.digest] = self.converted(held)
        return self._done[child.digest]


def _objects(entries: JSON) -> list[dict[str, JSON]]:
    entries = entries if isinstance(entries, list) else []
    return [entry for entry in entries if isinstance(entry, dict)]


def _retype(descriptor: dict[str, JSON]) -> None:
    media_type = descriptor["mediaType"]
    if isinstance(media_type, str):
        descriptor["mediaType"] = mediatypes.OCI_FOR_DOCKER.get(media_type, media_type)


def _annotate(document: dict[str, JSON], source: Digest) -> None:
    annotations = document.get("annotations")
    if annotations is None:
        annotations = {}
    if not isinstance(annotations, dict):
        raise ManifestError("the annotations are not an object")
    document["annotations"] = annotations | {SOURCE_DIGEST: str(source)}
