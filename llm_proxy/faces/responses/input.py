"""The input of a Responses request as canonical messages (platform.openai.com/docs/guides/conversation-state).

Laws: what one answer gave out as several items (thoughts, text, calls) is one assistant's message again. Calls of any tool
that the client executes are calls of its function, with their results; what else was done is told as text. Signed thoughts
come back in ``encrypted_content`` as this gateway gave them out; those of another origin cannot be read and are dropped by
name. Every problem is collected with its path. How messages are put together: ``responses_thread``.
"""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.faces.responses import compaction
from llm_proxy.faces.responses.kind import Kind, as_list
from llm_proxy.faces.responses.kinds import CUSTOM, FUNCTION, KINDS, TOOL_SEARCH
from llm_proxy.faces.responses.parts import Parts, checked, said
from llm_proxy.faces.responses.sealed import is_mark, packed, unpacked
from llm_proxy.faces.responses.thread import Thread
from llm_proxy.faces.responses.told import is_of_user, pictures, told
from llm_proxy.faces.responses.toolbox import Toolbox
from llm_proxy.wire.dropped_names import dropped
from llm_proxy.wire.schema import Open, validated

__all__ = ["Turns", "packed", "unpacked"]

_Json = dict[str, Any]
_CALLS: dict[str, Kind] = {kind.item: kind for kind in reversed(list(KINDS.values()))}
#: ``tool_search_call`` is answered by ``tool_search_output``.
_RESULTS: dict[str, Kind] = {
    kind.item.removesuffix("_call") + "_output" if kind.type == "tool_search" else kind.item + "_output": kind
    for kind in _CALLS.values()
}
#: Roles that other vendors have for one of ours.
_ROLES = {"system": "system", "developer": "developer", "user": "user", "assistant": "assistant"}
_ROLES |= {"model": "assistant", "human": "user"}


class MessageItem(Open):
    """A message of any role; ``type`` may be left out."""

    role: str
    content: str | list[_Json] | None

    @field_validator("content", mode="before")
    @classmethod
    def _content(cls, value: Any) -> Any:
        return None if value is None else checked(value)


class ResultItem(Open):
    """What a call came to."""

    output: str | list[_Json]

    @field_validator("output", mode="before")
    @classmethod
    def _output(cls, value: Any) -> Any:
        return checked("" if value is None else value)


class ReasoningItem(Open):
    """Thoughts of an earlier answer."""

    summary: list[_Json] | None = None
    content: list[_Json] | None = None


