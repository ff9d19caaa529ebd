"""The members of Anthropic's toolsets, which the client executes one by one: what each does and takes.

A toolset is one entry of ``tools`` without a name; its members are called by their own names and carry ``toolset_name``.
Source: the types ``BetaComputer*Input`` and ``BetaBrowser*Input`` of the vendor's client (anthropic 2.14). A test asks
them member by member.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]


def _object(required: tuple[str, ...] = (), **fields: Schema) -> Schema:
    found: Schema = {"type": "object", "properties": fields}
    return {**found, "required": list(required)} if required else found


def _of(kind: str, about: str) -> Schema:
    return {"type": kind, "description": about}


def _numbers(about: str) -> Schema:
    return {"type": "array", "items": {"type": "integer"}, "description": about}


_DIRECTION: Schema = {"type": "string", "enum": ["up", "down", "left", "right"]}

_AT = _numbers("[x, y] in pixels from the left and the top edge; absent: where the cursor is.")
_HELD = _of("string", "Keys to hold down meanwhile, such as 'ctrl' or 'ctrl+shift'.")
_KEYS = _of("string", "A key or keys joined by '+', such as 'Return', 'ctrl+s', 'alt+Tab'.")
_CLICK = _object(coordinate=_AT, text=_HELD)

COMPUTER: Mapping[str, tuple[str, Schema]] = {
    "key": ("Press keys.", _object(("text",), text=_KEYS, repeat=_of("integer", "How often; 1 if absent."))),
    "hold_key": (
        "Hold keys down for some seconds.",
        _object(("text", "duration"), text=_KEYS, duration=_of("integer", "Seconds.")),
    ),
    "type": ("Type a text.", _object(("text",), text=_of("string", "The text."))),
    "cursor_position": ("Where the cursor is.", _object()),
    "mouse_move": (
        "Move the cursor without a click.",
        _object(("coordinate",), coordinate=_numbers("[x, y]")),
    ),
    "left_mouse_down": ("Press the left button and keep it down.", _object()),
    "left_mouse_up": ("Release the left button.", _object()),
    "left_click": ("Click.", _CLICK),
    "left_click_drag": (
        "Drag with the left button.",
        _object(
            ("start_coordinate", "coordinate"),
            start_coordinate=_numbers("[x, y] of the beginning."),
            coordinate=_numbers("[x, y] of the end."),
            text=_HELD,
        ),
    ),
    "right_click": ("Click with the right button.", _CLICK),
    "middle_click": ("Click with the middle button.", _CLICK),
    "double_click": ("Click twice.", _CLICK),
    "triple_click": ("Click three times.", _CLICK),
    "scroll": (
        "Scroll; do not use page keys for that.",
        _object(
            ("scroll_direction", "scroll_amount"),
            scroll_direction=_DIRECTION,
            scroll_amount=_of("integer", "Clicks of the wheel."),
            coordinate=_AT,
            text=_HELD,
        ),
    ),
    "wait": ("Wait.", _object(("duration",), duration=_of("integer", "Seconds."))),
    "screenshot": ("Take a picture of the screen.", _object()),
    "zoom": (
        "A larger picture of a region of the screen.",
        _object(("region",), region=_numbers("[x0, y0, x1, y1] in the pixels of a whole picture.")),
    ),
}

_TAB = _of("string", "The tab; the active one if absent.")
_POINT = _object(
    ("type", "x", "y"),
    type={"type": "string", "enum": ["coordinate"]},
    x=_of("integer", "Pixels from the left edge of the viewport."),
    y=_of("integer", "Pixels from its top edge."),
)
_ELEMENT = _object(
    ("type", "ref"),
    type={"type": "string", "enum": ["ref"]},
    ref=_of("string", "A reference such as 'ref_7' that read_page or find gave."),
)
_TARGET: Schema = {"anyOf": [_POINT, _ELEMENT]}
_PRESS = _object(
    ("target",), target=_TARGET, modifiers=_of("string", "Keys to hold, such as 'shift'."), tab_id=_TAB
)
_THERE = _object(("target",), target=_POINT, tab_id=_TAB)
_HERE = _object(tab_id=_TAB)
_SECONDS = _of("number", "Seconds, at most 30.")

BROWSER: Mapping[str, tuple[str, Schema]] = {
    "navigate": (
        "Go to an address, or 'back', 'forward', 'reload'.",
        _object(("url",), url=_of("string", "The address; https:// may be left out."), tab_id=_TAB),
    ),
    "list_tabs": ("All open tabs: tab_id, title, address.", _object()),
    "new_tab": ("Open an empty tab.", _object()),
    "switch_tab": ("Make a tab the active one.", _object(("tab_id",), tab_id=_of("string", "The tab."))),
    "close_tab": ("Close a tab.", _object(("tab_id",), tab_id=_of("string", "The tab."))),
    "read_page": (
        "The page as a tree of elements with references that later calls can use.",
        _object(
            depth=_of("integer", "Depth of the tree; 15 if absent."),
            filter={"type": "string", "enum": ["all", "interactive"]},
            ref=_of("string", "The element to begin at; the page if absent."),
            tab_id=_TAB,
        ),
    ),
    "get_page_text": ("The visible text of the page.", _HERE),
    "read_console": ("What the console has said since the last time.", _HERE),
    "read_network": ("The network requests since the last time.", _HERE),
    "find": (
        "Elements that fit a description, with references.",
        _object(("query",), query=_of("string", "The description."), tab_id=_TAB),
    ),
    "form_input": (
        "Set the value of an element of a form.",
        _object(
            ("target", "value"),
            target=_ELEMENT,
            value={"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]},
            tab_id=_TAB,
        ),
    ),
    "file_upload": (
        "Choose files in an element of a form: paths or document_ids.",
        _object(
            ("target",),
            target=_ELEMENT,
            paths={"type": "array", "items": {"type": "string"}},
            document_ids={"type": "array", "items": {"type": "string"}},
            tab_id=_TAB,
        ),
    ),
    "scroll_to": ("Scroll an element into view.", _object(("target",), target=_ELEMENT, tab_id=_TAB)),
    "screenshot": ("A picture of the viewport.", _HERE),
    "zoom": (
        "A larger picture of a region of the viewport.",
        _object(("region",), region=_numbers("[x0, y0, x1, y1] in pixels."), tab_id=_TAB),
    ),
    "left_click": ("Click.", _PRESS),
    "right_click": ("Click with the right button.", _PRESS),
    "middle_click": ("Click with the middle button.", _PRESS),
    "double_click": ("Click twice.", _PRESS),
    "triple_click": ("Click three times.", _PRESS),
    "hover": ("Move the cursor there without a click.", _object(("target",), target=_TARGET, tab_id=_TAB)),
    "left_click_drag": (
        "Drag with the left button.",
        _object(("from", "target"), **{"from": _POINT}, target=_POINT, tab_id=_TAB),
    ),
    "left_mouse_down": ("Press the left button and keep it down.", _THERE),
    "left_mouse_up": ("Release the left button.", _THERE),
    "mouse_move": ("Move the pointer without a click.", _THERE),
    "scroll": (
        "Scroll.",
        _object(
            ("scroll_direction", "target"),
            scroll_direction=_DIRECTION,
            target=_POINT,
            scroll_amount=_of("integer", "Notches of the wheel, 1 to 10; 3 if absent."),
            tab_id=_TAB,
        ),
    ),
    "type": ("Type a text.", _object(("text",), text=_of("string", "The text."), tab_id=_TAB)),
    "key": (
        "Press keys.",
        _object(("text",), text=_KEYS, repeat=_of("integer", "How often; 1 if absent."), tab_id=_TAB),
    ),
    "hold_key": (
        "Hold keys down for some seconds.",
        _object(("text", "duration"), text=_KEYS, duration=_SECONDS, tab_id=_TAB),
    ),
    "wait": ("Wait.", _object(("duration",), duration=_SECONDS, tab_id=_TAB)),
    "javascript_exec": (
        "Run JavaScript in the page; the value of the last expression comes back (no 'return').",
        _object(("text",), text=_of("string", "The code."), tab_id=_TAB),
    ),
}

#: By the beginning of the entry's type, as ``toolset_name`` of a call names it.
TOOLSETS: Mapping[str, Mapping[str, tuple[str, Schema]]] = {"computer": COMPUTER, "browser": BROWSER}
