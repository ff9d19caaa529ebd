"""The JSON Schema of access.json, made from the model classes; editors complete and check with it.

The schema is shipped beside the file and a test keeps it current::

    python -m llm_proxy.live.access.schema > resources/configs/access.schema.json
"""

from __future__ import annotations

import json
import sys
from typing import Any

from llm_proxy.live.access.fields import SECTIONS
from llm_proxy.live.config.schema import COMMENTS, plain

_WHAT = {
    "keys": "Name of a key -> what its holder may.",
    "teams": "Name of a team -> what all its keys may at most.",
    "models": "Public name of a model -> its limits.",
    "budgets": "Name of a budget -> money for a time.",
    "prices": "Public name of a model -> US dollars for a million tokens.",
}


def json_schema() -> dict[str, Any]:
    """The schema."""
    defs: dict[str, Any] = {}
    sections: dict[str, Any] = {}
    for section, model in SECTIONS.items():
        found = plain(model.model_json_schema(ref_template="#/$defs/{model}"))
        defs |= {name: _object(schema) for name, schema in found.pop("$defs", {}).items()}
        defs[model.__name__] = _object(found)
        sections[section] = {
            "type": "object",
            "description": _WHAT[section],
            "patternProperties": COMMENTS,
            "additionalProperties": {"$ref": f"#/$defs/{model.__name__}"},
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "llm-proxy-api: access.json",
        "description": "Who may ask, how much, and for how much money.",
        "type": "object",
        "properties": sections,
        "patternProperties": COMMENTS,
        "additionalProperties": False,
        "$defs": defs,
    }


def _object(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "patternProperties": COMMENTS} if schema.get("type") == "object" else schema


def render() -> str:
    """The text of the shipped file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
