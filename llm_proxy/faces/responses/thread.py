"""A conversation as chat dialects want it, put together from pieces in the order in which a client has them.

Laws: the results of calls stand right behind the message that made them, each once, and every call has its own id; a
result without its call, and a call without its result (what a compaction or an abort leaves behind), are told as text,
because no vendor takes them. A turn that says nothing is left out: some answer 400 to it. What it costs grows with the
number of pieces and nothing else. Nothing is known here of items.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from llm_proxy.faces.responses.sealed import apply_marks

_Json = dict[str, Any]


@dataclass(slots=True)
class Turn:
    """A message: of the assistant as its pieces, of anybody else as it is."""

    message: _Json
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    #: Signed thoughts, and marks of vendors.
    blocks: list[_Json] = field(default_factory=list)
    marks: list[_Json] = field(default_factory=list)
    calls: list[_Json] = field(default_factory=list)
    #: By the id of the call.
    results: dict[str, _Json] = field(default_factory=dict)
    #: Where the client has its thoughts.
    thought_at: str = ""
    #: Whether its last text is told of what else was done: the assistant's own words go on behind it.
    told: bool = False

    def written(self) -> list[_Json]:
        """The message and the results of its calls; nothing if it says nothing."""
        if self.message["role"] != "assistant":
            return [self.message] if self.message.get("content") else []
        for call in self.calls:
            if call["id"] not in self.results:
                function = call["function"]
                self.tell(f"[Called {function['name']} with {function['arguments']}; there is no result.]")
        calls = [call for call in self.calls if call["id"] in self.results]
        message = {**self.message, "content": "".join(self.texts) or None}
        if not calls and message["content"] is None:
            return []
        if self.thoughts:
            message["reasoning_content"] = "".join(self.thoughts)
        if self.blocks:
            message["thinking_blocks"] = self.blocks
        if calls:
            message["tool_calls"] = calls
        apply_marks(message, self.marks)
        return [message, *self.results.values()]

    def say(self, text: str) -> None:
        """Words of the assistant."""
        if text:
            self.texts.append(f"\n{text}" if self.told else text)
            self.told = False

    def tell(self, text: str) -> None:
        """What the assistant did, in words of ours."""
        self.texts.append(f"\n{text}" if self.texts else text)
        self.told = True


class Thread:
    """``messages()`` at the end; ``dropped`` names the thoughts that nothing followed."""

    def __init__(self) -> None:
        self.dropped: list[str] = []
        self._turns: list[Turn] = []
        #: The assistant's turn that is being put together.
        self._open: Turn | None = None
        #: The calls that wait for their results, by the client's id and by other ids that results may name.
        self._waiting: dict[str, tuple[Turn, str]] = {}
        #: How often each id was given to a call.
        self._ids: dict[str, int] = {}

    def turn(self, message: _Json) -> None:
        """A message of anybody but the assistant; it ends the assistant's."""
        self._open = None
        self._turns.append(Turn(message))

    def assistant(self) -> Turn:
        """The assistant's turn, for what begins a new one after a text: words and thoughts. What comes behind a call
        belongs to it, for results must follow calls."""
        turn = self._open
        if turn is not None and turn.texts and not turn.calls and not turn.told:
            self._open = None
        return self.going_on()

    def going_on(self) -> Turn:
        """The assistant's turn, for what belongs to what came before it: calls, and marks of vendors."""
        if self._open is None:
            self._open = Turn({"role": "assistant"})
            self._turns.append(self._open)
        return self._open

    def call(self, ids: tuple[str, ...], name: str, arguments: str) -> _Json:
        """A call; results may name it by any of ``ids``, of which the first one is its own."""
        turn = self.going_on()
        call: _Json = {"id": self._own_id(ids[0]), "type": "function"}
        call["function"] = {"name": name, "arguments": arguments}
        turn.calls.append(call)
        turn.told = False
        for known in ids:
            self._waiting[known] = (turn, call["id"])
        return call

    def result(self, ids: tuple[str, ...], content: Any, of: str) -> None:
        """What a call came to; ``of`` says of which tool, if its call is not there."""
        made = next((self._waiting[known] for known in ids if known in self._waiting), None)
        if made is None:
            self.turn({"role": "user", "content": _returned(content, of)})
            return
        turn, call_id = made
        for known in ids:
            if self._waiting.get(known) == made:
                del self._waiting[known]
        turn.results[call_id] = {"role": "tool", "tool_call_id": call_id, "content": content}
        if turn is self._open:
            self._open = None

    def messages(self) -> list[_Json]:
        """All of them."""
        found: list[_Json] = []
        for turn in self._turns:
            messages = turn.written()
            found += messages
            if not messages and turn.thought_at:
                self.dropped.append(f"{turn.thought_at} (thoughts alone)")
        if not found and self._turns and self._turns[-1].message["role"] != "assistant":
            return [self._turns[-1].message]  # the upstream may judge it
        return found

    def _own_id(self, wanted: str) -> str:
        """An id that no earlier call has: servers that number the calls of each answer use them again."""
        found, number = wanted, self._ids.get(wanted, 0)
        while found in self._ids:
            number += 1
            found = f"{wanted}_{number}"
        self._ids[wanted] = max(number, 1)
        self._ids.setdefault(found, 1)
        return found


def _returned(content: Any, of: str) -> Any:
    """A result whose call is not there, in the user's words."""
    head = f"Returned by an earlier call of {of}:"
    if isinstance(content, str):
        return f"{head}\n{content}"
    return [{"type": "text", "text": head}, *content]
