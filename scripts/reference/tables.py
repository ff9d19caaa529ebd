"""Markdown tables, and types in words a reader of JSON knows. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

Schema = dict[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a pipe in a cell is escaped, a line break becomes a space."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


def code(value: object) -> str:
    """``value`` as code; nothing for nothing."""
    return f"`{value}`" if str(value) else ""


def generated(title: str, by: str, intro: str) -> str:
    """How each page begins."""
    return f"# {title}\n\n<!-- Generated from {by} by `make reference`. Do not edit. -->\n\n{intro.strip()}\n"


_WORDS = {"boolean": "`true`, `false`", "string": "text", "integer": "whole number"}


def type_words(schema: Schema, defs: Schema) -> str:
    """What may stand there: ``number from 0 to 3600``, ``list of strings``, ``"cut" or "continue"``."""
    ways = [way for way in schema.get("anyOf", [schema]) if way.get("type") != "null"]
    return " or ".join(dict.fromkeys(_one(way, defs) for way in ways))


def _one(schema: Schema, defs: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[object](#{anchor(name)})" if "properties" in defs[name] else _one(defs[name], defs)
    if "enum" in schema or "const" in schema:
        return ", ".join(code(json.dumps(value)) for value in schema.get("enum", [schema.get("const")]))
    kind: str = schema.get("type", "anything")
    if kind == "array":
        return f"list of {type_words(schema.get('items', {}), defs)}"
    return _WORDS.get(kind, kind) + _range(schema)


def _range(schema: Schema) -> str:
    words = ""
    if (least := schema.get("minimum")) is not None:
        words += f" from {_number(least)}"
    if (above := schema.get("exclusiveMinimum")) is not None:
        words += f" above {_number(above)}"
    if (most := schema.get("maximum")) is not None:
        words += f" to {_number(most)}"
    return words


def _number(value: float) -> str:
    return f"{int(value) if value == int(value) else value:,}"


def anchor(name: str) -> str:
    """The anchor of a heading that is one word."""
    return name.lower()
