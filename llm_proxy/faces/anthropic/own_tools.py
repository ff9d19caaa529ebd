"""Anthropic's tools with a type of their own that the *client* executes: what they do and take, for models elsewhere.

The vendor's models know these tools by their type; any other model must be told. Sources:
platform.claude.com/docs/en/agents-and-tools/tool-use/bash-tool, text-editor-tool, computer-use-tool, memory-tool, and the
types of the vendor's client (anthropic 2.14).
"""

from __future__ import annotations

import re
from typing import Any

Schema = dict[str, Any]

_RANGE: Schema = {
    "type": "array",
    "items": {"type": "integer"},
    "description": "First and last line to view, from 1; -1 is the end.",
}


def _of(kind: str, about: str) -> Schema:
    return {"type": kind, "description": about}


def _object(required: tuple[str, ...], **fields: Schema) -> Schema:
    return {"type": "object", "properties": fields, "required": list(required)}


def _bash(tool: Schema) -> tuple[str, Schema]:
    about = "Run a command in a bash session that lasts: its directory and variables are kept between calls."
    return about, _object(
        (),
        command=_of("string", "The command; required unless the session is restarted."),
        restart=_of("boolean", "True: end the session and begin a new one."),
    )


def _editor(tool: Schema) -> tuple[str, Schema]:
    # The versions for Claude 4 have no undo_edit.
    undo = tool["type"] in ("text_editor_20241022", "text_editor_20250124")
    commands = ["view", "create", "str_replace", "insert", *(["undo_edit"] if undo else [])]
    about = (
        "View, create and edit files. view shows a file with line numbers, or a directory; create writes file_text; "
        "str_replace replaces old_str, which must be there exactly once, by new_str; insert puts insert_text behind "
        "line insert_line."
    )
    if isinstance(tool.get("max_characters"), int):
        about += f" At most {tool['max_characters']} characters of a file are shown."
    fields: Schema = {
        "command": {"type": "string", "enum": commands},
        "path": _of("string", "Absolute path of the file or directory."),
        "file_text": _of("string", "For create: the content."),
        "old_str": _of("string", "For str_replace: the text to be replaced."),
        "new_str": _of("string", "For str_replace: the new text."),
        "insert_line": _of("integer", "For insert: the line to insert behind; 0 is the beginning."),
        "insert_text": _of("string", "For insert: the text."),
        "view_range": _RANGE,
    }
    if undo:
        fields["new_str"] = _of("string", "For str_replace and insert: the new text.")
        del fields["insert_text"]
        about = about.replace("insert_text", "new_str")
    return about, _object(("command", "path"), **fields)


_OLDEST_ACTIONS = (
    *("key", "type", "mouse_move", "left_click", "left_click_drag", "right_click", "middle_click"),
    *("double_click", "screenshot", "cursor_position"),
)
_LATER_ACTIONS = ("left_mouse_down", "left_mouse_up", "scroll", "hold_key", "wait", "triple_click")


def _computer(tool: Schema) -> tuple[str, Schema]:
    size = f"{tool.get('display_width_px')}x{tool.get('display_height_px')}"
    about = (
        f"Use the mouse and keyboard of a computer, and take pictures of its screen, which is {size} pixels. Take a "
        "screenshot first; coordinates are [x, y] from its upper left corner."
    )
    actions = list(_OLDEST_ACTIONS)
    fields: Schema = {
        "action": {"type": "string", "enum": actions},
        "coordinate": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "[x, y], for actions of the mouse.",
        },
        "text": _of("string", "For type: the text; for key and hold_key: keys such as 'ctrl+s'."),
    }
    if tool["type"] != "computer_20241022":
        actions += _LATER_ACTIONS
        fields |= {
            "start_coordinate": {
                "type": "array",
                "items": {"type": "integer"},
                "description": "For left_click_drag: [x, y] of the beginning.",
            },
            "scroll_direction": {"type": "string", "enum": ["up", "down", "left", "right"]},
            "scroll_amount": _of("integer", "For scroll: clicks of the wheel."),
            "duration": _of("number", "For wait and hold_key: seconds."),
        }
    if tool.get("enable_zoom"):
        actions.append("zoom")
        fields["region"] = {
            "type": "array",
            "items": {"type": "integer"},
            "description": "For zoom: [x0, y0, x1, y1].",
        }
    return about, _object(("action",), **fields)


def _memory(tool: Schema) -> tuple[str, Schema]:
    about = (
        "Files below /memories that outlive this conversation. Look there before you begin, and write down what is worth "
        "keeping. view shows a file or a directory; create writes file_text; str_replace replaces old_str by new_str; "
        "insert puts insert_text behind line insert_line; delete removes path; rename moves old_path to new_path."
    )
    commands = ["view", "create", "str_replace", "insert", "delete", "rename"]
    return about, _object(
        ("command",),
        command={"type": "string", "enum": commands},
        path=_of("string", "The file or directory; not for rename."),
        file_text=_of("string", "For create: the content."),
        old_str=_of("string", "For str_replace: the text to be replaced."),
        new_str=_of("string", "For str_replace: the new text."),
        insert_line=_of("integer", "For insert: the line to insert behind."),
        insert_text=_of("string", "For insert: the text."),
        old_path=_of("string", "For rename: the present path."),
        new_path=_of("string", "For rename: the new path."),
        view_range=_RANGE,
    )


#: By the type without its date.
_MAKERS = {"bash": _bash, "text_editor": _editor, "computer": _computer, "memory": _memory}
_DATED = re.compile(r"(bash|text_editor|computer|memory)_\d+")


def described(tool: Schema) -> tuple[str, Schema] | None:
    """What a tool of this vendor that the client executes does, and the schema of its input; None for any other tool."""
    kind = _DATED.fullmatch(str(tool.get("type")))
    return _MAKERS[kind[1]](tool) if kind else None
