"""Answers as Anthropic's Messages API writes them (docs.anthropic.com/en/api/messages-streaming).

Laws: a state machine that cannot emit an illegal sequence: ``message_start`` first and once, each block starts once
and stops once before the next one starts, ``message_delta`` and ``message_stop`` only from ``end``. One block is open at
a time, so the pieces of a second tool call that come in between wait for the end of the first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from llm_proxy.errors import GatewayError, anthropic_face, anthropic_status
from llm_proxy.faces.anthropic.message import (
    Members,
    call_block,
    citations,
    content,
    met_stop,
    stop_fields,
    usage,
)
from llm_proxy.faces.anthropic.opaque import details_signature, google_signature
from llm_proxy.faces.call_ids import CallIds
from llm_proxy.faces.chunk_reading import Numbers, obj, objects, string
from llm_proxy.faces.face import Face
from llm_proxy.wire.answers.details import Details
from llm_proxy.wire.events import ChatResponse, Chunk, Comment
from llm_proxy.wire.large_json import encoded
from llm_proxy.wire.sse import sse_event

_UNSIGNED: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}


def _unknown() -> int:
    return 0


class AnthropicFace(Face):
    """One answer to a client of the Messages API; ``model`` is the name that the client asked for, ``members`` what
    functions stand for members of a toolset, ``estimate`` counts the prompt where the upstream has not yet."""

    def __init__(
        self, model: str, members: Members | None = None, estimate: Callable[[], int] = _unknown
    ) -> None:
        self._model = model
        self._members = members or {}
        self._estimate = estimate
        self._ids = CallIds()
        self._details = Details()
        self._called = self._refused = False
        self._started = False
        self._index = -1
        #: The kind of the open block: text, thinking, tool_use, or empty.
        self._open = ""
        #: The canonical index of the tool call whose block is open, or was the last to be.
        self._call = -1
        self._numbers = Numbers()
        self._waiting: dict[int, dict[str, Any]] = {}
        self._finish: str | None = None
        self._stop_sequence: str | None = None
        self._usage: dict[str, Any] = {}

    def event(self, event: Chunk | Comment) -> bytes:
        if isinstance(event, Comment):
            return b""
        data = event.data
        out = [] if self._started else [self._start(data)]
        if data.get("usage"):
            self._usage = data["usage"]
        for choice in data.get("choices") or ():
            if choice.get("index", 0) == 0:  # this API has one answer
                out += self._delta(choice.get("delta") or {})
                self._finish = string(choice.get("finish_reason")) or self._finish
                self._stop_sequence = met_stop(choice) or self._stop_sequence
        return b"".join(out)

    def keep_alive(self) -> bytes:
        return sse_event("ping", {"type": "ping"})

    def end(self) -> bytes:
        out = [] if self._started else [self._start({})]
        out += self._close()
        for index in sorted(self._waiting):
            call = self._waiting[index]
            out += self._start_call(index, call)
            out += self._close()
        out += self._detailed()
        out += self._close()
        delta = stop_fields(self._finish, self._stop_sequence, called=self._called, refused=self._refused)
        out.append(_event("message_delta", delta=delta, usage=self._counts()))
        out.append(_event("message_stop"))
        return b"".join(out)

    def failure(self, error: GatewayError, request_id: str) -> bytes:
        return sse_event("error", anthropic_face(error, request_id))

    def status(self, error: GatewayError) -> int:
        return anthropic_status(error)

    def refusal(self, error: GatewayError, request_id: str) -> dict[str, Any]:
        return anthropic_face(error, request_id)

    def whole(self, response: ChatResponse) -> bytes:
        data = response.data
        choice = (data.get("choices") or [{}])[0]
        said = choice.get("message") or {}
        finish = string(choice.get("finish_reason"))
        message = self._message(data)
        message["content"] = content(said, self._members, cut=finish == "length")
        called, refused = bool(said.get("tool_calls")), bool(said.get("refusal"))
        message.update(stop_fields(finish, met_stop(choice), called=called, refused=refused))
        self._usage = data.get("usage") or {}
        message["usage"] = self._counts()
        return encoded(message)

    def _counts(self) -> dict[str, Any]:
        """The upstream's counts; of one that counts nothing the estimate that the answer began with."""
        return usage(self._usage or {"prompt_tokens": self._estimate()})

    def _message(self, data: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": _text_of(data.get("id")) or f"msg_{uuid4().hex}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {},
        }

    def _start(self, data: dict[str, Any]) -> bytes:
        self._started = True
        self._usage = data.get("usage") or self._usage
        message = self._message(data)
        message["usage"] = {**self._counts(), "output_tokens": 0}
        return _event("message_start", message=message)

    def _delta(self, delta: dict[str, Any]) -> list[bytes]:
        out: list[bytes] = []
        thought = string(delta.get("reasoning_content") or delta.get("reasoning"))
        if thought:
            out += self._text("thinking", _UNSIGNED, "thinking", thought)
        if details := delta.get("reasoning_details"):
            self._details.add(objects(details))
        for block in objects(delta.get("thinking_blocks")):
            out += self._thought(block)
        refusal = string(delta.get("refusal"))
        self._refused = self._refused or bool(refusal)
        if text := string(delta.get("content")) or refusal:
            out += self._text("text", {"type": "text", "text": ""}, "text", text)
        if annotations := delta.get("annotations"):
            out += self._cited(citations(objects(annotations)))
        for call in objects(delta.get("tool_calls")):
            out += self._piece(call)
        return out

    def _text(self, kind: str, block: dict[str, Any], field: str, piece: str) -> list[bytes]:
        out = [] if self._open == kind else self._begin(kind, block)
        out.append(self._change({"type": f"{field}_delta", field: piece}))
        return out

    def _cited(self, sources: list[dict[str, Any]]) -> list[bytes]:
        """Sources, on the text that they belong to; where that has ended already, on an empty one."""
        if not sources:
            return []
        out = [] if self._open == "text" else self._begin("text", {"type": "text", "text": ""})
        return [*out, *(self._change({"type": "citations_delta", "citation": source}) for source in sources)]

    def _detailed(self) -> list[bytes]:
        """What OpenRouter must have back, on the thinking that it belongs to."""
        signature = details_signature(self._details.taken())
        return self._sign(signature) if signature else []

    def _sign(self, signature: str) -> list[bytes]:
        out = [] if self._open == "thinking" else self._begin("thinking", _UNSIGNED)
        return [*out, self._change({"type": "signature_delta", "signature": signature})]

    def _thought(self, block: dict[str, Any]) -> list[bytes]:
        """A whole block of thinking, which its upstream gives out at the block's end: the text has been streamed."""
        source = {key: value for key, value in block.items() if key != "index"}
        if source.get("type") != "thinking":
            return [*self._begin(str(source.get("type")), source), *self._close()]
        out = [] if self._open == "thinking" else self._begin("thinking", {**source, "signature": ""})
        if source.get("signature"):
            out.append(self._change({"type": "signature_delta", "signature": source["signature"]}))
        return [*out, *self._close()]

    def _piece(self, call: dict[str, Any]) -> list[bytes]:
        index = self._numbers.of(call)
        function = obj(call.get("function"))
        if index in self._waiting or (self._open == "tool_use" and index != self._call):
            waiting = self._waiting.setdefault(
                index, {**call, "id": None, "function": {"name": "", "arguments": ""}}
            )
            waiting["id"] = call.get("id") or waiting["id"]
            waiting["function"]["name"] += string(function.get("name"))
            waiting["function"]["arguments"] += string(function.get("arguments"))
            return []
        if self._open != "tool_use":
            return self._start_call(index, call)
        arguments = string(function.get("arguments"))
        return [self._change({"type": "input_json_delta", "partial_json": arguments})] if arguments else []

    def _start_call(self, index: int, call: dict[str, Any]) -> list[bytes]:
        function = obj(call.get("function"))
        arguments = string(function.get("arguments"))
        block = call_block(call, string(function.get("name")), self._ids, self._members)
        self._called = True
        out = [*self._signed(call), *self._begin("tool_use", block)]
        self._call = index
        if arguments:
            out.append(self._change({"type": "input_json_delta", "partial_json": arguments}))
        return out

    def _signed(self, call: dict[str, Any]) -> list[bytes]:
        """A signature that came with a call, on the thinking before it."""
        out = self._detailed()
        signature = google_signature(call)
        return [*out, *self._sign(signature)] if signature else out

    def _begin(self, kind: str, block: dict[str, Any]) -> list[bytes]:
        out = self._close()
        self._index += 1
        self._open = kind
        return [*out, _event("content_block_start", index=self._index, content_block=block)]

    def _change(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=self._index, delta=delta)

    def _close(self) -> list[bytes]:
        if not self._open:
            return []
        signature = details_signature(self._details.taken()) if self._open == "thinking" else ""
        out = [self._change({"type": "signature_delta", "signature": signature})] if signature else []
        self._open = ""
        return [*out, _event("content_block_stop", index=self._index)]


def _text_of(value: Any) -> str:
    """An id as the text that it is in this API; some servers number their answers."""
    return str(value) if value not in (None, "") else ""


def _event(name: str, **fields: Any) -> bytes:
    return sse_event(name, {"type": name, **fields})
