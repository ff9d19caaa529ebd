"""Declarations of tools as a vendor takes them: their fields, and what each subset of JSON Schema wants.

Laws: a schema that is taken stays the same object; what is added says nothing new (an object without properties has none, an
array without a word about its items holds anything), and what cannot be said is named. The cost is that of one walk.
"""

from __future__ import annotations

from typing import Any

from providers.common.root_schema import one_object
from providers.openai.fit_fields import unmarked
from providers.openai.vendor import Vendor

_Json = dict[str, Any]
_Lost = dict[str, None]
_FUNCTION = frozenset({"name", "description", "parameters", "strict"})
_COMBINED = ("anyOf", "oneOf", "allOf")


def fit_tools(body: _Json, vendor: Vendor, lost: _Lost) -> None:
    """Change ``tools`` of ``body``."""
    if isinstance(body["tools"], list):
        body["tools"] = [_tool(tool, at, vendor, lost) for at, tool in enumerate(body["tools"])]


def _tool(tool: _Json, at: int, vendor: Vendor, lost: _Lost) -> _Json:
    found = tool if vendor.marks else unmarked(tool)
    function = found.get("function")
    if found.get("type", "function") != "function" or not isinstance(function, dict):
        return found
    if vendor.strict and not found.keys() <= {"type", "function"}:
        found = {"type": "function", "function": function}
    changed = function
    if vendor.strict and not function.keys() <= _FUNCTION:
        changed = {name: value for name, value in function.items() if name in _FUNCTION}
    if not vendor.strict_tools and "strict" in changed:
        if changed["strict"]:
            lost["tools.strict"] = None
        changed = {name: value for name, value in changed.items() if name != "strict"}
    given = function.get("parameters")
    if isinstance(given, dict):
        schema = _parameters(given, f"tools.{at}.function.parameters", vendor, lost)
        if schema is not given:
            changed = {**changed, "parameters": schema}
    return found if changed is function else {**found, "function": changed}


def _parameters(schema: _Json, path: str, vendor: Vendor, lost: _Lost) -> _Json:
    """A schema of arguments. OpenAI's newer models want an object with its properties ("object schema missing
    properties"), and none of the words that combine schemas, in the outermost one."""
    found = schema
    if vendor.items:
        found, words = one_object(found)
        lost.update((f"{path}.{word}", None) for word in words)
    if found.get("type", "object") == "object" and "$ref" not in found:
        if "type" not in found and not any(word in found for word in _COMBINED):
            found = {"type": "object", **found}
        if "properties" not in found and found.get("type") == "object" and not vendor.grammar:
            found = {**found, "properties": {}}
    return _walked(found, vendor) if _is_to_change(found, vendor) else found


def _is_to_change(schema: _Json, vendor: Vendor) -> bool:
    """Whether a rule for schemas within schemas is broken anywhere in it."""
    if not (vendor.items or vendor.any_of_alone):
        return False
    waiting: list[Any] = [schema]
    while waiting:
        value = waiting.pop()
        if type(value) is dict:
            if "type" in value and (value["type"] == "array" or "anyOf" in value) and _breaks(value, vendor):
                return True
            waiting += value.values()
        elif type(value) is list:
            waiting += value
    return False


def _breaks(schema: _Json, vendor: Vendor) -> bool:
    lacks_items = schema["type"] == "array" and "items" not in schema and "prefixItems" not in schema
    return (vendor.items and lacks_items) or (vendor.any_of_alone and "anyOf" in schema)


def _walked(value: Any, vendor: Vendor) -> Any:
    """``value`` with the rules of ``vendor`` for schemas within schemas; the same object if it keeps them."""
    if isinstance(value, list):
        items = [_walked(item, vendor) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if not isinstance(value, dict):
        return value
    found = value
    for name, inner in value.items():
        if isinstance(inner, dict | list) and name not in ("enum", "const", "default", "examples"):
            walked = _walked(inner, vendor)
            if walked is not inner:
                found = {**value} if found is value else found
                found[name] = walked
    if vendor.items and found.get("type") == "array" and "items" not in found and "prefixItems" not in found:
        found = {**found, "items": {}}
    choices = found.get("anyOf")
    if vendor.any_of_alone and isinstance(choices, list) and isinstance(found.get("type"), str | list):
        kind = found["type"]
        typed = [
            {"type": kind, **one} if isinstance(one, dict) and "$ref" not in one else one for one in choices
        ]
        found = {**{name: inner for name, inner in found.items() if name != "type"}, "anyOf": typed}
    return found
