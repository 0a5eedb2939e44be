"""Parts of blobs: RFC 9110, section 14, and Content-Range as the OCI distribution spec has it."""

import re
from typing import NamedTuple

from image_sync.embedded.refusal import Code, RefusedError

_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")
_CHUNK = re.compile(r"([0-9]{1,19})-([0-9]{1,19})")


class Part(NamedTuple):
    """Some bytes of a blob.

    Attributes:
        start: The first.
        stop: The one after the last.
    """

    start: int
    stop: int


def parse_range(text: str, size: int) -> Part | None:
    """The part of a blob that a Range asks for; None if it is to be ignored: several, say.

    Args:
        text: The field.
        size: Bytes of the blob.

    Raises:
        RefusedError: The blob has no such part.
    """
    found = _RANGE.fullmatch(text.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if first:
        part = Part(int(first), min(int(last) + 1, size) if last else size)
    else:
        part = Part(max(0, size - int(last)), size)
    if part.start >= part.stop:
        headers = {"Content-Range": f"bytes */{size}"}
        text = f"it has {size} bytes, and no such part"
        raise RefusedError(Code.SIZE_INVALID, text, status=416, headers=headers)
    return part


def parse_chunk(text: str) -> Part | None:
    """Which bytes of a blob a chunk says it has; None if it is malformed."""
    found = _CHUNK.fullmatch(text.strip().removeprefix("bytes ").partition("/")[0])
    if found is None:
        return None
    part = Part(int(found[1]), int(found[2]) + 1)
    return part if part.start < part.stop else None
