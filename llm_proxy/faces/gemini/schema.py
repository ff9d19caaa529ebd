"""Schemas of the Gemini API, a subset of OpenAPI's, as JSON Schema (ai.google.dev/api/caching#Schema).

Laws: what the subset says is said; names of properties are the client's and stay. Types come in capitals, numbers of
things as texts (they are 64 bits wide), ``nullable`` beside the type. A JSON Schema comes out as it went in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_proxy.faces.gemini.names import camel

Json = dict[str, Any]

#: Formats of numbers, which JSON Schema does not know and strict vendors refuse; ``enum`` only says that there is one.
_NO_FORMATS = frozenset({"int32", "int64", "float", "double", "enum"})
_COUNTS = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})
_ONE = frozenset({"items", "additionalProperties"})
_SEVERAL = frozenset({"anyOf", "allOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"properties", "defs", "$defs"})
_RENAMED = {"ref": "$ref", "defs": "$defs"}


def json_schema(schema: Any) -> Any:
    """``schema`` as JSON Schema; what is no object is left as it is."""
    if not isinstance(schema, Mapping):
        return schema
    found: Json = {}
    order: Any = None
    nullable = False
    for given, value in schema.items():
        name = camel(given)
        if value is None:
            continue
        if name == "propertyOrdering":
            order = value
        elif name == "nullable":
            nullable = value is True
        else:
            found.update(_keyword(name, value))
    if isinstance(order, list) and isinstance(found.get("properties"), dict):
        found["properties"] = _ordered(found["properties"], order)
    return _with_null(found) if nullable else found


def _keyword(name: str, value: Any) -> Json:
    """One keyword and its value; empty if JSON Schema says it by saying nothing."""
    if name == "type":
        kinds = [_kind(one) for one in value] if isinstance(value, list) else _kind(value)
        return {} if kinds == "type_unspecified" else {name: kinds}
    if name == "format" and value in _NO_FORMATS:
        return {}
    if name == "example":
        return {"examples": [value]}
    if name in _COUNTS and isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return {name: int(value)}
    if name in _ONE:
        return {name: json_schema(value)}
    if name in _SEVERAL and isinstance(value, list):
        return {name: [json_schema(one) for one in value]}
    if name in _NAMED and isinstance(value, Mapping):
        return {_RENAMED.get(name, name): {key: json_schema(one) for key, one in value.items()}}
    if name == "ref" and isinstance(value, str):
        return {"$ref": value.replace("#/defs/", "#/$defs/")}
    return {name: value}


def _kind(kind: Any) -> Any:
    return kind.lower() if isinstance(kind, str) else kind


def _ordered(properties: Json, order: list[Any]) -> Json:
    """``properties`` in the wanted order, those that it does not name behind the others."""
    first = [name for name in order if isinstance(name, str) and name in properties]
    return {name: properties[name] for name in (*dict.fromkeys(first), *properties)}


def _with_null(schema: Json) -> Json:
    """``schema``, or null."""
    if isinstance(schema.get("anyOf"), list):
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    kind = schema.get("type")
    if not isinstance(kind, str):
        return schema
    values = {"enum": [*schema["enum"], None]} if isinstance(schema.get("enum"), list) else {}
    return {**schema, "type": [kind, "null"], **values}
