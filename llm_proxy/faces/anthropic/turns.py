"""The turns of Anthropic's Messages API as canonical messages (docs.anthropic.com/en/api/messages).

Laws: a user's turn with results of tools becomes one ``tool`` message for each result, then the rest of the turn, which
gets the pictures of results where those may only be texts. Thinking goes along as ``reasoning_content``; its signatures
can be judged at Anthropic's servers only, which get requests as they are. What other vendors must have back (see
``opaque``) goes to where it came from. A system message in mid-conversation stays where it stands: where the upstream
takes it no other way, its adapter moves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticCustomError

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.faces.addresses import in_words, is_address
from llm_proxy.faces.anthropic.blocks import Block, content
from llm_proxy.faces.anthropic.opaque import details_in, googles
from llm_proxy.faces.anthropic.told import SILENT
from llm_proxy.faces.anthropic.tools import member_name
from llm_proxy.wire.reasoning_items import is_openai
from llm_proxy.wire.sse import dumps

_THOUGHTS = ("thinking", "redacted_thinking")


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


#: What other libraries call those who speak.
_ROLES = {"developer": "system", "model": "assistant", "ai": "assistant", "human": "user"}


class Turns:
    """The turns of one conversation on their way to an upstream of ``api_type``."""

    def __init__(self, api_type: str, addresses: bool = True, answered: int = 0) -> None:
        #: Whether the upstream has a word for a tool that failed.
        self._has_errors = api_type == "gemini"
        #: Whether results of tools may hold pictures; OpenAI's are texts.
        self._has_pictures = api_type in ("gemini", "ollama")
        #: Whether files may be given by address; OpenAI's ``file_data`` is for the data alone.
        self._has_addresses = addresses
        #: The number of turns that were answered already, and which one is read.
        self._answered = answered
        self._at = answered
        self._lost: list[str] = []

    @property
    def dropped(self) -> tuple[str, ...]:
        """The names of what could not be carried so far."""
        return tuple(dict.fromkeys(self._lost))

    def system(self, system: str | list[Block] | None) -> list[Block]:
        """The system text as a message, if there is one."""
        if isinstance(system, list):
            system = [block for block in system if not _speaks_to_the_vendor(block)]
        return [{"role": "system", "content": self._content(system, "system")}] if system else []

    def messages(self, role: str, given: str | list[Block] | None, at: int) -> list[Block]:
        """The messages of turn number ``at``. Raises ``InvalidRequest``."""
        self._at = at
        role, told = _ROLES.get(role, role), role
        if role not in ("user", "assistant", "system"):
            self._lose(f"messages.{at}.role (sent as user)")
            role = "user"
        elif told != role:
            self._lose(f"messages.{at}.role (sent as {role})")
        if role == "system":
            return self._interjection(given, at)
        if isinstance(given, str):
            return [] if role == "assistant" and not given else [{"role": role, "content": given}]
        if role == "assistant":
            return self._assistant(given or [], at)
        return self._user(given or [], at)

    def _interjection(self, given: str | list[Block] | None, at: int) -> list[Block]:
        """A system message in mid-conversation; changes of the tools are no words (see ``request``)."""
        if isinstance(given, list):
            given = [block for block in given if block["type"] not in ("tool_addition", "tool_removal")]
        return (
            [{"role": "system", "content": self._content(given, f"messages.{at}.content")}] if given else []
        )

    def _user(self, given: list[Block], at: int) -> list[Block]:
        path = f"messages.{at}.content"
        results = [self._result(block, path) for block in given if block["type"] == "tool_result"]
        pictures = [] if self._has_pictures else [part for result in results for part in _pictures(result)]
        rest = self._content([block for block in given if block["type"] != "tool_result"], path)
        if pictures:
            rest = [*pictures, *([{"type": "text", "text": rest}] if isinstance(rest, str) else rest)]
        return [*results, *([{"role": "user", "content": rest}] if rest or not results else [])]

    def _content(self, given: str | list[Block], path: str) -> Any:
        if not isinstance(given, str) and any(map(_is_to_be_cited, given)):
            self._lose("citations")
        found = content(given)
        if not self._has_addresses and isinstance(found, list) and any(map(is_address, found)):
            if self._at < self._answered:
                self._lose(f"{path} (a file by address, told as text)")
                return [in_words(part) if is_address(part) else part for part in found]
            words = "a document by address cannot be sent to this model: send its data (a source of type 'base64')"
            raise InvalidRequest.of([Problem(path, words)])
        return found

    def _lose(self, name: str) -> None:
        self._lost.append(name)

    def _result(self, block: Block, path: str) -> Block:
        message: Block = {"role": "tool", "tool_call_id": block.get("tool_use_id")}
        message["content"] = self._content(block.get("content") or "", path)
        if block.get("is_error") and self._has_errors:
            message["is_error"] = True
        elif block.get("is_error"):
            self._lose("is_error")
        return message

    def _assistant(self, given: list[Block], at: int) -> list[Block]:
        """A turn of the model's; one of nothing but thoughts is left out, because servers refuse a message without
        text and calls."""
        message: Block = {"role": "assistant", "content": None}
        calls = list(_calls(given))
        thoughts = [block for block in given if block["type"] in _THOUGHTS]
        said = [block for block in given if block["type"] not in ("tool_use", *_THOUGHTS, *SILENT)]
        if said:
            message["content"] = self._content(said, f"messages.{at}.content") or None
        if not calls and not message["content"]:
            if thoughts:
                self._lose(f"messages.{at}.thinking")
            return []
        if calls:
            message["tool_calls"] = calls
        if any(block["type"] == "redacted_thinking" for block in thoughts):
            self._lose("redacted_thinking")
        if thought := "".join(str(block.get("thinking") or "") for block in thoughts):
            message["reasoning_content"] = thought
        if sealed := [block for block in thoughts if is_openai(block)]:
            message["thinking_blocks"] = sealed
        if details := [entry for block in thoughts for entry in details_in(block)]:
            message["reasoning_details"] = details
        return [message]


def _speaks_to_the_vendor(block: Block) -> bool:
    """Claude Code's first text, which says to Anthropic's servers who is to be billed: in front of everything else it
    would only spoil other servers' caches."""
    return str(block.get("text")).startswith("x-anthropic-billing-header:")


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
        if block["type"] in _THOUGHTS:
            signature = googles(block) or signature
        elif block["type"] == "tool_use":
            yield _call(block, signature)
            signature = ""


def _call(block: Block, signature: str) -> Block:
    """A call, with the signature of Google's that stood before it."""
    name, toolset, given = block.get("name"), block.get("toolset_name"), block.get("input")
    if isinstance(toolset, str) and toolset:
        name = member_name(toolset, str(name))
    function = {"name": name, "arguments": dumps({} if given is None else given).decode()}
    call: Block = {"id": block.get("id"), "type": "function", "function": function}
    if signature:
        call["extra_content"] = {"google": {"thought_signature": signature}}
    return call
