"""A JSON Schema as Anthropic takes it for the form of an answer, and for the input of a strict tool.

The API refuses what its grammar cannot hold (bounds of numbers, lengths, patterns, objects that are open). Its own client
writes that into the description, where the model may still follow it (``transform_schema`` in anthropic.lib._parse): the
same is done here, and the names of what was moved are told.

Laws: a schema within the subset stays as it is; what was there is never lost; whatever stands there, nothing is raised
(schemas that mean nothing are the vendor's to refuse).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_proxy.wire.sse import dumps

Schema = dict[str, Any]

#: platform.claude.com/docs/en/build-with-claude/structured-outputs, "JSON Schema limitations".
_FORMATS = frozenset("date-time time date duration email hostname uri ipv4 ipv6 uuid".split())
_PLAIN = (str, int, float, bool, type(None))
_KEPT = ("title", "default")


def transformed(schema: Any) -> tuple[Any, tuple[str, ...]]:
    """``schema`` within the subset, and the names of the keywords that only its descriptions tell now, in order."""
    moved: dict[str, None] = {}
    return _schema(schema, moved), tuple(moved)


def _schema(given: Any, moved: dict[str, None]) -> Any:
    if not isinstance(given, dict):
        return given
    left = dict(given)
    found: Schema = {}
    for name in ("$defs", "definitions"):  # before a $ref, which may stand beside them
        if isinstance(left.get(name), dict):
            found[name] = _each(left.pop(name), moved)
    if isinstance(left.get("$ref"), str):
        # Nothing may stand beside a reference; its target has its own description.
        found["$ref"] = left.pop("$ref")
        moved.update((name, None) for name in left if name not in ("description", *_KEPT))
        return found
    kind = left.pop("type", None)
    if isinstance(kind, list) and len(kind) == 1:
        kind = kind[0]
    if isinstance(kind, list):
        return _several(kind, left, found, moved)
    _variants(left, found, kind, moved)
    for name in ("description", *_KEPT):
        if name in left:
            found[name] = left.pop(name)
    if kind == "object":
        _object(left, found, moved)
    elif kind == "array":
        _array(left, found, moved)
    elif kind == "string" and left.get("format") in _FORMATS:
        found["format"] = left.pop("format")
    _tell(left, found, moved)
    return found


def _each(schemas: Mapping[str, Any], moved: dict[str, None]) -> Schema:
    return {name: _schema(inner, moved) for name, inner in schemas.items()}


def _several(kinds: list[Any], left: Schema, found: Schema, moved: dict[str, None]) -> Schema:
    """``"type": ["string", "null"]``, which OpenAI's strict schemas write for what may be missing."""
    about = {name: left.pop(name) for name in ("description", *_KEPT) if left.get(name) is not None}
    enum = left.pop("enum", None)
    if isinstance(enum, list):
        return {**found, **about, "enum": enum}
    return {**found, **about, "anyOf": [_schema({"type": kind, **_of(kind, left)}, moved) for kind in kinds]}


#: The keywords that say something of values of one type only.
_OF = {
    "object": (
        "properties",
        "required",
        "additionalProperties",
        "minProperties",
        "maxProperties",
        "patternProperties",
    ),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_OF["integer"] = _OF["number"]


def _of(kind: Any, keywords: Schema) -> Schema:
    others = {name for other, names in _OF.items() if other != kind for name in names} - set(
        _OF.get(str(kind), ())
    )
    return {name: value for name, value in keywords.items() if name not in others}


def _variants(left: Schema, found: Schema, kind: Any, moved: dict[str, None]) -> None:
    """What the value may be: literals, one of several schemas, or a type."""
    enum = left.get("enum")
    if isinstance(enum, list) and enum and all(isinstance(value, _PLAIN) for value in enum):
        found["enum"] = left.pop("enum")
    if "const" in left and isinstance(left["const"], _PLAIN):
        found["const"] = left.pop("const")
    literal = "enum" in found or "const" in found
    for name, written in (("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")):
        if isinstance(left.get(name), list):
            found[written] = [_schema(inner, moved) for inner in left.pop(name)]
            return
    if kind is not None and not literal:
        found["type"] = kind


def _object(left: Schema, found: Schema, moved: dict[str, None]) -> None:
    properties = left.pop("properties", None)
    found["properties"] = _each(properties, moved) if isinstance(properties, dict) else {}
    required = left.pop("required", None)
    if required is not None:
        found["required"] = required
    if left.get("additionalProperties") is False:
        left.pop("additionalProperties")
    found["additionalProperties"] = False


def _array(left: Schema, found: Schema, moved: dict[str, None]) -> None:
    if isinstance(left.get("items"), dict):
        found["items"] = _schema(left.pop("items"), moved)
    if left.get("minItems") in (0, 1):
        found["minItems"] = left.pop("minItems")


def _tell(left: Schema, found: Schema, moved: dict[str, None]) -> None:
    """What the grammar cannot hold, in words."""
    left.pop("$schema", None)
    if not left:
        return
    moved.update((name, None) for name in left)
    said = ", ".join(f"{name}: {_word(value)}" for name, value in left.items())
    before = found.get("description")
    found["description"] = f"{before}\n\n{{{said}}}" if isinstance(before, str) and before else f"{{{said}}}"


def _word(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value).decode()
