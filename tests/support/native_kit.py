"""For tests of the adapters that translate: requests and deployments in one line, and what a client makes of chunks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_proxy.wire.calls import Deployment, HttpCall, Secret
from llm_proxy.wire.events import Chunk, Done, Event, Failed
from llm_proxy.wire.schema import ChatRequest
from providers.base import BaseProvider, StreamDecoder
from tests.support.secrets import UPSTREAM_KEY

USER = {"role": "user", "content": "Hi"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Now.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def row(api_type: str, model: str, **fields: Any) -> Deployment:
    """A deployment at a made-up host, with a planted key."""
    given = {"token": Secret(UPSTREAM_KEY), **fields}
    return Deployment("p", "public", api_type, "https://upstream.test", model, **given)


def ask(**fields: Any) -> ChatRequest:
    """A canonical request, with one user message unless ``messages`` says otherwise."""
    return ChatRequest.of({"model": "public", "messages": [USER], **fields})


def call(name: str = "f", arguments: str = "{}", call_id: str | None = "c1", **more: Any) -> dict[str, Any]:
    """A tool call of the history, in the canonical form."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def asked(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An assistant's message with tool calls."""
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **more}


def said(content: Any, call_id: str | None = "c1", **more: Any) -> dict[str, Any]:
    """A tool's message."""
    return {"role": "tool", "content": content, **({"tool_call_id": call_id} if call_id else {}), **more}


def text(words: str) -> dict[str, Any]:
    """A text part."""
    return {"type": "text", "text": words}


def body_of(call: HttpCall) -> dict[str, Any]:
    """The JSON body of a call."""
    value = json.loads(call.body or b"")
    assert isinstance(value, dict)
    return value


def pieces(data: bytes) -> list[bytes]:
    """A stream cut after each event, whatever its line ends are."""
    return [part for part in re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)", data) if part]


def decoded(decoder: StreamDecoder, parts: Iterable[bytes]) -> list[Event]:
    """All events of a stream that arrives in ``parts`` and ends cleanly."""
    found: list[Event] = []
    for part in parts:
        found += decoder.feed(part)
    return [*found, *decoder.close()]


def comparable(events: Iterable[Event]) -> list[Any]:
    """Events without what differs from run to run: the time, invented ids, the identity of errors."""
    return [_comparable(event) for event in events]


def _comparable(event: Event) -> Any:
    if isinstance(event, Chunk):
        data = {name: value for name, value in event.data.items() if name != "created"}
        return json.loads(re.sub(r"chatcmpl-[0-9a-f]{32}", "chatcmpl-", json.dumps(data)))
    if isinstance(event, Failed):
        return ("failed", event.error.status, event.error.code, event.error.kind, event.error.message)
    return event


@dataclass(slots=True)
class Seen:
    """What a client has after a stream: messages and finish reasons by choice, usage, and how it ended."""

    messages: dict[int, dict[str, Any]] = field(default_factory=dict)
    finish: dict[int, str] = field(default_factory=dict)
    extra: dict[int, dict[str, Any]] = field(default_factory=dict)
    usage: dict[str, Any] | None = None
    end: Event | None = None

    @property
    def message(self) -> dict[str, Any]:
        """The message of the first choice."""
        return self.messages[0]


def seen(events: Iterable[Event]) -> Seen:
    """Join chunks as the official OpenAI library does, and check the form of each on the way."""
    found = Seen()
    frame: set[tuple[Any, ...]] = set()
    for event in events:
        assert found.end is None, "something after the end"
        if not isinstance(event, Chunk):
            found.end = event
            continue
        data = event.data
        json.dumps(data, allow_nan=False, ensure_ascii=False).encode()
        frame.add((data["id"], data["object"], data["created"]))
        if not data["choices"]:
            assert found.usage is None, "usage twice"
            found.usage = data["usage"]
        for choice in data["choices"]:
            _join_choice(found, choice)
    assert len(frame) <= 1, "id, object and created are the same on all chunks"
    assert all(kind == "chat.completion.chunk" for _, kind, _ in frame)
    return found


def _join_choice(found: Seen, choice: dict[str, Any]) -> None:
    index = choice["index"]
    assert index not in found.finish, "a choice goes on after its finish reason"
    if index not in found.messages:
        assert choice["delta"].get("role") == "assistant", "the first delta names the role"
        found.messages[index] = {}
    _merge(found.messages[index], choice["delta"])
    if choice["finish_reason"] is not None:
        assert choice["delta"] == {}
        found.finish[index] = choice["finish_reason"]
    found.extra.setdefault(index, {}).update(
        {k: v for k, v in choice.items() if k not in ("index", "delta", "finish_reason")}
    )


def _merge(into: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """``accumulate_delta`` of openai/lib/streaming/_deltas.py: texts are appended, lists joined by ``index``."""
    for name, value in delta.items():
        old = into.get(name)
        if old is None or name in ("index", "type"):
            into[name] = json.loads(json.dumps(value))
        elif isinstance(old, str):
            into[name] = old + (value or "")
        elif isinstance(old, dict):
            _merge(old, value)
        elif isinstance(old, list):
            for entry in value:
                at = entry["index"]
                if at < len(old):
                    _merge(old[at], entry)
                else:
                    old.insert(at, json.loads(json.dumps(entry)))


def spoilt(value: Any) -> Iterator[Any]:
    """``value`` with one of its parts replaced by something of another type, for each part in turn."""
    yield from (None, True, 7, -1.5, "x", [], [1], [{}], {}, {"x": 1})
    if isinstance(value, dict):
        for name, inner in value.items():
            for other in spoilt(inner):
                yield {**value, name: other}
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            for other in spoilt(inner):
                yield [*value[:at], other, *value[at + 1 :]]


def whole(provider: BaseProvider, body: Any) -> dict[str, Any]:
    """The canonical completion for an answer that was not streamed."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return provider.chat_response(raw, ask()).data


def done(events: Iterable[Event]) -> bool:
    """Whether a stream was declared complete."""
    return any(isinstance(event, Done) for event in events)
