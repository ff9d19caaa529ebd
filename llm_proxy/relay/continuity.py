"""An answer that broke off, gone on with by another upstream: what has been said, and how the rest is joined to it.

Laws: text alone is gone on with: one answer, no tool called, no thought, no schema, nothing that a second upstream could not
know. The client sees one answer: the id, the time and the name of the first part, one role, no text twice and no doubled
white space at the seam. It is done once. Pure but for what it remembers of one answer.

Source of what disqualifies and of the seam: LiteLLM 1.109, ``enable_mid_stream_fallback_continuation``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llm_proxy.routing.prefill import kind_of
from llm_proxy.wire.answers.reader import AnswerReader
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.events import Chunk, Done, Event
from llm_proxy.wire.schema import ChatRequest

#: Fields of a request whose answers are not gone on with, and the values with which they are all the same.
_NEVER: Mapping[str, tuple[Any, ...]] = {
    "n": (None, 1),
    "response_format": (None, {"type": "text"}),
    "logprobs": (None, False),
    "audio": (None,),
    "modalities": (None, ["text"]),
    "reasoning_effort": (None, "none"),
    "reasoning": (None,),
    "thinking": (None, {"type": "disabled"}),
    "prediction": (None,),
}
#: What a delta may hold beside text.
_PLAIN = frozenset({"role", "content"})
_EMPTY: tuple[Any, ...] = (None, "", [], {})
#: The longest text that is gone on with; an upstream has to read all of it.
_MOST = 256 * 1024
#: An echo of the beginning is taken for one if it is at least so long.
_ECHO = 16
_LIMITS = ("max_tokens", "max_completion_tokens")
_CHUNK = "chat.completion.chunk"


def may_be_continued(request: ChatRequest) -> bool:
    """Whether an answer to ``request`` could be gone on with."""
    sent = request.sent
    if any(name in sent and sent[name] not in allowed for name, allowed in _NEVER.items()):
        return False
    choice = sent.get("tool_choice")
    return choice in (None, "auto", "none")


class Continuity:
    """Of one streamed answer. Between the decoder and the face, like ``AnswerReader``."""

    def __init__(self) -> None:
        self._reader: AnswerReader | None = None
        self._texts: list[str] = []
        self._size = 0
        #: Tokens of the first part, about.
        self._tokens = 0
        self._plain = True
        self._head: dict[str, Any] = {}
        #: Who goes on; and what of its text is held back, as long as it may be an echo.
        self._by = ""
        self._held: str | None = None
        #: What it says itself that its part has taken.
        self.told: dict[str, Any] = {}

    def over(self, reader: AnswerReader | None) -> Continuity:
        """Read what ``reader`` makes of the next part."""
        self._reader = reader
        return self

    @property
    def text(self) -> str:
        """What the client has heard."""
        return "".join(self._texts)

    @property
    def possible(self) -> bool:
        """Whether the answer, as far as it came, can be gone on with."""
        return self._plain and not self._by and bool(self._size)

    def begin(self, provider: str) -> None:
        """``provider`` goes on."""
        self._by, self._held = provider, ""

    def request(self, request: ChatRequest, deployment: Deployment) -> ChatRequest:
        """What is asked for the rest."""
        kind, text = kind_of(deployment), self.text
        if kind == "anthropic":
            text = text.rstrip()  # it takes no message that ends in white space
        sent = dict(request.sent)
        sent["messages"] = [*sent["messages"], {"role": "assistant", "content": text}]
        for name in _LIMITS:
            most = sent.get(name)
            if isinstance(most, int):
                sent[name] = max(1, most - self._tokens)
        if kind == "vllm":  # docs.vllm.ai, Chat API: extra parameters
            sent |= {"continue_final_message": True, "add_generation_prompt": False}
        return ChatRequest.of(sent)

    def events(self, events: Sequence[Event]) -> Sequence[Event]:
        """``events`` of either part."""
        if self._reader is not None:
            events = self._reader.events(events)
        if not self._by:
            for event in events:
                if type(event) is Chunk:
                    self._note(event.data)
            return events
        found: list[Event] = []
        for event in events:
            if type(event) is not Chunk:
                if (
                    self._held and type(event) is Done
                ):  # no reason for the end was given, which would have let it go
                    delta = {"content": self._seam("", last=True)}
                    choice = {"index": 0, "delta": delta, "finish_reason": None}
                    found.append(Chunk({**self._head, "object": _CHUNK, "choices": [choice]}))
                found.append(event)
            elif (made := self._joined(event.data)) is not None:
                found.append(Chunk(made))
        return found

    def whole(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """A whole answer, where a stream was asked for."""
        self._plain = False
        if self._reader is not None:
            return self._reader.whole(data)
        return [data]

    def _note(self, data: Mapping[str, Any]) -> None:
        if not self._head and data.get("id"):
            self._head = {name: data[name] for name in ("id", "created", "model") if name in data}
        for choice in data.get("choices") or ():
            delta = choice.get("delta") or {}
            text = delta.get("content")
            if (
                choice.get("index") not in (0, None)
                or choice.get("finish_reason")
                or choice.get("logprobs")
                or any(value not in _EMPTY for name, value in delta.items() if name not in _PLAIN)
                or not isinstance(text, str | None)
                or self._size > _MOST
            ):
                self._plain = False
                self._texts.clear()
            elif text and self._plain:
                self._texts.append(text)
                self._size += len(text)
                self._tokens += 1

    def _joined(self, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """A chunk of the second part as one of the first; None if it tells nothing."""
        made = {**data, **{name: value for name, value in self._head.items() if name in data}}
        said = []
        for choice in data.get("choices") or ():
            delta = {name: value for name, value in (choice.get("delta") or {}).items() if name != "role"}
            text, last = delta.get("content"), bool(choice.get("finish_reason"))
            if isinstance(text, str) or (last and self._held):
                delta["content"] = self._seam(text or "", last=last)
            if choice.get("finish_reason") or any(value not in _EMPTY for value in delta.values()):
                said.append({**choice, "delta": delta})
        made["choices"] = said
        usage = data.get("usage")
        if isinstance(usage, dict) and usage:
            self.told = usage
            made |= {"usage": self._usage(usage), "continued_by": self._by}
        return made if said or usage else None

    def _usage(self, usage: dict[str, Any]) -> dict[str, Any]:
        """Of both parts: what the first has said was not counted by anybody but here."""
        made = dict(usage)
        for name in ("completion_tokens", "total_tokens"):
            if isinstance(count := made.get(name), int):
                made[name] = count + self._tokens
        return made

    def _seam(self, text: str, *, last: bool) -> str:
        """``text`` without what has been said already."""
        if self._held is None:
            return text
        text, before = self._held + text, self.text
        begins = len(text) < len(before) and len(before) >= _ECHO and before.startswith(text)
        # It may be an echo of all that was said, or there is nothing in it yet that could not be one more blank.
        if not last and (begins or not text.strip()):
            self._held = text
            return ""
        self._held = None
        if len(before) >= _ECHO and text.startswith(before):
            text = text[len(before) :]
        return text.lstrip() if before[-1:].isspace() else text
