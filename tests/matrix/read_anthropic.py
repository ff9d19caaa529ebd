"""Messages and their events, by a reader that accepts nothing but a legal sequence
(docs.anthropic.com/en/api/messages-streaming)."""

from __future__ import annotations

import json
from typing import Any

from tests.matrix.features import Call, Counts, Said

Json = dict[str, Any]

FINISH: Any = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls"}
_FIELDS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
}
_MESSAGE = {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"}


class Reader:
    """``content`` are the blocks put together from the deltas alone; ``error`` is the event that broke the stream."""

    def __init__(self) -> None:
        self.content: list[Json] = []
        self.pieces: list[str] = []
        self.usage: Json = {}
        self.reason = ""
        self.error: Json | None = None
        self._begun = self._open = self._stopped = False
        self._arguments = ""

    def read(self, body: bytes) -> None:
        """The whole of a stream."""
        for block in body.decode().split("\n\n")[:-1]:
            assert self.error is None, "something after an error"
            name, data = block.split("\n")
            event = json.loads(data.removeprefix("data: "))
            assert name == "event: " + event["type"]
            self._event(event)
        assert body.endswith(b"\n\n")
        assert self._stopped is (self.error is None)

    def said(self) -> Said:
        """What the message says."""
        return said_by(self.content, self.reason, self.usage)

    def _event(self, event: Json) -> None:
        assert not self._stopped, "something after message_stop"
        match event["type"]:
            case "ping":
                assert event.keys() == {"type"}
            case "error":
                self.error = event
            case "message_start":
                self._start(event["message"])
            case "content_block_start":
                assert (self._begun, self._open, self.reason) == (True, False, "")
                assert event["index"] == len(self.content)
                self._block(event["content_block"])
            case "content_block_delta":
                assert self._open
                assert event["index"] == len(self.content) - 1
                self._delta(event["delta"])
            case "content_block_stop":
                assert self._open
                assert event["index"] == len(self.content) - 1
                self._close()
            case "message_delta":
                assert (self._begun, self._open, self.reason) == (True, False, "")
                self.reason = event["delta"]["stop_reason"]
                self.usage.update(event["usage"])
            case "message_stop":
                assert self.reason
                self._stopped = True
            case other:
                raise AssertionError(f"no such event: {other}")

    def _start(self, message: Json) -> None:
        assert not self._begun
        assert message.keys() >= _MESSAGE
        assert (message["content"], message["stop_reason"], message["role"]) == ([], None, "assistant")
        self._begun = True
        self.usage = dict(message["usage"])

    def _block(self, block: Json) -> None:
        self._open, self._arguments = True, ""
        assert block["type"] in ("text", "thinking", "redacted_thinking", "tool_use")
        assert not any(block.get(name) for name in ("text", "thinking", "input"))
        self.content.append(dict(block))

    def _delta(self, delta: Json) -> None:
        block = self.content[-1]
        if delta["type"] == "input_json_delta":
            assert block["type"] == "tool_use"
            self._arguments += delta["partial_json"]
            return
        kind, field = _FIELDS[delta["type"]]
        assert block["type"] == kind
        block[field] += delta[field]
        if kind == "text":
            self.pieces.append(delta["text"])

    def _close(self) -> None:
        self._open = False
        if self.content[-1]["type"] == "tool_use":
            self.content[-1]["input"] = json.loads(self._arguments or "{}")


def whole(body: Json) -> tuple[list[Json], Said]:
    """The blocks of a whole message, and what it says."""
    assert body.keys() >= _MESSAGE
    assert (body["type"], body["role"]) == ("message", "assistant")
    content: list[Json] = body["content"]
    return content, said_by(content, body["stop_reason"], body["usage"])


def said_by(content: list[Json], reason: str, usage: Json) -> Said:
    """What blocks say: thinking, then text, then calls."""
    order = [("thinking", "redacted_thinking", "text", "tool_use").index(block["type"]) for block in content]
    assert order == sorted(order)
    thoughts = [block for block in content if block["type"] == "thinking"]
    calls = [block for block in content if block["type"] == "tool_use"]
    cached, written = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
    details = usage.get("output_tokens_details") or {}
    return Said(
        "".join(block["text"] for block in content if block["type"] == "text"),
        tuple(Call(call["id"], call["name"], tuple(call["input"].items())) for call in calls),
        "".join(block["thinking"] for block in thoughts),
        "".join(block["signature"] for block in thoughts).removeprefix("google:"),
        FINISH[reason],
        Counts(
            usage["input_tokens"] + cached + written,
            cached,
            written,
            usage["output_tokens"],
            details.get("thinking_tokens") or 0,
        ),
    )
