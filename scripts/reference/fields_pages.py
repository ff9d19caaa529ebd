"""``docs/reference/models.md`` and ``access.md``, from the model classes of the two files and the table of known providers. Pure."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from llm_proxy.live.access.fields import SECTIONS
from llm_proxy.live.config.fields import Row
from llm_proxy.live.config.name_fields import NameRow
from llm_proxy.live.config.presets import PRESETS
from providers.discovery import discover
from scripts.reference.tables import code, generated, table, type_words

_MODELS = """
Every field of `models-config.json`. How they work together: [Models and fields](../configuration.md), [Names and routing](../routing.md).
`models-config.schema.json`, beside the file, says the same to editors. A field may be `null`, which removes what `defaults` say; an unknown one is an error with its line.

```json config
{
  "$schema": "models-config.schema.json",
  "$models": {"fast": {"alias": "llama3.2"}},
  "ollama": {"defaults": {"keep_alive": "30m"}, "llama3.2": {"options": {"num_ctx": 16384}}}
}
```
"""
_ACCESS = """
Every field of `access.json`. How they work together: [Keys, limits, budgets](../access.md). `access.schema.json` says the same to editors.
"""
_HEADINGS = {
    "keys": "`keys`: who may ask",
    "teams": "`teams`: what all keys of one have together",
    "models": "`models`: limits of one model, for all who use it",
    "budgets": "`budgets`: money for a time",
    "prices": "`prices`: US dollars for a million tokens",
}


def _fields(schema: dict[str, Any], defs: dict[str, Any]) -> str:
    rows = []
    for name, field in schema["properties"].items():
        needed = " (required)" if name in schema.get("required", ()) else ""
        example = next(
            (code(json.dumps(value, ensure_ascii=False)) for value in field.get("examples", ())), ""
        )
        rows.append((code(name) + needed, type_words(field, defs), field.get("description", ""), example))
    return table(("field", "type", "meaning", "example"), rows)


def _inner(schema: dict[str, Any], defs: dict[str, Any], told: set[str]) -> str:
    """The objects that fields of ``schema``, and of these objects, are, each once."""
    text = ""
    for name, found in defs.items():
        if name not in told and "properties" in found:
            told.add(name)
            of = [
                code(field)
                for model in (schema, *defs.values())
                for field, value in model.get("properties", {}).items()
                if f'/{name}"' in json.dumps(value)
            ]
            text += f"\n### {name}\n\nThe object of {', '.join(of)}. {found.get('description', '')}\n\n{_fields(found, defs)}"
    return text


def _section(heading: str, model: type[BaseModel], told: set[str]) -> str:
    schema = model.model_json_schema(ref_template="#/$defs/{model}")
    defs = schema.get("$defs", {})
    text = schema.get("description", "").replace("\n", " ")
    return f"\n## {heading}\n\n{text}\n\n{_fields(schema, defs)}" + _inner(schema, defs, told)


def _providers() -> str:
    rows = [
        (code(name), code(name), "", "") if (preset := PRESETS.get(name)) is None
        else (code(name), code(preset.api_type), code(preset.api_host or ""), code(preset.key_header))
        for name in sorted({*PRESETS, *discover()})
    ]  # fmt: skip
    text = (
        "A provider may have any name. With one of these, `api_type` and `api_host` need not be written; an empty cell means that the dialect's own default holds, "
        "or that an address must be written because everybody has their own. Keys go as a bearer token unless a header is named.\n"
    )
    return f"\n## Names of providers that imply something\n\n{text}\n" + table(
        ("provider", "`api_type`", "`api_host`", "header of the key"), rows
    )


def models_page() -> str:
    """The text of the page about ``models-config.json``."""
    told: set[str] = set()
    return (
        generated("Reference: fields of models-config.json", "llm_proxy/live/config", _MODELS)
        + _section("Fields of a model, and of a provider's `defaults`", Row, told)
        + _section("Fields of a name in `$models`", NameRow, told)
        + _providers()
    )


def access_page() -> str:
    """The text of the page about ``access.json``."""
    told: set[str] = set()
    sections = "".join(_section(_HEADINGS[name], model, told) for name, model in SECTIONS.items())
    return (
        generated("Reference: fields of access.json", "llm_proxy/live/access/fields.py", _ACCESS) + sections
    )
