"""The turns of Anthropic's Messages API as canonical messages (docs.anthropic.com/en/api/messages).

Laws: a user's turn with results of tools becomes one ``tool`` message for each result, then the rest of the turn, which
gets the pictures of results where those may only be texts. Thinking goes along as ``reasoning_content``; its signatures
can be judged at Anthropic's servers only, which get requests as they are. A signature of Google's goes back to the call
that it came with (see ``google_signature``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticCustomError

from llm_proxy.faces.anthropic.blocks import Block, content
from llm_proxy.wire.sse import dumps

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
        #: Whether the upstream has a word for a tool that failed.
        self._has_errors = api_type == "gemini"
        #: Whether results of tools may hold pictures; OpenAI's are texts.
        self._has_pictures = api_type in ("gemini", "ollama")
        self._lost: list[str] = []

    @property
    def dropped(self) -> tuple[str, ...]:
        """The names of what could not be carried so far."""
        return tuple(self._lost)

    def system(self, system: str | list[Block] | None) -> list[Block]:
        """The system text as a message, if there is one."""
        return [{"role": "system", "content": self._content(system)}] if system else []

    def messages(self, role: str, given: str | list[Block]) -> list[Block]:
        """The messages of one turn."""
        if isinstance(given, str):
            return [{"role": role, "content": given}]
        if role == "assistant":
            return [self._assistant(given)]
        results = [self._result(block) for block in given if block["type"] == "tool_result"]
        pictures = [] if self._has_pictures else [part for result in results for part in _pictures(result)]
        rest = self._content([block for block in given if block["type"] != "tool_result"])
        if pictures:
            rest = [*pictures, *([{"type": "text", "text": rest}] if isinstance(rest, str) else rest)]
        return [*results, *([{"role": "user", "content": rest}] if rest or not results else [])]

    def _content(self, given: str | list[Block]) -> Any:
        if not isinstance(given, str) and any(map(_is_to_be_cited, given)):
            self._lose("citations")
        return content(given)

    def _lose(self, name: str) -> None:
        if name not in self._lost:
            self._lost.append(name)

    def _result(self, block: Block) -> Block:
        message: Block = {"role": "tool", "tool_call_id": block.get("tool_use_id")}
        message["content"] = self._content(block.get("content") or "")
        if block.get("is_error") and self._has_errors:
            message["is_error"] = True
        elif block.get("is_error"):
            self._lose("is_error")
        return message

    def _assistant(self, given: list[Block]) -> Block:
        message: Block = {"role": "assistant", "content": None}
        said = [block for block in given if block["type"] not in ("tool_use", *_THOUGHTS)]
        if said:
            message["content"] = self._content(said)
        calls = list(_calls(given))
        if calls:
            message["tool_calls"] = calls
        thoughts = [block for block in given if block["type"] in _THOUGHTS]
        if thought := "".join(str(block.get("thinking") or "") for block in thoughts):
            message["reasoning_content"] = thought
        return message


def _is_to_be_cited(block: Block) -> bool:
    wanted = block.get("citations")
    return (
        block["type"] in ("document", "search_result")
        and isinstance(wanted, dict)
        and bool(wanted.get("enabled"))
    )


def _pictures(result: Block) -> list[Block]:
    """Take what is no text out of a result: the parts for the user's turn behind it, with a word about whose they are."""
    found = result["content"]
    if not isinstance(found, list):
        return []
    others = [part for part in found if part["type"] != "text"]
    if not others:
        return []
    texts = [part for part in found if part["type"] == "text"]
    result["content"] = texts or "What the tool returned follows."
    return [{"type": "text", "text": f"Returned by the tool call {result['tool_call_id']}:"}, *others]


def _calls(content: list[Block]) -> Iterator[Block]:
    """The calls of a turn; one after a block with a signature of Google's carries that."""
    signature = ""
    for block in content:
        if of_google(block):
            signature = block["signature"].removeprefix(_GOOGLE)
        elif block["type"] == "tool_use":
            arguments = dumps(block.get("input") or {}).decode()
            function = {"name": block.get("name"), "arguments": arguments}
            call: Block = {"id": block.get("id"), "type": "function", "function": function}
            if signature:
                call["extra_content"] = {"google": {"thought_signature": signature}}
            signature = ""
            yield call


def of_google(block: Block) -> bool:
    """Whether a block of thinking carries a signature of Google's."""
    return block["type"] == "thinking" and str(block.get("signature")).startswith(_GOOGLE)
