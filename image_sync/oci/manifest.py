"""Manifests and indexes: OCI image spec 1.1 (manifest.md, image-index.md) and Docker's v2.

The bytes that are hashed are the bytes that are parsed, once. Documents that readers could take
for two different things are refused (CVE-2021-41190, fault rows 31 and 32), and so are schema 1
manifests, whose digest does not cover what is pulled (fault row 41).
"""

from collections.abc import Iterator
from typing import Self

import msgspec

from image_sync.oci import mediatypes, strictjson
from image_sync.oci.digest import Digest
from image_sync.oci.platform import Platform
from image_sync.oci.quoting import quoted
from image_sync.oci.strictjson import JSON

MAX_MANIFEST = 4 * 1024 * 1024
"""Bytes: the limit that the OCI distribution spec 1.1 asks registries to accept, and Zot's."""
MAX_CHILDREN = 1_000
"""Descriptors in one manifest (fault row 38); real indexes have under 100."""

REFERENCE_TYPE, REFERENCE_DIGEST = "vnd.docker.reference.type", "vnd.docker.reference.digest"
ATTESTATION = "attestation-manifest"
"""Annotations by which a child says of which sibling it speaks, and the value of the first:
BuildKit's docs/attestations/attestation-storage.md."""

_FIELDS = (
    *("schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject"),
    *("annotations", "fsLayers", "digest", "size", "urls", "data", "platform"),
    *("os", "architecture", "variant", "os.version", "os.features"),
)
_SPELLINGS = {field.casefold(): field for field in _FIELDS}
"""The fields of manifests, descriptors and platforms, and schema 1's layers, by their folding."""


class ManifestError(ValueError):
    """A manifest is not what it claims to be, or of a kind that cannot be cached."""


class Descriptor(msgspec.Struct, frozen=True):
    """A reference to content: OCI image spec 1.1, descriptor.md."""

    media_type: str
    digest: Digest
    size: int  # bytes
    platform: Platform | None = None
    annotations: dict[str, str] = {}
    has_urls: bool = False  # it says where else the content may be had

    @property
    def is_foreign(self) -> bool:
        """True for a layer that its registry need not hold: it is never fetched (fault row 40)."""
        return self.has_urls and self.media_type.startswith(mediatypes.NONDISTRIBUTABLE)

    @property
    def attests(self) -> Digest | None:
        """The sibling that this BuildKit attestation speaks of, None for anything else."""
        if self.annotations.get(REFERENCE_TYPE) != ATTESTATION:
            return None
        try:
            return Digest.parse(self.annotations.get(REFERENCE_DIGEST, ""))
        except ValueError:
            return None


