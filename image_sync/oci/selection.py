"""An index with some of its platforms left out: OCI image spec 1.1, image-index.md.

What stays is the same to the letter and in the same order; only the list gets shorter. It has to
be a document of its own, because Zot and distribution 3 refuse an index of which a child is not
there.
"""

from collections.abc import Collection

from image_sync.oci import strictjson
from image_sync.oci.manifest import Descriptor, Manifest
from image_sync.oci.platform import Platform


def select(index: Manifest, platforms: Collection[Platform]) -> Manifest:
    """An index of the children for some platforms, the same bytes for the same input.

    A child that names no platform (an artifact, an index below the index) belongs to them all and
    stays. An attestation stays with the child that it speaks of. An index of which no other child
    has to go is the answer itself.

    Raises:
        ManifestError: It cannot be written anew.
    """
    children = [child for child in index.children if child.attests is None]
    kept = {child.digest for child in children if _is_for(child, platforms)}
    if all(_is_for(child, platforms) for child in children):
        return index
    document = index.document()
    entries = document["manifests"]
    assert isinstance(entries, list), f"{index.digest} was parsed, and is no index"  # noqa: S101
    document["manifests"] = [
        entry
        for entry, child in zip(entries, index.children, strict=True)
        if (child.attests in kept if child.attests else _is_for(child, platforms))
    ]
    return Manifest.parse(strictjson.dump(document), index.media_type)


def _is_for(child: Descriptor, platforms: Collection[Platform]) -> bool:
    return child.platform is None or child.platform in platforms
