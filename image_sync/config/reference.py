"""The reference of all keys as Markdown tables, for the README; made from the schema alone."""

from msgspec import NODEFAULT, Struct, inspect

from image_sync.config.convert import expectation
from image_sync.config.schema import Config, EmbeddedEntry, ImageEntry, RegistryEntry
from image_sync.config.settings import LeaseEntry, ServerEntry, Settings

_TABLES: tuple[tuple[str, type[Struct]], ...] = (
    ("", Config),
    ("images[].", ImageEntry),
    ("settings.", Settings),
    ("settings.server.", ServerEntry),
    ("settings.lease.", LeaseEntry),
    ("registries.HOST.", RegistryEntry),
    ("cache_registry.", EmbeddedEntry),
)
_HEAD = "| key | type | default | meaning |\n|---|---|---|---|"


def reference_markdown() -> str:
    """One table for all keys, in the order of the schema."""
    lines = [_HEAD]
    for prefix, struct in _TABLES:
        info = inspect.type_info(struct)
        if isinstance(info, inspect.StructType):
            lines += [_line(prefix, field) for field in info.fields]
    return "\n".join(lines) + "\n"


def _line(prefix: str, field: inspect.Field) -> str:
    kind, meaning = field.type, ""
    if isinstance(kind, inspect.Metadata):
        meaning = str((kind.extra_json_schema or {}).get("description", ""))
        kind = kind.type
    cells = (f"`{prefix}{field.name}`", expectation(kind), _default(field), meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(field: inspect.Field) -> str:
    if field.required:
        return "required"
    match field.default:
        case None | () | Struct():
            return ""
        case bool():
            return f"`{str(field.default).lower()}`"
        case _ if field.default is NODEFAULT:
            return ""
        case value:
            return f"`{value}`"
