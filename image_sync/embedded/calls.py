"""Which call of the registry's API a path is: OCI distribution spec 1.1, section Endpoints. Pure.

Names have slashes, so that a path is read from its end. What is not valid is refused here, before
anything else sees it.
"""

import msgspec

from image_sync.embedded.refusal import Code, RefusedError
from image_sync.oci import Digest
from image_sync.oci.reference import parse_path, parse_tag

_BASE = "/v2/"


class Base(msgspec.Struct, frozen=True):
    """Whether this is a registry: end-1."""


class Catalog(msgspec.Struct, frozen=True):
    """Which repositories there are: distribution's, and every registry's since."""


class Tags(msgspec.Struct, frozen=True):
    """Which tags there are: end-8."""

    name: str


class OneManifest(msgspec.Struct, frozen=True):
    """A manifest by tag or digest: end-3, end-7, end-9."""

    name: str
    reference: str | Digest


class OneBlob(msgspec.Struct, frozen=True):
    """A blob: end-2, end-10."""

    name: str
    digest: Digest


class NewUpload(msgspec.Struct, frozen=True):
    """The begin of an upload, a whole one, or a mount: end-4, end-11."""

    name: str


class OneUpload(msgspec.Struct, frozen=True):
    """An upload that was begun: end-5, end-6, end-13, end-14."""

    name: str
    upload: str


class Referrers(msgspec.Struct, frozen=True):
    """What refers to a manifest: end-12."""

    name: str
    digest: Digest


Call = Base | Catalog | Tags | OneManifest | OneBlob | NewUpload | OneUpload | Referrers


def parse_call(path: str) -> Call:
    """The call that a path is.

    Raises:
        RefusedError: There is no such call, or its name, tag or digest is not valid.
    """
    if path in {_BASE, _BASE.rstrip("/")}:
        return Base()
    if path == f"{_BASE}_catalog":
        return Catalog()
    parts = path.removeprefix(_BASE).split("/")
    if path.startswith(_BASE):
        match parts:
            case [*name, "tags", "list"] if name:
                return Tags(_name(name))
            case [*name, "blobs", "uploads", ""] | [*name, "blobs", "uploads"] if name:
                return NewUpload(_name(name))
            case [*name, "blobs", "uploads", upload] if name:
                return OneUpload(_name(name), upload)
            case [*name, "blobs", digest] if name:
                return OneBlob(_name(name), parse_digest(digest))
            case [*name, "manifests", reference] if name:
                return OneManifest(_name(name), _reference(reference))
            case [*name, "referrers", digest] if name:
                return Referrers(_name(name), parse_digest(digest))
    raise RefusedError(Code.UNSUPPORTED, "there is no such call", status=404)


def parse_digest(text: str) -> Digest:
    """A digest.

    Raises:
        RefusedError: It is none.
    """
    try:
        return Digest.parse(text)
    except ValueError as error:
        raise RefusedError(Code.DIGEST_INVALID, str(error)) from error


def parse_tags(texts: list[str]) -> list[str]:
    """Tags.

    Raises:
        RefusedError: One is none.
    """
    try:
        return [parse_tag(text) for text in texts]
    except ValueError as error:
        raise RefusedError(Code.MANIFEST_INVALID, str(error)) from error


def _name(parts: list[str]) -> str:
    try:
        return parse_path("/".join(parts))
    except ValueError as error:
        raise RefusedError(Code.NAME_INVALID, str(error)) from error


def _reference(text: str) -> str | Digest:
    return parse_digest(text) if ":" in text else parse_tags([text])[0]
