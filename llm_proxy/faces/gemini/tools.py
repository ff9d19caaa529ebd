"""Tools of a Gemini request, and the choice among them, as canonical ones (ai.google.dev/api/caching#Tool).

Laws: functions are the client's, and so are the actions of ``computerUse``, which become functions; what runs on Google's
side is named as dropped. Functions that may not be called are not declared at all: every upstream understands that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.faces.gemini.schema import json_schema
from llm_proxy.wire.dropped_names import dropped

Json = dict[str, Any]

_CHOICES = {
    "AUTO": "auto",
    "ANY": "required",
    "NONE": "none",
    "VALIDATED": "auto",
    "MODE_UNSPECIFIED": "auto",
}

_NUMBER, _STRING, _FLAG = {"type": "integer"}, {"type": "string"}, {"type": "boolean"}
_POINT: Json = {"x": _NUMBER, "y": _NUMBER}
_WAY: Json = {"type": "string", "enum": ["up", "down", "left", "right"]}
#: ai.google.dev/gemini-api/docs/computer-use#supported-actions: what the client does when it is called, what it is told,
#: and what of that may be left out. Places are from 0 to 999 on each side of the screen.
_ACTIONS: Mapping[str, tuple[str, Json, tuple[str, ...]]] = {
    "open_web_browser": ("Opens the browser.", {}, ()),
    "wait_5_seconds": ("Waits for five seconds.", {}, ()),
    "go_back": ("Goes to the page before.", {}, ()),
    "go_forward": ("Goes to the page after.", {}, ()),
    "search": ("Goes to the page of the default search engine.", {}, ()),
    "navigate": ("Goes to an address.", {"url": _STRING}, ()),
    "click_at": ("Clicks at a place (0 to 999 on each side).", _POINT, ()),
    "hover_at": ("Moves the pointer to a place (0 to 999 on each side).", _POINT, ()),
    "type_text_at": (
        "Types a text at a place (0 to 999 on each side).",
        {**_POINT, "text": _STRING, "press_enter": _FLAG, "clear_before_typing": _FLAG},
        ("press_enter", "clear_before_typing"),
    ),
    "key_combination": ("Presses keys together, such as Control+A.", {"keys": _STRING}, ()),
    "scroll_document": ("Scrolls the page.", {"direction": _WAY}, ()),
    "scroll_at": (
        "Scrolls at a place (0 to 999 on each side).",
        {**_POINT, "direction": _WAY, "magnitude": _NUMBER},
        ("magnitude",),
    ),
    "drag_and_drop": (
        "Drags from one place to another (0 to 999 on each side).",
        {**_POINT, "destination_x": _NUMBER, "destination_y": _NUMBER},
        (),
    ),
}


def tools(given: Sequence[Any], config: Mapping[str, Any] | None) -> tuple[Json, list[str]]:
    """The canonical fields for ``tools`` and ``toolConfig``, and the names of what was dropped. Raises
    ``InvalidRequest``."""
    functions: list[Json] = []
    lost: list[str] = []
    problems: list[Problem] = []
    for at, tool in enumerate(given):
        if not isinstance(tool, dict):
            problems.append(Problem(f"tools.{at}", "must be an object"))
            continue
        for name, value in tool.items():
            if name == "functionDeclarations":
                functions += _declared(value, f"tools.{at}.{name}", lost, problems)
            elif name == "computerUse":
                functions += _actions(value if isinstance(value, dict) else {})
            else:
                lost.append(dropped(f"tools.{at}", name))
    if problems:
        raise InvalidRequest.of(problems)
    calling = (config or {}).get("functionCallingConfig") or {}
    lost += [f"toolConfig.{name}" for name in config or {} if name != "functionCallingConfig"]
    return _chosen(functions, calling if isinstance(calling, dict) else {}, lost), lost


def _chosen(functions: list[Json], calling: Json, lost: list[str]) -> Json:
    mode = str(calling.get("mode") or "AUTO").upper()
    allowed = calling.get("allowedFunctionNames")
    if isinstance(allowed, list) and allowed:
        allowed = {name for name in allowed if isinstance(name, str)}
        functions = [tool for tool in functions if tool["function"]["name"] in allowed]
    if not functions:
        if mode in ("ANY", "VALIDATED"):
            lost.append("toolConfig.functionCallingConfig (no functions)")
        return {}
    if mode not in _CHOICES:
        raise InvalidRequest.of(
            [Problem("toolConfig.functionCallingConfig.mode", "must be AUTO, ANY, NONE or VALIDATED")]
        )
    choice = _CHOICES[mode]
    if calling.get("streamFunctionCallArguments"):
        lost.append("toolConfig.functionCallingConfig.streamFunctionCallArguments")
    return {"tools": functions, **({} if choice == "auto" else {"tool_choice": choice})}


def _declared(given: Any, path: str, lost: list[str], problems: list[Problem]) -> Iterator[Json]:
    for at, declaration in enumerate(given if isinstance(given, list) else []):
        name = declaration.get("name") if isinstance(declaration, dict) else None
        if not isinstance(name, str) or not name:
            problems.append(Problem(f"{path}.{at}.name", "is required, and must be a string"))
            continue
        if declaration.get("behavior") == "NON_BLOCKING":
            lost.append("tools.functionDeclarations.behavior")
        function: Json = {"name": name}
        if isinstance(declaration.get("description"), str):
            function["description"] = declaration["description"]
        schema = declaration.get("parametersJsonSchema")
        if schema is None:
            schema = json_schema(declaration.get("parameters"))
        function["parameters"] = schema if isinstance(schema, dict) else {"type": "object", "properties": {}}
        yield {"type": "function", "function": function}


def _actions(given: Json) -> Iterator[Json]:
    excluded = given.get("excludedPredefinedFunctions")
    for name, (what, properties, optional) in _ACTIONS.items():
        if isinstance(excluded, list) and name in excluded:
            continue
        required = [key for key in properties if key not in optional]
        schema: Json = {"type": "object", "properties": properties, "required": required}
        yield {"type": "function", "function": {"name": name, "description": what, "parameters": schema}}
