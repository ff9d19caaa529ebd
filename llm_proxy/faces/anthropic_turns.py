"""The turns of Anthropic's Messages API as canonical messages (docs.anthropic.com/en/api/messages).

Laws: a user's turn with results of tools becomes one ``tool`` message for each result, then the rest of the turn; blocks
that are not known pass as parts. Thinking goes along as ``reasoning_content``, and with its signatures as
``thinking_blocks`` where they can be judged: at an upstream of the same dialect. A signature of Google's goes back to
the call that it came with (see ``google_signature``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticCustomError

from llm_proxy.sse import dumps

Block = dict[str, Any]

_THOUGHTS = ("thinking", "redacted_thinking")
#: In front of a signature that is Google's. The dialect has one place for what a client must give back as it is, and
#: its own signatures never look so: they are base64.
_GOOGLE = "google:"


def blocks(value: Any) -> Any:
    """``value`` if it is content: a text, or a list of typed blocks. Raises ``PydanticCustomError``."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(b, dict) and isinstance(b.get("type"), str) for b in value):
        for block in value:
            if block["type"] == "tool_result":
                blocks(block.get("content"))
        return value
    raise PydanticCustomError("blocks", "must be a string or a list of blocks with a 'type'")


def google_signature(call: Block) -> str:
    """The signature of the thinking before a canonical call, as a block of thinking may carry it; empty if there is none.

    Google's models sign calls and want each signature back with its call (ai.google.dev/gemini-api/docs/thought-signatures);
    its own OpenAI endpoint puts it into ``extra_content.google.thought_signature``.
    """
    found: Any = call
    for name in ("extra_content", "google", "thought_signature"):
        found = found.get(name) if isinstance(found, dict) else None
    return _GOOGLE + found if isinstance(found, str) and found else ""


class Turns:
    """The turns of one conversation on their way to an upstream of ``api_type``."""

    def __init__(self, api_type: str) -> None:
        self._same_dialect = api_type == "anthropic"
        #: Whether the upstream has a word for a tool that failed.
        self._has_errors = api_type in ("anthropic", "gemini")
        self._lost: list[str] = []

    @property
    def dropped(self) -> tuple[str, ...]:
        """The names of what could not be carried so far."""
        return tuple(self._lost)

    def system(self, system: str | list[Block] | None) -> list[Block]:
        """The system text as a message, if there is one."""
        return [{"role": "system", "content": _content(system)}] if system else []

    def messages(self, role: str, content: str | list[Block]) -> list[Block]:
        """The messages of one turn."""
        if isinstance(content, str):
            return [{"role": role, "content": content}]
        if role == "assistant":
            return [self._assistant(content)]
        results = [self._result(block) for block in content if block["type"] == "tool_result"]
        rest = [block for block in content if block["type"] != "tool_result"]
        return [*results, *([{"role": "user", "content": _content(rest)}] if rest or not results else [])]

    def _result(self, block: Block) -> Block:
        message: Block = {"role": "tool", "tool_call_id": block.get("tool_use_id")}
        content = block.get("content")
        message["content"] = _content(content) if content else ""
        if block.get("is_error") and self._has_errors:
            message["is_error"] = True
        elif block.get("is_error") and "is_error" not in self._lost:
            self._lost.append("is_error")
        return message

    def _assistant(self, content: list[Block]) -> Block:
        message: Block = {"role": "assistant", "content": None}
        said = [block for block in content if block["type"] not in ("tool_use", *_THOUGHTS)]
        if said:
            message["content"] = _content(said)
        calls = list(_calls(content))
        if calls:
            message["tool_calls"] = calls
        thoughts = [block for block in content if block["type"] in _THOUGHTS]
        if thought := "".join(block.get("thinking") or "" for block in thoughts):
            message["reasoning_content"] = thought
        own = [block for block in thoughts if not _of_google(block)]
        if own and self._same_dialect:
            message["thinking_blocks"] = own
        return message


def _calls(content: list[Block]) -> Iterator[Block]:
    """The calls of a turn; one after a block with a signature of Google's carries that."""
    signature = ""
    for block in content:
        if _of_google(block):
            signature = block["signature"].removeprefix(_GOOGLE)
        elif block["type"] == "tool_use":
            arguments = dumps(block.get("input") or {}).decode()
            function = {"name": block.get("name"), "arguments": arguments}
            call: Block = {"id": block.get("id"), "type": "function", "function": function}
            if signature:
                call["extra_content"] = {"google": {"thought_signature": signature}}
            signature = ""
            yield call


def _of_google(block: Block) -> bool:
    return block["type"] == "thinking" and str(block.get("signature")).startswith(_GOOGLE)


def _content(content: str | list[Block]) -> Any:
    """A string stays one, plain text blocks too if there is just one; anything else is parts."""
    if isinstance(content, str):
        return content
    if len(content) == 1 and set(content[0]) == {"type", "text"}:
        return content[0]["text"]
    return [_part(block) for block in content]


def _part(block: Block) -> Block:
    if block["type"] != "image":
        return block
    source = block.get("source") or {}
    if source.get("type") == "base64":
        url = f"data:{source.get('media_type')};base64,{source.get('data')}"
    elif source.get("type") == "url":
        url = str(source.get("url"))
    else:
        return block
    mark = {"cache_control": block["cache_control"]} if block.get("cache_control") else {}
    return {"type": "image_url", "image_url": {"url": url}, **mark}
