"""From the tree of a configuration to plain values, guided by the structs of the schema.

msgspec stops at its first error and knows no lines; this goes through every key, notes every
problem with its place, drops what is wrong and keeps the rest, so that whatever remains fits the
schema and can be checked further. A misspelled key is a problem, and then read as what was meant:
nothing is missing but a letter. Under `images` and `registries` a scalar that should be text is
the text that stands in the file (`tag: 1.20`); elsewhere a number or a boolean is not text.

Not here: what values mean together (`config/resolve.py`).
"""

import re
from functools import cache
from typing import NamedTuple

from msgspec import UNSET, UnsetType, inspect

from image_sync.config.images import short_form
from image_sync.config.schema import Config, ImageEntry
from image_sync.config.settings import Settings
from image_sync.config.tree import Entry, Mapping, Node, Plain, Scalar, Sequence, Where
from image_sync.config.wording import closest, did_you_mean, label, quoted
from image_sync.errors import Problem

Builtin = Plain | list["Builtin"] | dict[str, "Builtin"]

_TEXTUAL = ("images[", "registries.")
"""Paths below which scalars are read as they are written."""


class Known(NamedTuple):
    """A key of the schema."""

    type: inspect.Type
    required: bool
    expected: str


@cache
def keys_of(struct: type) -> dict[str, Known]:
    """The keys of a struct of the schema."""
    info = inspect.type_info(struct)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{struct} is not a struct")
    known = {}
    for field in info.fields:
        kind, expected = field.type, None
        if isinstance(kind, inspect.Metadata):
            expected = (kind.extra or {}).get("expected")
            kind = kind.type
        known[field.name] = Known(kind, field.required, expected or expectation(kind))
    return known


def struct_of(kind: inspect.Type) -> type | None:
    """The struct that a type stands for, maybe beside others; None if there is none."""
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return next((each.cls for each in kinds if isinstance(each, inspect.StructType)), None)


def expectation(kind: inspect.Type) -> str:
    """What a type takes, in words."""
    match kind:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType(ge=int(least)):
            return f"a whole number, at least {least}"
        case inspect.FloatType(gt=gt, le=le):
            return f"a number above {gt:g}, at most {le:g}"
        case inspect.EnumType(cls=enum):
            return " or ".join(str(member.value) for member in enum)
        case inspect.VarTupleType(item_type=item):
            return f"a list ({expectation(item)} in each)"
        case inspect.StructType() | inspect.DictType():
            return "keys and values"
        case inspect.UnionType(types=kinds):
            named = [part for part in kinds if not isinstance(part, inspect.NoneType)]
            return " or ".join(map(expectation, named))
        case _:
            return "text"


