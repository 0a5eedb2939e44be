"""What refers to a manifest, and by which names: signatures, attestations, SBOMs.

OCI image spec 1.1, manifest.md, `subject`; OCI distribution spec 1.1, sections Referrers Tag Schema
and Pushing Manifests with Subject. Cosign's tags are its own: SIGNATURE_SPEC.md of sigstore/cosign,
section Tag-based discovery.

Not here: asking registries (`registry/referrers.py`).
"""

from collections.abc import Iterable

from image_sync.oci import mediatypes, strictjson
from image_sync.oci.digest import Digest
from image_sync.oci.manifest import MAX_MANIFEST, Manifest, ManifestError
from image_sync.oci.strictjson import JSON

_COSIGN = ("sig", "att", "sbom")
_MAX_HEX = 64  # characters of the digest in the tag: Referrers Tag Schema, `ref`


def fallback_tag(subject: Digest) -> str:
    """The tag of the index that lists a manifest's referrers where the API is missing."""
    return f"{subject.algorithm}-{subject.hex[:_MAX_HEX]}"


def cosign_tags(subject: Digest) -> tuple[str, ...]:
    """The tags under which cosign keeps what it has of a manifest; none for long digests."""
    if len(subject.hex) > _MAX_HEX:  # the tag would be longer than tags may be
        return ()
    return tuple(f"{fallback_tag(subject)}.{kind}" for kind in _COSIGN)


def subject_of(manifest: Manifest) -> Digest | None:
    """The digest of what a manifest refers to; None if it refers to nothing."""
    subject = manifest.document().get("subject")
    try:
        return Digest.parse(str(subject.get("digest"))) if isinstance(subject, dict) else None
    except ValueError:
        return None


def descriptor_of(manifest: Manifest, digest: Digest | None = None) -> JSON:
    """The descriptor that lists a referrer: Pushing Manifests with Subject, steps 4 and 5.

    Args:
        manifest: The referrer.
        digest: Under which it is known, if not under its sha256.
    """
    document = manifest.document()
    kind = document.get("artifactType") or (manifest.config and manifest.config.media_type)
    annotations = document.get("annotations")
    return {
        "mediaType": manifest.media_type,
        "digest": str(digest or manifest.digest),
        "size": len(manifest.content),
        **({"annotations": annotations} if annotations else {}),
        **({"artifactType": kind} if isinstance(kind, str) else {}),
    }


def listing(index: Manifest | None, added: Iterable[Manifest]) -> bytes | None:
    """The index of a manifest's referrers, extended; None if all of them are in it already.

    What it had stays as it is, and the same referrers make the same bytes whatever their order.

    Args:
        index: What the tag names now, None if nothing.
        added: Referrers that it must list.

    Raises:
        ManifestError: The tag names no index, or the new one would be larger than registries take.
    """
    if index and not index.is_index:
        raise ManifestError("the tag for referrers names something else than an index")
    document = index.document() if index else _EMPTY
    listed = {_digest(entry): entry for entry in _entries(document)}
    new = {str(manifest.digest): descriptor_of(manifest) for manifest in added}
    if new.keys() <= listed.keys():
        return None
    both = sorted((new | listed).items())
    content = strictjson.dump({**document, "manifests": [entry for _, entry in both]})
    if len(content) > MAX_MANIFEST:
        raise ManifestError(f"the index of referrers would be larger than {MAX_MANIFEST} bytes")
    return content


def without(index: Manifest, gone: Iterable[Digest]) -> bytes:
    """An index of referrers with some left out."""
    document, left_out = index.document(), {str(digest) for digest in gone}
    kept = [entry for entry in _entries(document) if _digest(entry) not in left_out]
    return strictjson.dump({**document, "manifests": kept})


_EMPTY: dict[str, JSON] = {
    "schemaVersion": 2,
    "mediaType": mediatypes.OCI_INDEX,
    "manifests": [],
}


def _entries(index: dict[str, JSON]) -> list[JSON]:
    entries = index.get("manifests")
    return entries if isinstance(entries, list) else []


def _digest(entry: JSON) -> str:
    return str(entry.get("digest")) if isinstance(entry, dict) else ""
