"""The schema of a tool's arguments as vendors want it: one object, with nothing at its root that combines several.

Laws: a schema that is such an object stays the same one. Of several that are combined the object has the properties of each,
and requires what all of them do: what else they said is lost, and the words are told. References into the schema are followed,
once each. Whatever stands there, nothing is raised.

Sources: "input_schema does not support oneOf, allOf, or anyOf at the top level" (Anthropic; anomalyco/opencode #37916);
"schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'const'/'not' at the top level" (OpenAI;
langchain-ai/langchainjs #9804); "parameters schema should be of type OBJECT" (Gemini; diegosouzapw/OmniRoute #3360).
"""

from __future__ import annotations

from typing import Any

from providers.common.references import target

_Json = dict[str, Any]
_CHOICES = ("anyOf", "oneOf")
_COMBINED = (*_CHOICES, "allOf")
_REFUSED = (*_COMBINED, "enum", "const", "not")
#: How deep combined schemas are looked into, and how many of them.
_MAX_DEPTH = 4
_MAX_PARTS = 200


def one_object(schema: _Json) -> tuple[_Json, tuple[str, ...]]:
    """``schema`` as one object, and the words that were at its root and are not any more."""
    schema = _followed(schema)
    lost = tuple(word for word in _REFUSED if word in schema)
    if not lost:
        return (schema, ()) if schema.get("type") == "object" else (_typed(schema), ())
    found = _Merge(schema).merged(schema, 0)
    rest = {name: value for name, value in schema.items() if name not in _REFUSED}
    required = [name for name in found.properties if name in found.required]
    asked = {"required": required} if required else {}
    return _typed({**rest, "properties": found.properties, **asked}), lost


def _followed(schema: _Json) -> _Json:
    """What a reference at the root points to, with what stands beside it."""
    for _ in range(_MAX_DEPTH):
        ref = schema.get("$ref")
        found = target(schema, ref) if isinstance(ref, str) else None
        if not isinstance(found, dict) or found is schema:
            break
        schema = {**found, **{name: value for name, value in schema.items() if name != "$ref"}}
        if "$ref" in found:
            schema["$ref"] = found["$ref"]
    return schema


def _typed(schema: _Json) -> _Json:
    """With the type that arguments have, unless it says another: that is the vendor's to refuse."""
    kind = schema.get("type")
    if kind is None and "$ref" not in schema:
        return {"type": "object", **schema}
    return {**schema, "type": "object"} if isinstance(kind, list) and "object" in kind else schema


class _Found:
    """Properties of one schema, those combined in it included, and which of them it requires."""

    __slots__ = ("properties", "required")

    def __init__(self) -> None:
        self.properties: _Json = {}
        self.required: set[str] = set()


class _Merge:
    def __init__(self, root: _Json) -> None:
        self._root = root
        self._left = _MAX_PARTS

    def merged(self, schema: Any, depth: int) -> _Found:
        found = _Found()
        self._left -= 1
        if not isinstance(schema, dict) or depth > _MAX_DEPTH or self._left < 0:
            return found
        if isinstance(schema.get("$ref"), str):
            pointed = self.merged(target(self._root, schema["$ref"]), depth + 1)
            found.properties.update(pointed.properties)
            found.required |= pointed.required
        for part in self._inner(schema, ("allOf",), depth):
            found.properties.update(part.properties)
            found.required |= part.required
        choices = self._inner(schema, _CHOICES, depth)
        for part in choices:
            found.properties.update(part.properties)
        if choices:
            found.required |= set.intersection(*(part.required for part in choices))
        if isinstance(schema.get("properties"), dict):
            found.properties.update(schema["properties"])
        required = schema.get("required")
        found.required |= (
            {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
        )
        return found

    def _inner(self, schema: _Json, words: tuple[str, ...], depth: int) -> list[_Found]:
        lists = (schema.get(word) for word in words)
        return [
            self.merged(part, depth + 1)
            for parts in lists
            if isinstance(parts, list)
            for part in parts
            if isinstance(part, dict)
        ]
