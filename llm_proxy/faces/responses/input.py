"""The input of a Responses request as canonical messages (platform.openai.com/docs/guides/conversation-state).

Laws: what one answer gave out as several items (thoughts, text, calls) is one assistant's message again, because chat
dialects want the results of calls right behind them. Signed thoughts come back in ``encrypted_content`` as this gateway
gave them out; those of another origin cannot be read and are dropped. Every problem is collected with its path.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import field_validator
from pydantic_core import PydanticCustomError

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.wire.schema import Open, validated
from llm_proxy.wire.sse import dumps

_Json = dict[str, Any]
#: What our ``encrypted_content`` begins with. It is signed by its vendor, not secret, and not encrypted.
_MARK = "thinking:"


def packed(blocks: Iterable[_Json]) -> str:
    """Signed blocks of thinking as one opaque text."""
    return _MARK + base64.b64encode(dumps(list(blocks))).decode()


def unpacked(text: Any) -> list[_Json] | None:
    """The blocks in ``text``; None if it is not from here."""
    if not isinstance(text, str) or not text.startswith(_MARK):
        return None
    try:
        blocks = json.loads(base64.b64decode(text.removeprefix(_MARK), validate=True))
    except (ValueError, RecursionError):  # the latter from nesting that no parser takes
        return None
    return blocks if isinstance(blocks, list) and all(isinstance(b, dict) for b in blocks) else None


def _parts(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise PydanticCustomError("parts", "must be a string or a list of parts")
    for index, part in enumerate(value):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise PydanticCustomError("parts", "must be an object with a 'type'", {"at": index})
    return value


class MessageItem(Open):
    """A message of any role; ``type`` may be left out."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[_Json]

    _content = field_validator("content", mode="before")(_parts)


class CallItem(Open):
    """A call that an earlier answer asked for."""

    call_id: str
    name: str
    arguments: str


class ResultItem(Open):
    """What a call came to."""

    call_id: str
    output: str | list[_Json]

    _output = field_validator("output", mode="before")(_parts)


class ReasoningItem(Open):
    """Thoughts of an earlier answer."""

    summary: list[_Json] | None = None
    content: list[_Json] | None = None


class Turns:
    """``messages`` for the instructions and input of a request, with ``problems`` and what was ``dropped``."""

    def __init__(self, instructions: str | None, given: str | list[_Json]) -> None:
        self.messages: list[_Json] = []
        self.problems: list[Problem] = []
        self.dropped: list[str] = []
        #: The assistant's message that is being put together.
        self._open: _Json | None = None
        if instructions:
            self.messages.append({"role": "system", "content": instructions})
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        for number, item in enumerate(items):
            self._path = f"input.{number}"
            try:
                self._add(item)
            except InvalidRequest as error:
                self.problems += [Problem(f"{self._path}.{p.path}", p.message) for p in error.problems]
        if not self.messages and not self.problems:
            self.problems.append(Problem("input", "holds nothing that can be answered"))

    def _add(self, item: _Json) -> None:
        kind = item.get("type", "message")
        if kind == "message":
            self._message(validated(MessageItem, item))
        elif kind == "reasoning":
            self._reasoning(validated(ReasoningItem, item), item.get("encrypted_content"))
        elif kind == "function_call":
            self._call(validated(CallItem, item), item.get("extra_content"))
        elif kind == "function_call_output":
            result = validated(ResultItem, item)
            self._turn(
                {
                    "role": "tool",
                    "tool_call_id": result.call_id,
                    "content": self._content(result.output, "output"),
                }
            )
        elif kind == "item_reference" and str(item.get("id")).startswith("rs_"):
            self.dropped.append(self._path)  # thoughts: the conversation makes sense without them
        elif kind == "item_reference":
            self.problems.append(
                Problem(self._path, "is not possible: no items are kept here; send the item itself")
            )
        else:
            self.dropped.append(self._path)  # a step of a tool that runs on OpenAI's side

    def _turn(self, message: _Json) -> None:
        """Anything but a piece of the assistant's message ends it."""
        self._open = None
        self.messages.append(message)

    def _assistant(self) -> _Json:
        if self._open is None:
            self._open = {"role": "assistant", "content": None}
            self.messages.append(self._open)
        return self._open

    def _message(self, item: MessageItem) -> None:
        if item.role != "assistant":
            self._turn({"role": item.role, "content": self._content(item.content, "content")})
            return
        if self._open is not None and self._open["content"] is not None and "tool_calls" not in self._open:
            self._open = None
        message = self._assistant()
        message["content"] = (message["content"] or "") + _said(item.content)
        extra = (item.model_extra or {}).get("extra_content")
        if extra is not None:
            message["extra_content"] = extra

    def _call(self, item: CallItem, extra: Any) -> None:
        function = {"name": item.name, "arguments": item.arguments}
        call: _Json = {"id": item.call_id, "type": "function", "function": function}
        if extra is not None:  # Gemini's signatures, where Google's own OpenAI endpoint has them
            call["extra_content"] = extra
        self._assistant().setdefault("tool_calls", []).append(call)

    def _reasoning(self, item: ReasoningItem, sealed: Any) -> None:
        blocks = unpacked(sealed)
        if sealed is not None and blocks is None:
            self.dropped.append(f"{self._path}.encrypted_content")
        thought = _said(item.content or item.summary or [])
        if not thought and not blocks:
            return
        if self._open is not None and self._open["content"] is not None and "tool_calls" not in self._open:
            self._open = None
        message = self._assistant()
        if thought:
            message["reasoning_content"] = message.get("reasoning_content", "") + thought
        if blocks:
            message.setdefault("thinking_blocks", []).extend(blocks)

    def _content(self, content: str | list[_Json], field: str) -> Any:
        """A string stays one, and so does a single text; anything else is parts."""
        if isinstance(content, str):
            return content
        parts = [self._part(part, f"{self._path}.{field}.{at}") for at, part in enumerate(content)]
        return parts[0]["text"] if len(parts) == 1 and parts[0].keys() == {"type", "text"} else parts

    def _part(self, part: _Json, path: str) -> _Json:
        kind = part["type"]
        if kind in ("input_text", "output_text", "text"):
            if not isinstance(part.get("text"), str):
                self.problems.append(Problem(f"{path}.text", "must be a string"))
            return {"type": "text", "text": part.get("text")}
        if kind == "input_image":
            if not isinstance(part.get("image_url"), str):
                self.problems.append(
                    Problem(f"{path}.image_url", "must be a URL or data: URL; no files are kept here")
                )
            detail = {"detail": part["detail"]} if part.get("detail") is not None else {}
            return {"type": "image_url", "image_url": {"url": part.get("image_url"), **detail}}
        if kind == "input_file":
            if not isinstance(part.get("file_data"), str):
                self.problems.append(
                    Problem(f"{path}.file_data", "must be the file's data: nothing is fetched or kept")
                )
            names = ("file_data", "filename")
            return {
                "type": "file",
                "file": {name: part[name] for name in names if part.get(name) is not None},
            }
        return part


def _said(content: str | list[_Json]) -> str:
    """The text of an assistant's parts, a refusal included."""
    if isinstance(content, str):
        return content
    texts = (part.get("text", part.get("refusal")) for part in content)
    return "".join(text for text in texts if isinstance(text, str))
