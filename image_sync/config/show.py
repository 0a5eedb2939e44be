"""The configuration in force, with the origin of every value, for people and for a second load.

What is printed is itself a configuration that says the same, and it never shows credentials.
"""

from collections.abc import Iterator
from enum import Enum

import msgspec

from image_sync.config.loaded import Loaded
from image_sync.config.wording import label, masked, printable

_DEFAULT = "default"
_ESCAPED = {'"': '\\"', "\\": "\\\\"}


def show(loaded: Loaded) -> str:
    """The configuration in force as YAML, each value with its origin in a comment."""
    return "".join(f"{line}\n" for line in _lines(loaded, "", loaded.config, ""))


def _lines(loaded: Loaded, path: str, value: object, indent: str) -> Iterator[str]:
    in_list = isinstance(value, tuple)
    for name, inner, child in _children(path, value):
        label = "-" if in_list else f"{name}:"
        if not _has_keys(child):
            yield f"{indent}{label} {_text(child)}  # {_origin(loaded, inner)}"
        elif in_list:
            first, *rest = _lines(loaded, inner, child, f"{indent}  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{indent}{label}"
            yield from _lines(loaded, inner, child, f"{indent}  ")


def _has_keys(value: object) -> bool:
    """True for what takes more than a line: structs, mappings, lists of structs, if not empty."""
    if isinstance(value, tuple):
        return any(isinstance(item, msgspec.Struct) for item in value)
    return isinstance(value, msgspec.Struct) or (isinstance(value, dict) and bool(value))


def _children(path: str, value: object) -> Iterator[tuple[str, str, object]]:
    """Name, path and value of what stands in a value, without what says nothing."""
    match value:
        case tuple():
            for number, item in enumerate(value):
                yield "", f"{path}[{number}]", item
        case dict():
            for name, item in value.items():
                yield _quoted(masked(name)), f"{path}.{label(name)}", item
        case msgspec.Struct():
            for name in value.__struct_fields__:
                item = getattr(value, name)
                if item is not None:
                    yield name, f"{path}.{name}" if path else name, item
        case _:
            return


def _origin(loaded: Loaded, path: str) -> str:
    where = loaded.origins.get(path)
    return str(where) if where else _DEFAULT


def _text(value: object) -> str:
    """A value in YAML that fits on a line."""
    match value:
        case bool():
            return "true" if value else "false"
        case Enum():
            return str(value.value)
        case int() | float():
            return str(value)
        case tuple():
            return f"[{', '.join(map(_text, value))}]"
        case dict() | msgspec.Struct():
            return "{}"
        case _:
            return _quoted(masked(str(value)))


def _quoted(text: str) -> str:
    """A double-quoted scalar of YAML 1.2, section 7.3.1."""
    escaped = "".join(_ESCAPED.get(char, char) for char in text)
    return f'"{printable(escaped)}"'
