"""JSON that means the same to every reader.

Go's decoder, which registries and runtimes use, matches the keys of its structs without regard to
case and lets the last duplicate win; Python's does neither. A document on which they differ could
be judged here as one image and run elsewhere as another, so it is refused (fault row 32). The
bounds are ours: no real manifest comes near them. What is written here is read back as it was.
"""

import json
import math
from collections.abc import Iterable
from typing import NoReturn

from image_sync.oci.quoting import quoted

JSON = str | int | float | bool | None | list["JSON"] | dict[str, "JSON"]

MAX_DEPTH = 32
"""Levels of nesting; real manifests have at most 5."""
_MAX_INTEGER = 2**53
"""Largest integer that every JSON reader keeps exact: RFC 8259, section 6."""
_MAX_DIGITS = len(f"-{_MAX_INTEGER}")
_MAPS = frozenset({"annotations", "labels", "volumes", "exposedports"})
"""Keys, folded, whose objects have free keys, which Go keeps apart by case: OCI image spec 1.1,
annotations.md and config.md. Images with the labels `Name` and `name` exist."""


def parse(content: bytes) -> JSON:
    """The value of a JSON document.

    Raises:
        ValueError: It is not JSON in UTF-8, or readers could differ on it.
    """
    try:
        value: JSON = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_exact,
        )
    except RecursionError:
        raise _too_deep() from None
    _check(value, MAX_DEPTH)
    return value


def dump(value: JSON) -> bytes:
    """The document of a value that was parsed: compact, keys in their order, always the same."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _check(value: JSON, levels: int, *, is_map: bool = False) -> None:
    if isinstance(value, str):
        _encodable(value)
    if not isinstance(value, dict | list):
        return
    if not levels:
        raise _too_deep()
    if isinstance(value, list):
        for item in value:
            _check(item, levels - 1)
        return
    if not is_map:
        _unique(key.casefold() for key in value)  # folds U+017F to s, as Go does
    for key, item in value.items():
        _encodable(key)
        _check(item, levels - 1, is_map=key.casefold() in _MAPS)


def _too_deep() -> ValueError:
    return ValueError(f"JSON nested deeper than {MAX_DEPTH} levels")


def _encodable(text: str) -> None:
    """Refuse half a surrogate pair, which Go replaces and Python keeps: RFC 8259, section 8.2."""
    if not text.isascii():
        text.encode()


def _unique(keys: Iterable[str]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise ValueError(f"JSON key {quoted(key)} stands twice in one object")
        seen.add(key)


def _object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    _unique(key for key, _ in pairs)
    return dict(pairs)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _too_large(digits)
    return value


def _exact(digits: str) -> int:
    if len(digits) > _MAX_DIGITS or abs(int(digits)) > _MAX_INTEGER:
        raise _too_large(digits)
    return int(digits)


def _too_large(digits: str) -> ValueError:
    return ValueError(f"the number {digits[:20]} is too large for JSON readers to agree on")
