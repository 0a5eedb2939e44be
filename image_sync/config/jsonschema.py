"""The JSON Schema of the configuration, for editors and for checks without image-sync.

msgspec derives it from the structs; added is what the loader allows beyond them: the short form of
an image, numbers where text is read as written, keys without a value, `x-` keys. The result is
shipped as `schema.json`, and a test holds that it is current.
"""

import msgspec

from image_sync.config.schema import Config

Json = dict[str, object]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ID = "urn:image-sync:config"
_AS_WRITTEN = frozenset({"ImageEntry", "RegistryEntry"})
"""Structs whose text may be written as a number or a boolean."""
_ONE_OF = ("tag", "tags")
"""Keys of an image of which one must stand, so that neither may be empty."""
_NULL: Json = {"type": "null"}
_SHORT_FORM: Json = {
    "description": "Short form: `docker.io/library/nginx:1.27`.",
    "type": "string",
    "minLength": 1,
    "pattern": "[^/][:@][^/]+$",
}


def schema_text() -> str:
    """The JSON Schema, as it is shipped."""
    return msgspec.json.format(msgspec.json.encode(_schema()), indent=2).decode() + "\n"


def _schema() -> Json:
    (root,), named = msgspec.json.schema_components([Config], ref_template="#/$defs/{name}")
    for name, struct in named.items():
        if struct.get("type") == "object":
            struct["properties"] = {
                key: _loosened(name, key, _object(value), required=key in struct["required"])
                for key, value in struct["properties"].items()
            }
    named["ImageEntry"]["oneOf"] = [{"required": [key]} for key in _ONE_OF]
    config = named["Config"]
    config["patternProperties"] = {"^x-": {"description": "Free, for anchors."}}
    items = {"anyOf": [_SHORT_FORM, {"$ref": "#/$defs/ImageEntry"}]}
    config["properties"]["images"].update({"type": ["array", "null"], "items": items})
    entries = _object(config["properties"]["registries"])
    entries["additionalProperties"] = {"anyOf": [{"$ref": "#/$defs/RegistryEntry"}, _NULL]}
    head: Json = {"$schema": DIALECT, "$id": _ID, "title": "image-sync configuration"}
    return {**head, **root, "$defs": named}


def _loosened(struct: str, key: str, schema: Json, *, required: bool) -> Json:
    """The schema of a key as the loader reads it."""
    loose = _as_written(schema) if struct in _AS_WRITTEN else dict(schema)
    if loose.get("default") in (None, {}) or isinstance(loose.get("default"), dict):
        loose.pop("default", None)
    if struct == "ImageEntry" and key in _ONE_OF:
        return _without_null(loose)
    return loose if required else _or_null(loose)


def _as_written(schema: Json) -> Json:
    """The same, with numbers and booleans in the place of text."""
    loose = dict(schema)
    if loose.get("type") == "string":
        loose["type"] = ["string", "number", "boolean"]
    if "items" in loose:
        loose["items"] = _as_written(_object(loose["items"]))
    if "anyOf" in loose:
        loose["anyOf"] = [_as_written(member) for member in _members(loose)]
    return loose


def _or_null(schema: Json) -> Json:
    """The same, or nothing."""
    if "anyOf" in schema:
        members = _members(schema)
        return {**schema, "anyOf": members if _NULL in members else [*members, _NULL]}
    if "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return {**rest, "anyOf": [{"$ref": schema["$ref"]}, _NULL]}
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": [*kinds, "null"]}


def _without_null(schema: Json) -> Json:
    return {**schema, "anyOf": [member for member in _members(schema) if member != _NULL]}


def _members(schema: Json) -> list[Json]:
    members = schema["anyOf"]
    if not isinstance(members, list):
        raise TypeError("anyOf is a list: JSON Schema 2020-12, core, section 10.2.1.2")
    return [_object(member) for member in members]


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is not a schema")
    return value