class Converter:
    """Reads one configuration.

    Attributes:
        problems: What is wrong, in the order of the file.
        origins: Where each value stands, by its path.
        numbers: The places, from 0, that the images which fit have in the list as it is written.
    """

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.problems: list[Problem] = []
        self.origins: dict[str, Where] = {}

    def config(self, root: Mapping) -> dict[str, Builtin]:
        """What of the whole configuration fits the schema."""
        entries = {key: e for key, e in root.entries.items() if not key.startswith("x-")}
        plain, _ = self._keys(Mapping(root.where, entries), Config, "")
        return plain

    def _keys(self, node: Mapping, struct: type, path: str) -> tuple[dict[str, Builtin], bool]:
        """What fits of a mapping, and whether all values of known keys did."""
        keys = keys_of(struct)
        whole = True
        plain: dict[str, Builtin] = {}
        for name, entry in node.entries.items():
            known = keys.get(name)
            inner = f"{path}.{name}" if path else name
            if known is None:
                self._unknown(name, entry, struct, path)
            elif known.required or not (isinstance(entry.node, Scalar) and entry.node.is_null):
                value = self._value(entry.node, known.type, inner, known.expected)
                if isinstance(value, UnsetType):
                    whole = False
                else:
                    plain[name] = value
        meant = self._meant(node, struct, path)
        plain |= {name: value for name, value in meant.items() if not isinstance(value, UnsetType)}
        whole = whole and UNSET not in meant.values()
        for name, known in keys.items():
            if known.required and name not in node.entries.keys() | meant:
                inner = f"{path}.{name}" if path else name
                self._problem(node.where, inner, f"is missing: expected {known.expected}")
                whole = False
        return plain, whole

    def _meant(self, node: Mapping, struct: type, path: str) -> dict[str, Builtin | UnsetType]:
        """The values of misspelled keys, by the names of those that were meant; no complaints."""
        keys = keys_of(struct)
        meant: dict[str, Builtin | UnsetType] = {}
        told = len(self.problems)
        for name, entry in node.entries.items():
            right = None if name in keys else closest(name, keys)
            if right and right not in node.entries.keys() | meant:
                inner = f"{path}.{right}" if path else right
                known = keys[right]
                meant[right] = self._value(entry.node, known.type, inner, known.expected)
        del self.problems[told:]
        return meant

    def _value(
        self, node: Node, kind: inspect.Type, path: str, expected: str
    ) -> Builtin | UnsetType:
        if isinstance(kind, inspect.Metadata):
            kind = kind.type
        if isinstance(kind, inspect.UnionType):
            kind = _chosen(node, kind)
        self.origins[path] = node.where
        match node, kind:
            case Mapping(), inspect.StructType(cls=struct):
                plain, whole = self._keys(node, struct, path)
                needy = any(known.required for known in keys_of(struct).values())
                return plain if whole or not needy else UNSET
            case Scalar(), inspect.StructType() if node.is_null:
                return self._value(Mapping(node.where, {}), kind, path, expected)
            case Mapping(), inspect.DictType(value_type=value_type):
                return self._hosts(node, value_type, path)
            case Sequence(), inspect.VarTupleType(item_type=item_type):
                return self._items(node, item_type, path)
            case Scalar(), inspect.VarTupleType() if node.is_null:
                return []
            case Scalar(), _:
                return self._scalar(node, kind, path, expected)
            case _:
                return self._wrong(node, path, expected)

    def _hosts(self, node: Mapping, kind: inspect.Type, path: str) -> dict[str, Builtin]:
        plain: dict[str, Builtin] = {}
        for host, entry in node.entries.items():
            inner = f"{path}.{label(host)}"
            value = self._value(entry.node, kind, inner, expectation(kind))
            self.origins[inner] = entry.key
            if not isinstance(value, UnsetType):
                plain[host] = value
        return plain

    def _items(self, node: Sequence, kind: inspect.Type, path: str) -> list[Builtin]:
        plain: list[Builtin] = []
        expected = expectation(kind)
        images = isinstance(kind, inspect.StructType) and kind.cls is ImageEntry
        for number, item in enumerate(node.items):
            inner = f"{path}[{number}]"
            whole = short_form(item) if images and isinstance(item, Scalar) else item
            value = self._value(whole, kind, inner, expected)
            if not isinstance(value, UnsetType):
                plain.append(value)
                if images:
                    self.numbers.append(number)
        return plain

    def _scalar(
        self, node: Scalar, kind: inspect.Type, path: str, expected: str
    ) -> Builtin | UnsetType:
        value = node.value()
        if isinstance(kind, inspect.StrType) and path.startswith(_TEXTUAL) and value is not None:
            value = node.text
        if _fits(kind, value):
            return float(value) if isinstance(kind, inspect.FloatType) and value else value
        if isinstance(kind, inspect.EnumType):
            expected += did_you_mean(node.text, [str(member.value) for member in kind.cls])
        elif isinstance(kind, inspect.StrType) and not isinstance(value, str | None):
            expected += "; put it in quotes if it is meant"
        return self._wrong(node, path, expected)

    def _unknown(self, name: str, entry: Entry, struct: type, path: str) -> None:
        suggestion = did_you_mean(name, keys_of(struct))
        if not suggestion and struct is Config:
            suggestion = did_you_mean(name, keys_of(Settings), "settings.")
        known = ", ".join(keys_of(struct))
        text = f"unknown key {quoted(name)}{suggestion or f'; known here: {known}'}"
        self._problem(entry.key, path, text)

    def _wrong(self, node: Node, path: str, expected: str) -> UnsetType:
        self._problem(node.where, path, f"found {_found(node)}, expected {expected}")
        return UNSET

    def _problem(self, where: Where, path: str, message: str) -> None:
        self.problems.append(Problem(message, str(where), path))


def _chosen(node: Node, union: inspect.UnionType) -> inspect.Type:
    """The member of a union that fits the shape of a node, else its first."""
    shapes = {
        Sequence: (inspect.VarTupleType,),
        Mapping: (inspect.StructType, inspect.DictType),
        Scalar: (inspect.StrType, inspect.BoolType, inspect.IntType, inspect.FloatType),
    }[type(node)]
    fitting = (kind for kind in union.types if isinstance(kind, shapes))
    return next(fitting, union.types[0])


def _fits(kind: inspect.Type, value: Plain) -> bool:
    """True if a scalar is what a type takes."""
    match kind, value:
        case inspect.BoolType(), bool():
            return True
        case inspect.IntType(ge=least, le=most), int() if not isinstance(value, bool):
            return (least is None or value >= least) and (most is None or value <= most)
        case inspect.FloatType(gt=above, le=most), int() | float() if not isinstance(value, bool):
            return (above is None or value > above) and (most is None or value <= most)
        case inspect.EnumType(cls=enum), str():
            return value in [member.value for member in enum]
        case inspect.StrType(pattern=pattern), str() if value:
            return pattern is None or re.fullmatch(pattern, value) is not None
        case _:
            return False


def _found(node: Node) -> str:
    match node:
        case Sequence():
            return "a list"
        case Mapping():
            return "keys and values"
        case Scalar() if node.is_null:
            return "nothing"
        case Scalar(plain=False):
            return f"the quoted text {quoted(node.text)}"
        case Scalar():
            return quoted(node.text)
