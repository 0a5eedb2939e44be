"""Error bodies of registries: OCI distribution spec 1.1, section Error Codes.

A body is evidence, never truth: proxies answer HTML, limiters plain text. Anything parses, at
worst into no codes and an escaped excerpt.
"""

import json
from typing import NamedTuple

from image_sync.oci.quoting import printable

_ERRORS = 10
"""Errors of one body that are worth showing; registries send one."""


class WireErrors(NamedTuple):
    """What an error body says.

    Attributes:
        codes: The registry's codes, such as `MANIFEST_UNKNOWN`, in their order.
        message: Its words, escaped and bounded; empty if it had none.
    """

    codes: tuple[str, ...] = ()
    message: str = ""


def parse_errors(body: bytes) -> WireErrors:
    """What an error body says; never raises."""
    text = body.decode("utf-8", "replace").strip()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return WireErrors((), printable(text))
    errors = document.get("errors") if isinstance(document, dict) else None
    entries = errors[:_ERRORS] if isinstance(errors, list) else []
    found = [error for error in entries if isinstance(error, dict)]
    if not found:
        return WireErrors((), printable(text))
    codes = [code for error in found if isinstance(code := error.get("code"), str) and code]
    return WireErrors(
        tuple(printable(code) for code in codes),
        "; ".join(filter(None, map(_words, found))),
    )


def _words(error: dict[str, object]) -> str:
    message, detail = error.get("message"), error.get("detail")
    words = printable(message) if isinstance(message, str) else ""
    if detail:
        words += f" ({printable(json.dumps(detail))})"
    return words.strip()
