"""Tools and the choice among them, for Gemini (ai.google.dev/gemini-api/docs/function-calling)."""

from __future__ import annotations

from typing import Any

from llm_proxy.wire.dropped_names import label
from providers.common.params import Params
from providers.gemini.schema import plain

Body = dict[str, Any]

#: Tools that run on the vendor's side: a canonical tool of this type (in snake_case or camelCase) is one of them.
_OWN_TOOLS = {
    name.lower(): name
    for name in ("codeExecution", "computerUse", "fileSearch", "googleMaps", "googleSearch", "urlContext")
}
_MODES = {"none": "NONE", "auto": "AUTO", "required": "ANY"}


def tools(params: Params) -> list[Body]:
    """``tools``: all functions in one declaration."""
    functions: list[Body] = []
    others: list[Body] = []
    for number, tool in enumerate(params.take("tools") or []):
        kind = tool.get("type", "function")
        own = _OWN_TOOLS.get(kind.replace("_", "").lower())
        if kind == "function":
            functions.append(_declaration(params, tool["function"], number))
        elif own is not None:
            settings = tool.get(kind)
            others.append({own: settings if isinstance(settings, dict) else {}})
        else:
            params.drop(f"tools.{number}", label(kind))
    return [*([{"functionDeclarations": functions}] if functions else []), *others]


def _declaration(params: Params, function: Body, number: int) -> Body:
    found: Body = {"name": function["name"]}
    if function.get("description"):
        found["description"] = function["description"]
    if function.get("parameters"):
        found["parametersJsonSchema"], lost = plain(function["parameters"])
        if lost:
            params.drop(f"tools.{number}.function.parameters", "what a $ref cannot tell")
    if function.get("strict"):
        params.drop("tools.function.strict")
    return found


def tool_config(params: Params, declared: list[Body]) -> Body:
    """``toolConfig``: the API's own, with the canonical choice in it."""
    config = dict(params.take_object("toolConfig"))
    choice = params.take("tool_choice")
    if choice is None:
        return config
    if not any("functionDeclarations" in tool for tool in declared):
        if choice not in ("none", "auto"):
            params.drop("tool_choice", "no functions")
        return config
    calling = _calling(choice)
    if calling is None:
        params.drop("tool_choice")
        return config
    return {**config, "functionCallingConfig": calling}


def _calling(choice: Any) -> Body | None:
    """``functionCallingConfig``; None if there is no such choice here."""
    if isinstance(choice, str):
        return {"mode": _MODES[choice]} if choice in _MODES else None
    kind = choice.get("type")
    inner = choice.get(kind) if isinstance(kind, str) else None
    if not isinstance(inner, dict):
        return None
    if kind == "function":
        return {"mode": "ANY", "allowedFunctionNames": [inner.get("name")]}
    if kind == "allowed_tools":
        # AUTO takes no names; VALIDATED is "a call of one of these, or a text".
        names = [_name(tool) for tool in inner.get("tools") or []]
        return {
            "mode": "ANY" if inner.get("mode") == "required" else "VALIDATED",
            "allowedFunctionNames": names,
        }
    return None


def _name(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, dict) else None
    return function.get("name") if isinstance(function, dict) else None
