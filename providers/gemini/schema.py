"""JSON Schemas as Gemini takes them: it wants ``$ref`` alone, where Pydantic and Zod write a description beside it.

Laws: a reference with other keys beside it, or to anything but a definition in ``$defs``, becomes what it means, with those keys
over it; one to a definition that stands alone stays. So does, alone, one to what is just being told: recursion ends, and only
what stood beside it there is lost. What is put in is bounded in all; beyond that, references stand alone too. A schema without
such references is the very object that came. References are those into the same document (RFC 6901). Pure.

Source: ai.google.dev/api/generate-content ("if ``$ref`` is set on a sub-schema, no other properties, except for starting
with ``$``, may be set"; of definitions it knows ``$defs`` alone; anomalyco/opencode #12295, DEEIX-AI/DEEIX-Chat #546).
"""

from __future__ import annotations

from typing import Any

from providers.common.references import target

Schema = dict[str, Any]

#: Objects and lists that may be put in for references, in one schema.
_MAX_NODES = 2000
#: Deeper than any schema that a model could follow, and not too deep for what walks over it.
_MAX_DEPTH = 100
_OLD = "#/definitions/"
#: What holds data and no schemas.
_DATA = frozenset({"const", "default", "enum", "example", "examples"})


def plain(schema: Any) -> tuple[Any, bool]:
    """``schema`` without references that have anything beside them, and whether something that stood there had to go."""
    if not _has_strange(schema):
        return schema, False
    if isinstance(schema, dict) and "definitions" in schema and "$defs" not in schema:
        schema = {_moved(name): inner for name, inner in schema.items()}
    work = _Plain(schema)
    return work.node(schema, ()), work.lost


def _moved(name: str) -> str:
    """Where the older drafts of JSON Schema keep definitions, and so do Zod's."""
    return "$defs" if name == "definitions" else name


def _has_strange(value: Any) -> bool:
    """Whether there is a reference that is not alone, or to another place; without recursion, since a client may nest as deep as
    its body allows."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if _refers(value) and _strange(value):
                return True
            left += (inner for key, inner in value.items() if key not in _DATA)
        elif isinstance(value, list):
            left += value
    return False


def _refers(value: Schema) -> bool:
    return isinstance(value.get("$ref"), str)


def _strange(value: Schema) -> bool:
    return not value["$ref"].startswith("#/$defs/") or any(not key.startswith("$") for key in value)


class _Plain:
    """One schema while it is written anew."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._moved = isinstance(root, dict) and "definitions" not in root
        self._left = _MAX_NODES
        self.lost = False

    def node(self, value: Any, within: tuple[str, ...], depth: int = 0) -> Any:
        """``value`` anew; ``within`` are the references that are being told around it."""
        if within:
            self._left -= 1
        if depth > _MAX_DEPTH:
            return value
        if isinstance(value, list):
            return [self.node(item, within, depth + 1) for item in value]
        if not isinstance(value, dict):
            return value
        if _refers(value) and self._moved and value["$ref"].startswith(_OLD):
            value = {**value, "$ref": "#/$defs/" + value["$ref"].removeprefix(_OLD)}
        if _refers(value) and _strange(value):
            return self._told(value, within, depth)
        return {
            key: inner if key in _DATA else self.node(inner, within, depth + 1)
            for key, inner in value.items()
        }

    def _told(self, value: Schema, within: tuple[str, ...], depth: int) -> Any:
        ref = value["$ref"]
        beside = {key: inner for key, inner in value.items() if key != "$ref"}
        found = target(self._root, ref)
        if not isinstance(found, dict):
            self.lost = True  # a reference to nothing, which the vendor would refuse
            return self.node(beside, within, depth + 1)
        if ref in within or self._left <= 0:
            self.lost = True
            if not ref.startswith("#/$defs/"):  # "reference to undefined schema"
                return {"type": found["type"]} if isinstance(found.get("type"), str) else {}
            kept = {key: inner for key, inner in beside.items() if key.startswith("$")}
            return {"$ref": ref, **self.node(kept, within, depth + 1)}
        # A chain of references is followed by the merging: the inner one has company now.
        return self.node({**found, **beside}, (*within, ref), depth + 1)
