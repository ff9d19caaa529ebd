"""Answers as Anthropic's Messages API writes them (docs.anthropic.com/en/api/messages-streaming).

Laws: a state machine that cannot emit an illegal sequence: ``message_start`` first and once, each block starts once
and stops once before the next one starts, ``message_delta`` and ``message_stop`` only from ``end``. One block is open at
a time, so the pieces of a second tool call that come in between wait for the end of the first.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from llm_proxy.errors import GatewayError, anthropic_face
from llm_proxy.faces.anthropic.message import content, met_stop, usage
from llm_proxy.faces.anthropic.turns import google_signature
from llm_proxy.faces.chunk_reading import Numbers, obj, objects, string
from llm_proxy.faces.face import Face
from llm_proxy.wire.events import ChatResponse, Chunk, Comment
from llm_proxy.wire.sse import dumps, sse_event

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


class AnthropicFace(Face):
    """One answer to a client of the Messages API; ``model`` is the name that the client asked for."""

    def __init__(self, model: str) -> None:
        self._model = model
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
        reason = STOP_REASONS.get(self._finish or "stop", "end_turn")
        if self._stop_sequence is not None and reason == "end_turn":
            reason = "stop_sequence"
        delta = {"stop_reason": reason, "stop_sequence": self._stop_sequence}
        out.append(_event("message_delta", delta=delta, usage=usage(self._usage)))
        out.append(_event("message_stop"))
        return b"".join(out)

    def failure(self, error: GatewayError, request_id: str) -> bytes:
        return sse_event("error", anthropic_face(error, request_id))

    def refusal(self, error: GatewayError, request_id: str) -> dict[str, Any]:
        return anthropic_face(error, request_id)

    def whole(self, response: ChatResponse) -> bytes:
        data = response.data
        choice = (data.get("choices") or [{}])[0]
        stop = met_stop(choice)
        reason = STOP_REASONS.get(string(choice.get("finish_reason")) or "stop", "end_turn")
        message = self._message(data)
        message.update(
            content=content(choice.get("message") or {}),
            stop_reason="stop_sequence" if stop is not None and reason == "end_turn" else reason,
            stop_sequence=stop,
            usage=usage(data.get("usage") or {}),
        )
        return dumps(message)

    def _message(self, data: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": data.get("id") or f"msg_{uuid4().hex}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage({}),
        }

    def _start(self, data: dict[str, Any]) -> bytes:
        self._started = True
        return _event("message_start", message=self._message(data))

    def _delta(self, delta: dict[str, Any]) -> list[bytes]:
        out: list[bytes] = []
        thought = string(delta.get("reasoning_content") or delta.get("reasoning"))
        if thought:
            out += self._text(
                "thinking", {"type": "thinking", "thinking": "", "signature": ""}, "thinking", thought
            )
        for block in objects(delta.get("thinking_blocks")):
            out += self._thought(block)
        if text := string(delta.get("content") or delta.get("refusal")):
            out += self._text("text", {"type": "text", "text": ""}, "text", text)
        for call in objects(delta.get("tool_calls")):
            out += self._piece(call)
        return out

    def _text(self, kind: str, block: dict[str, Any], field: str, piece: str) -> list[bytes]:
        out = [] if self._open == kind else self._begin(kind, block)
        out.append(self._change({"type": f"{field}_delta", field: piece}))
        return out

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
        block: dict[str, Any] = {
            "type": "tool_use",
            "id": call.get("id") or f"toolu_{uuid4().hex[:24]}",
            "name": string(function.get("name")),
            "input": {},
        }
        out = [*self._signed(call), *self._begin("tool_use", block)]
        self._call = index
        if arguments:
            out.append(self._change({"type": "input_json_delta", "partial_json": arguments}))
        return out

    def _signed(self, call: dict[str, Any]) -> list[bytes]:
        """A signature that came with a call, on the thinking before it."""
        signature = google_signature(call)
        if not signature:
            return []
        unsigned = {"type": "thinking", "thinking": "", "signature": ""}
        out = [] if self._open == "thinking" else self._begin("thinking", unsigned)
        return [*out, self._change({"type": "signature_delta", "signature": signature})]

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
        self._open = ""
        return [_event("content_block_stop", index=self._index)]


def _event(name: str, **fields: Any) -> bytes:
    return sse_event(name, {"type": name, **fields})