class Manifest(msgspec.Struct, frozen=True):
    """A manifest's bytes with what they say.

    Attributes:
        content: The bytes, exactly as the registry sent them.
        digest: Their digest.
        media_type: One of `mediatypes.INDEXES` or `mediatypes.MANIFESTS`.
        children: Manifests below an index; empty for a single manifest.
        config: The config of a single manifest.
        layers: The layers of a single manifest, foreign ones left out.
    """

    content: bytes
    digest: Digest
    media_type: str
    children: tuple[Descriptor, ...] = ()
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()

    @property
    def is_index(self) -> bool:
        """True for an OCI index or a Docker manifest list."""
        return self.media_type in mediatypes.INDEXES

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Config and layers, in the order of the document."""
        return ((self.config,) if self.config else ()) + self.layers

    @property
    def is_image(self) -> bool:
        """True if the config describes an image that runs on a platform."""
        return self.config is not None and self.config.media_type in mediatypes.IMAGE_CONFIGS

    def platforms(self) -> Iterator[Platform]:
        """The platforms that an index offers, in its order, attestations left out."""
        return (child.platform for child in self.children if child.platform and not child.attests)

    def child_for(self, platform: Platform) -> Descriptor | None:
        """The first child of an index for a platform."""
        return next(
            (c for c in self.children if c.platform == platform and c.attests is None), None
        )

    @classmethod
    def parse(cls, content: bytes, content_type: str = "") -> Self:
        """What some bytes say.

        Args:
            content: The document.
            content_type: The Content-Type it came with, empty if there was none.

        Raises:
            ManifestError: It is no manifest, ambiguous, too large, or of a refused kind.
        """
        document = _document(content)
        _refuse_variants(document, "the manifest")
        media_type = _media_type(document, mediatypes.essence(content_type))
        digest = Digest.of(content)
        if media_type in mediatypes.INDEXES:
            children = _descriptors(document["manifests"], "manifests")
            return cls(content, digest, media_type, children=children)
        config = _descriptor(document.get("config"), "config")
        entries = document.get("layers")
        # Go writes a list of none as null, and manifests without any are in use.
        layers = _descriptors([] if entries is None else entries, "layers")
        held = tuple(layer for layer in layers if not layer.is_foreign)
        return cls(content, digest, media_type, config=config, layers=held)

    def document(self) -> dict[str, JSON]:
        """All that its bytes say, read anew; the caller may change it."""
        return _document(self.content)


def _document(content: bytes) -> dict[str, JSON]:
    if len(content) > MAX_MANIFEST:
        raise ManifestError(f"the manifest is larger than {MAX_MANIFEST} bytes")
    try:
        document = strictjson.parse(content)
    except ValueError as error:
        raise ManifestError(f"the manifest is not acceptable JSON: {error}") from error
    if not isinstance(document, dict):
        raise ManifestError("the manifest is not a JSON object")
    return document


def _media_type(document: dict[str, JSON], header: str) -> str:
    declared = document.get("mediaType", "")
    if not isinstance(declared, str):
        raise ManifestError("mediaType is not a string")
    old = document.get("schemaVersion") == 1 or "fsLayers" in document
    if old or {declared, header} & mediatypes.SCHEMA1:
        raise ManifestError(
            "the image is of Docker's old schema 1, whose digest does not cover its content: "
            "have it pushed again with a current tool"
        )
    known = mediatypes.INDEXES_AND_MANIFESTS
    if declared and header in known and declared != header:
        raise ManifestError(f"served as {header}, but calls itself {quoted(declared)}")
    if "manifests" in document and ("layers" in document or "config" in document):
        raise ManifestError("the document is an index and a manifest at once")
    media_type = declared or (header if header in known else _guess(document))
    if media_type not in known:
        raise ManifestError(f"{quoted(media_type)} is not the type of an image or index")
    if (media_type in mediatypes.INDEXES) != ("manifests" in document):
        raise ManifestError(f"the document calls itself {media_type}, but is not built like one")
    return media_type


def _guess(document: dict[str, JSON]) -> str:
    """The OCI type by shape: its mediaType is only recommended (manifest.md, mediaType)."""
    return mediatypes.OCI_INDEX if "manifests" in document else mediatypes.OCI_MANIFEST


def _refuse_variants(entry: dict[str, JSON], where: str) -> None:
    """Refuse a key that Go would take for one of its fields, and Python does not (fault row 32)."""
    for key in entry:
        field = _SPELLINGS.get(key.casefold(), key)
        if field != key:
            raise ManifestError(f"{where} has the key {quoted(key)}, which some read as {field}")


def _descriptors(entries: JSON, where: str) -> tuple[Descriptor, ...]:
    if not isinstance(entries, list):
        raise ManifestError(f"{where} is not a list")
    if len(entries) > MAX_CHILDREN:
        raise ManifestError(f"{where} has more than {MAX_CHILDREN} entries")
    return tuple(_descriptor(entry, f"{where}[{n}]") for n, entry in enumerate(entries))


def _descriptor(entry: JSON, where: str) -> Descriptor:
    if not isinstance(entry, dict):
        raise ManifestError(f"{where} is not a descriptor")
    _refuse_variants(entry, where)
    if isinstance(platform := entry.get("platform"), dict):
        _refuse_variants(platform, f"{where}.platform")
    media_type, size, digest = entry.get("mediaType"), entry.get("size"), entry.get("digest")
    if not isinstance(media_type, str) or not isinstance(digest, str):
        raise ManifestError(f"{where} lacks mediaType or digest")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ManifestError(f"{where} has no valid size")
    try:
        parsed = Digest.parse(digest)
    except ValueError as error:
        raise ManifestError(f"{where}: {error}") from error
    return Descriptor(
        media_type,
        parsed,
        size,
        platform_of(platform),
        _strings(entry.get("annotations")),
        has_urls=bool(entry.get("urls")),
    )


def platform_of(entry: JSON) -> Platform | None:
    """The platform of a descriptor or config object; None where it names none, or `unknown`."""
    if not isinstance(entry, dict):
        return None
    os, architecture = entry.get("os"), entry.get("architecture")
    variant = entry.get("variant") or None
    if not (isinstance(os, str) and isinstance(architecture, str)):
        return None
    if not isinstance(variant, str | None) or "unknown" in (os, architecture):
        return None
    try:
        return Platform.normalised(os, architecture, variant)
    except ValueError:
        return None


def _strings(entry: JSON) -> dict[str, str]:
    if not isinstance(entry, dict):
        return {}
    return {key: value for key, value in entry.items() if isinstance(value, str)}
