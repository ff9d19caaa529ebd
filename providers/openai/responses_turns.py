"""A canonical conversation as the input of OpenAI's Responses API (platform.openai.com/docs/api-reference/responses/create).

Laws: what a turn says becomes items in the order in which it was said: thoughts that OpenAI has sealed, text, calls; the
result of a call stands by its id. Thinking of another origin means nothing there and is named. The messages fit the vendor
already (``fit``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.wire.reasoning_items import is_openai, item_of

_Json = dict[str, Any]


def readable(messages: list[_Json]) -> list[_Json]:
    """``messages`` without the text of thoughts that stand in a sealed block as well."""
    return [_once(message) if message.get("thinking_blocks") else message for message in messages]


def _once(message: _Json) -> _Json:
    blocks = message["thinking_blocks"]
    if not isinstance(blocks, list) or not any(
        isinstance(block, dict) and is_openai(block) for block in blocks
    ):
        return message
    return {name: value for name, value in message.items() if name not in ("reasoning_content", "reasoning")}


def items(messages: list[_Json], lost: dict[str, None]) -> list[_Json]:
    """The items that ``messages`` are; what they cannot hold is added to ``lost``. Raises ``InvalidRequest``."""
    found: list[_Json] = []
    custom: set[str] = set()
    for at, message in enumerate(messages):
        role = message["role"]
        if role == "assistant":
            found += _assistant(message, at, custom, lost)
        elif role == "tool":
            found.append(_result(message, at, custom))
        elif role == "function" or message.get("function_call"):
            raise InvalidRequest.of(
                [Problem(f"messages.{at}", "calls of the older kind are not possible here: use tools")]
            )
        else:
            found.append({"role": role, "content": _content(message.get("content"), at, _INPUT)})
            if message.get("name"):
                lost["messages.name"] = None
    return found


def _assistant(message: _Json, at: int, custom: set[str], lost: dict[str, None]) -> Iterator[_Json]:
    for block in message.get("thinking_blocks") or ():
        item = item_of(block) if isinstance(block, dict) else None
        if item is not None:
            yield item
        else:
            lost["messages.thinking_blocks"] = None
    content = message.get("content")
    if content:
        yield {"role": "assistant", "content": _content(content, at, _OUTPUT)}
    elif message.get("refusal"):
        yield {"role": "assistant", "content": [{"type": "refusal", "refusal": message["refusal"]}]}
    for number, call in enumerate(message.get("tool_calls") or ()):
        call_id = call.get("id") or f"call_{at}_{number}"
        if isinstance(call.get("custom"), dict):
            custom.add(call_id)
            said = {name: call["custom"].get(name) for name in ("name", "input")}
            yield {"type": "custom_tool_call", "call_id": call_id, **said}
        else:
            function = call.get("function") or {}
            said = {"name": function.get("name"), "arguments": function.get("arguments") or "{}"}
            yield {"type": "function_call", "call_id": call_id, **said}


def _result(message: _Json, at: int, custom: set[str]) -> _Json:
    call_id = message.get("tool_call_id")
    kind = "custom_tool_call_output" if call_id in custom else "function_call_output"
    return {"type": kind, "call_id": call_id, "output": _content(message.get("content") or "", at, _INPUT)}


def _content(content: Any, at: int, of: Callable[[_Json], _Json | None]) -> Any:
    if not isinstance(content, list):
        return content
    found = []
    for number, part in enumerate(content):
        made = of(part)
        if made is None:
            text = f"a part of the type {str(part.get('type'))[:40]} is not possible here"
            raise InvalidRequest.of([Problem(f"messages.{at}.content.{number}", text)])
        found.append(made)
    return found


def _input(part: _Json) -> _Json | None:
    """A part of what the model is told, or is given back by a tool."""
    kind = part["type"]
    inner = part.get(kind)
    if kind in ("text", "refusal"):
        return {"type": "input_text", "text": inner or ""}
    if kind == "image_url":
        image = inner if isinstance(inner, dict) else {"url": inner}
        detail = {"detail": image["detail"]} if image.get("detail") else {}
        return {"type": "input_image", "image_url": image.get("url"), **detail}
    if kind == "file" and isinstance(inner, dict):
        names = ("file_data", "file_id", "filename", "file_url")
        return {"type": "input_file", **{name: inner[name] for name in names if inner.get(name)}}
    if kind == "input_audio":
        return part
    return part if kind.startswith("input_") else None


def _output(part: _Json) -> _Json | None:
    """A part of what the model said itself."""
    if part["type"] == "refusal":
        return {"type": "refusal", "refusal": part.get("refusal") or ""}
    return {"type": "output_text", "text": part.get("text") or ""} if part["type"] == "text" else None


_INPUT, _OUTPUT = _input, _output
