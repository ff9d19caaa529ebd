"""The tool that works on a screen of the client's (platform.openai.com/docs/guides/tools-computer-use): a list of actions,
or one in the older preview, answered by a picture.

Laws: an action of the item is one that the API knows, with every field that its type has; a model's action that is not
complete is not guessed, but for what has a usual value.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.faces.responses.kind import NUMBER, TEXT, TEXTS, Kind, integer, schema, text_of

_Json = dict[str, Any]
_BUTTONS = ("left", "right", "wheel", "back", "forward")
#: Each action's numbers.
_NUMBERS = {
    "click": ("x", "y"),
    "double_click": ("x", "y"),
    "move": ("x", "y"),
    "scroll": ("x", "y", "scroll_x", "scroll_y"),
    "drag": (),
    "keypress": (),
    "type": (),
    "screenshot": (),
    "wait": (),
}
_POINT = schema(("x", "y"), x=NUMBER, y=NUMBER)
_ACTION = schema(
    ("type",),
    type={"type": "string", "enum": list(_NUMBERS)},
    x=NUMBER,
    y=NUMBER,
    button={"type": "string", "enum": list(_BUTTONS)},
    scroll_x=NUMBER,
    scroll_y=NUMBER,
    keys=TEXTS,
    text=TEXT,
    path={"type": "array", "items": _POINT},
)
_WORDS = "Work on the user's screen: click, double_click, move, drag, scroll, keypress (keys), type (text), wait, screenshot."


class _Computer(Kind):
    type, item, prefix = "computer", "computer_call", "cu"

    def function(self, tool: _Json) -> _Json:
        parameters = schema(("actions",), actions={"type": "array", "items": _ACTION})
        return {"description": _WORDS, "parameters": parameters}

    def fields(self, arguments: _Json, tool: _Json) -> _Json | None:
        given = arguments.get("actions", [arguments])
        actions = [_action(one) for one in given] if isinstance(given, list) and given else [None]
        return None if None in actions else {"actions": actions, "pending_safety_checks": []}

    def arguments(self, item: _Json) -> str | None:
        one, many = item.get("action"), item.get("actions")
        if not isinstance(many, list):
            many = [one] if isinstance(one, dict) else None
        return None if many is None else text_of({"actions": many})

    def result(self, item: _Json) -> Any:
        given = item.get("output")
        if isinstance(given, dict) and isinstance(given.get("image_url"), str):
            return [{"type": "input_image", "image_url": given["image_url"]}]
        return "The screenshot is kept elsewhere." if isinstance(given, dict) else given


class _Preview(_Computer):
    type = "computer_use_preview"

    def function(self, tool: _Json) -> _Json:
        size = "x".join(str(tool.get(f"display_{side}")) for side in ("width", "height"))
        where = tool.get("environment") or "its system is not known"
        words = f"{_WORDS} One action at a time. The screen: {size} pixels, {where}."
        return {"description": words, "parameters": _ACTION}

    def arguments(self, item: _Json) -> str | None:
        one, many = item.get("action"), item.get("actions")
        found = one if one or not isinstance(many, list) or not many else many[0]
        return text_of(found) if isinstance(found, dict) else None

    def fields(self, arguments: _Json, tool: _Json) -> _Json | None:
        action = _action(arguments.get("action", arguments))
        return None if action is None else {"action": action, "pending_safety_checks": []}


def _action(given: Any) -> _Json | None:
    """An action with all its fields."""
    kind = given.get("type") if isinstance(given, dict) else None
    if kind not in _NUMBERS:
        return None
    found: _Json = {"type": kind}
    for name in _NUMBERS[kind]:
        number = integer(given.get(name, 0 if name.startswith("scroll") else None))
        if number is None:
            return None
        found[name] = number
    if kind == "click":
        found["button"] = given["button"] if given.get("button") in _BUTTONS else "left"
    if kind == "type":
        found["text"] = given.get("text")
        return found if isinstance(found["text"], str) else None
    if kind == "drag":
        path = given.get("path")
        points = [_point(point) for point in path] if isinstance(path, list) else []
        found["path"] = points
        if len(points) < 2 or None in points:
            return None
    return _with_keys(found, given.get("keys"))


def _with_keys(found: _Json, keys: Any) -> _Json | None:
    """Keys that are held down meanwhile, or pressed."""
    sound = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if found["type"] == "keypress" and not (sound and keys):
        return None
    return {**found, "keys": keys} if sound and keys else found


def _point(given: Any) -> _Json | None:
    if not isinstance(given, dict):
        return None
    x, y = integer(given.get("x")), integer(given.get("y"))
    return None if x is None or y is None else {"x": x, "y": y}


COMPUTER, PREVIEW = _Computer(), _Preview()
