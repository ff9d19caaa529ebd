"""The JSON Schema of models-config.json, made from the model classes; editors complete and check with it.

Laws: pure; the same api_types give the same text. The schema is shipped beside the file and a test keeps it current::

    python -m llm_proxy.live.config.schema anthropic demo gemini ollama openai vllm \\
        > resources/configs/models-config.schema.json

The loader is stricter (types of merged rows, URLs, placeholders); what the schema refuses, the loader refuses too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from llm_proxy.live.config.checks import CANONICAL_OPTIONS, NOT_OPTIONS
from llm_proxy.live.config.fields import Row
from llm_proxy.live.config.name_fields import NameRow
from llm_proxy.live.config.presets import PRESETS
from llm_proxy.live.config.public_names import MODELS
from llm_proxy.wire.schema import ChatRequest

Schema = dict[str, Any]

#: Allowed in every object.
COMMENTS: Schema = {"^\\$comment": {"description": "Ignored."}, "^\\$schema$": {"description": "Ignored."}}
#: Keys at the top that nothing is, and that no provider may be called.
_RESERVED = r"^\$(?!comment|schema$|models$)"


def json_schema(api_types: Iterable[str]) -> Schema:
    """The schema for a gateway that knows ``api_types`` (their names)."""
    names = sorted(api_types)
    row = plain(Row.model_json_schema(ref_template="#/$defs/{model}"))
    name_row = plain(NameRow.model_json_schema(ref_template="#/$defs/{model}"))
    defs = {name: _object(schema) for name, schema in (row.pop("$defs") | name_row.pop("$defs")).items()}
    fields = row["properties"]
    fields["api_type"] |= {"enum": [*names, None]}
    fields["headers"] |= {"patternProperties": COMMENTS}
    fields["options"] |= {"properties": _options()}
    defs["Row"] = _object(row)
    defs["NameRow"] = _object(name_row)
    defs["Provider"] = {
        "type": "object",
        "description": "Maps public model names to their fields. A name with * in it serves every name that fits.",
        "properties": {
            "defaults": {
                "$ref": "#/$defs/Row",
                "description": "Fields that apply to each model of this provider.",
            }
        },
        "patternProperties": COMMENTS,
        "additionalProperties": {"$ref": "#/$defs/Row"},
    }
    known = {name: f"api_type {name} is implied." for name in names}
    known |= {
        preset.name: f"api_type {preset.api_type} is implied"
        + (f", and api_host {preset.api_host}." if preset.api_host else ".")
        + (f" The key goes into the header {preset.key_header}." if preset.key_header else "")
        for preset in PRESETS.values()
        if preset.name not in names
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "llm-proxy-api: models-config.json",
        "description": "provider -> public model name -> default options",
        "type": "object",
        "properties": {
            MODELS: {
                "type": "object",
                "description": "Maps public names, or patterns of them, to what holds for them whatever upstreams serve them.",
                "patternProperties": COMMENTS,
                "additionalProperties": {"$ref": "#/$defs/NameRow"},
            },
            **{
                name: {"$ref": "#/$defs/Provider", "description": text}
                for name, text in sorted(known.items())
            },
        },
        "patternProperties": {**COMMENTS, _RESERVED: False},
        "additionalProperties": {"$ref": "#/$defs/Provider"},
        "$defs": defs,
    }


def render(api_types: Iterable[str]) -> str:
    """The text of the shipped file."""
    return json.dumps(json_schema(api_types), indent=2, ensure_ascii=False) + "\n"


def _object(schema: Schema) -> Schema:
    """Comments are allowed in every object."""
    return {**schema, "patternProperties": COMMENTS}


def _options() -> Schema:
    """The canonical options whose schema needs no definitions of its own; the others are accepted as well."""
    properties = plain(ChatRequest.model_json_schema())["properties"]
    canonical = {
        name: schema
        for name, schema in sorted(properties.items())
        if name in CANONICAL_OPTIONS and "$ref" not in json.dumps(schema)
    }
    return canonical | dict.fromkeys(sorted(NOT_OPTIONS), False)


def plain(schema: Any) -> Any:
    """pydantic's schema without titles and null defaults, and with ``["string", "null"]`` for optional types."""
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result: Schema = {}
    for key, value in schema.items():
        if key == "properties":  # here the keys are names of ours, and "title" would be one of them
            result[key] = {name: plain(item) for name, item in value.items()}
        elif key != "title" and not (key == "default" and value is None):
            result[key] = plain(value)
    if "anyOf" in result:
        result |= _merged_types(result.pop("anyOf"))
    return result


def _merged_types(choices: list[Schema]) -> Schema:
    """``choices`` as one schema if null is the only other one; an integer is a number anyway."""
    if {"type": "number"} in choices:
        choices = [choice for choice in choices if choice != {"type": "integer"}]
    match choices:
        case [only]:
            return only
        case [{"type": str(kind)} as only, {"type": "null"}]:
            enum = {"enum": [*only["enum"], None]} if "enum" in only else {}
            return {**only, **enum, "type": [kind, "null"]}
    return {"anyOf": choices}


if __name__ == "__main__":
    sys.stdout.write(render(sys.argv[1:]))
