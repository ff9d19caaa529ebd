"""JSON Schema in few words, and what pydantic says of a model, without what only Python cares about. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from llm_proxy.openapi.values import Schema

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
ANY: Schema = {}
OBJECT: Schema = {"type": "object"}

_COMPONENTS = "#/components/schemas/"


def ref(name: str) -> Schema:
    """The component of that name."""
    return {"$ref": _COMPONENTS + name}


def maybe(schema: Schema) -> Schema:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def many(schema: Schema) -> Schema:
    """A list of that."""
    return {"type": "array", "items": schema}


def mapping(schema: Schema) -> Schema:
    """An object whose names are data."""
    return {"type": "object", "additionalProperties": schema}


def const(value: str) -> Schema:
    """Always the same text."""
    return {"const": value}


def one_of(*values: str) -> Schema:
    """One of these texts."""
    return {"type": "string", "enum": list(values)}


def record(fields: Mapping[str, Schema], may: Mapping[str, Schema] | None = None, what: str = "") -> Schema:
    """An object with ``fields``, and those of ``may`` where there is something to say. Others are allowed: upstreams
    add theirs."""
    found: Schema = {"description": what} if what else {}
    properties = {**fields, **(may or {})}
    return {**found, "type": "object", "properties": properties, "required": list(fields)}


class _Plain(GenerateJsonSchema):
    """Without a title for each field, which only repeats its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: Any) -> Schema:
        found: Schema = super().model_schema(schema)
        found.pop("title", None)
        if "description" in found:  # of a docstring what is meant for users of the class stays away
            found["description"] = found["description"].split("\n\n")[0].partition(". ")[0].rstrip(".") + "."
        return found

    def union_schema(self, schema: Any) -> Schema:
        found: Schema = super().union_schema(schema)
        ways = found.get("anyOf", [])
        if NUMBER in ways:  # which an integer is
            found["anyOf"] = [way for way in ways if way != INTEGER]
        return found["anyOf"][0] if len(found.get("anyOf", ())) == 1 else found

    def default_schema(self, schema: Any) -> Schema:
        found: Schema = super().default_schema(schema)
        if found.get("default", 0) is None:  # says only that the field may be left out
            del found["default"]
        return found


def components_of(model: type[BaseModel]) -> dict[str, Schema]:
    """What ``model`` takes, under its name, and what that refers to, under names of its own."""
    name = model.__name__
    schema = model.model_json_schema(
        ref_template=f"{_COMPONENTS}{name}.{{model}}", schema_generator=_Plain, mode="validation"
    )
    inner = schema.pop("$defs", {})
    return {name: schema, **{f"{name}.{part}": found for part, found in inner.items()}}