class Turns:
    """``messages`` for the instructions and input of a request, with ``problems`` and what was ``dropped``. ``tools`` are
    all that the request declares."""

    def __init__(
        self, instructions: str | None, given: str | list[_Json], tools: Toolbox | None = None
    ) -> None:
        self.problems: list[Problem] = []
        self.dropped: list[str] = []
        #: What items say about the request itself, the last one for each name.
        self.settings: _Json = {}
        self._tools = tools or Toolbox()
        self._thread = Thread()
        if instructions:
            self._thread.turn({"role": "system", "content": instructions})
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        for number, item in enumerate(items):
            self._path = f"input.{number}"
            self._parts = Parts(self._path, self.problems)
            try:
                self._add(item, str(item.get("type") or "message"))
            except InvalidRequest as error:
                self.problems += [Problem(f"{self._path}.{p.path}", p.message) for p in error.problems]
        self.messages: list[_Json] = self._thread.messages()
        self.dropped += self._thread.dropped
        if not self.messages and not self.problems:
            self.problems.append(Problem("input", "holds nothing that can be answered"))

    def _add(self, item: _Json, kind: str) -> None:
        if kind == "message":
            self._message(item)
        elif kind == "reasoning":
            self._reasoning(validated(ReasoningItem, item), item.get("encrypted_content"))
        elif kind in _CALLS and not _ran_elsewhere(item):
            self._call(_CALLS[kind], item)
        elif kind in _RESULTS and not _ran_elsewhere(item):
            self._result(_RESULTS[kind], item)
        elif kind == "configuration_update":
            self.settings |= {
                name: item[name] for name in ("reasoning", "text") if isinstance(item.get(name), dict)
            }
        elif kind in ("additional_tools", "tool_search_output"):
            pass  # the tools in it are among all others
        elif kind in compaction.ITEMS:
            self._compaction(item)
        elif kind == "compaction_trigger":
            self._thread.turn({"role": "user", "content": compaction.ASKED})
        elif kind == "item_reference":
            self._reference(item)
        else:
            self._other(item, kind)

    def _compaction(self, item: _Json) -> None:
        words, known = compaction.told(item)
        if not known:
            self.dropped.append(f"{self._path}.encrypted_content")
        self._thread.turn({"role": "user", "content": words})

    def _reference(self, item: _Json) -> None:
        if str(item.get("id")).startswith("rs_"):
            self.dropped.append(self._path)  # thoughts: the conversation makes sense without them
        else:
            words = "is not possible: no items are kept here; send the item itself"
            self.problems.append(Problem(self._path, words))

    def _other(self, item: _Json, kind: str) -> None:
        """What has no place in a chat: in words, or named if it says nothing."""
        words = told(item)
        self.dropped += [f"{self._path}.{name}" for name in pictures(item)]
        if not words:
            self.dropped.append(dropped(self._path, kind))
        elif is_of_user(item):
            self._thread.turn({"role": "user", "content": words})
        else:
            self._thread.assistant().tell(words)

    def _message(self, item: _Json) -> None:
        calls = [call for call in as_list(item.get("tool_calls")) if isinstance(call, dict)]
        message = validated(MessageItem, {"content": None, **item} if calls else item)
        given = message.content or ""
        role = _ROLES.get(message.role)
        if message.role == "tool" and isinstance(item.get("tool_call_id"), str):
            # As in a chat API: some clients put such messages, and assistants' calls, into the input.
            self._thread.result((item["tool_call_id"],), self._parts.content(given, "content"), "a tool")
        elif role == "assistant":
            turn = self._thread.assistant()
            turn.say(said(given))
            if item.get("extra_content") is not None:
                turn.message["extra_content"] = item["extra_content"]
            for call in calls:
                function = call.get("function")
                self._call(
                    FUNCTION, {**(function if isinstance(function, dict) else {}), "id": call.get("id")}
                )
        else:
            if role is None:
                self.dropped.append(dropped(f"{self._path}.role", message.role))
            self._thread.turn({"role": role or "user", "content": self._parts.content(given, "content")})

    def _call(self, kind: Kind, item: _Json) -> None:
        if kind in (FUNCTION, CUSTOM):
            name, space = item.get("name"), item.get("namespace")
            if not isinstance(name, str) or not name:
                self.problems.append(Problem(f"{self._path}.name", "must be a string"))
                return
            flat = self._tools.named(kind, name, space if isinstance(space, str) else "")
        else:
            flat, kind = self._tools.own(kind)
        arguments = kind.arguments(item)
        if arguments is None:
            place = kind.field or {"apply_patch": "operation", "tool_search": "arguments"}.get(
                kind.type, "action"
            )
            self.problems.append(Problem(f"{self._path}.{place}", "does not say what was called"))
            return
        call = self._thread.call(_ids(item) or (f"call_{self._path.replace('.', '_')}",), flat, arguments)
        if item.get("extra_content") is not None:  # Gemini's signatures, where Google's own endpoint has them
            call["extra_content"] = item["extra_content"]

    def _result(self, kind: Kind, item: _Json) -> None:
        found = self._tools.loaded(self._path) if kind is TOOL_SEARCH else kind.result(item)
        result = validated(ResultItem, {"output": found})
        name = item["name"] if isinstance(item.get("name"), str) else kind.type
        of = f"{name} ({item['call_id']})" if isinstance(item.get("call_id"), str) else name
        self._thread.result(_ids(item), self._parts.content(result.output, "output"), of)

    def _reasoning(self, item: ReasoningItem, sealed: Any) -> None:
        blocks = unpacked(sealed)
        if sealed is not None and blocks is None:
            self.dropped.append(f"{self._path}.encrypted_content")
        thought = said(item.content or item.summary or [])
        signed = [block for block in blocks or () if not is_mark(block)]
        marks = [block for block in blocks or () if is_mark(block)]
        if thought or signed:
            turn = self._thread.assistant()
            turn.thoughts.append(thought)
            turn.blocks += signed
            turn.thought_at = self._path
        if marks:
            self._thread.going_on().marks.extend(marks)


def _ids(item: _Json) -> tuple[str, ...]:
    """By which ids a call and its result know each other; a local shell's output has its call's as ``id``."""
    return tuple(item[name] for name in ("call_id", "id") if isinstance(item.get(name), str) and item[name])


def _ran_elsewhere(item: _Json) -> bool:
    """Whether it is a search for tools that ran at the vendor: nobody waits for its result."""
    searched = str(item.get("type")).startswith("tool_search")
    return searched and (item.get("execution") == "server" or not item.get("call_id"))
