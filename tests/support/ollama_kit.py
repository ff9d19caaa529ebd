"""For tests of the Ollama adapter: calls as bodies, and the lines of its answers."""

from __future__ import annotations

import json
from typing import Any

from llm_proxy.errors import GatewayError
from providers.base import Done, Event, Failed
from providers.discovery import discover
from tests.support.native_kit import USER, Seen, ask, body_of, decoded, row, seen

OLLAMA = discover()["ollama"]
NOW = "2026-11-22T10:00:03.323456789Z"
CALL = {"function": {"index": 0, "name": "f", "arguments": {"a": "é"}}}
END = {"done_reason": "stop", "prompt_eval_count": 26, "eval_count": 9}


def made(
    options: Any = None, keep_alive: Any = None, /, **fields: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Body and dropped names for a request of ``fields``, without what every body has."""
    call = OLLAMA.chat_call(
        ask(**fields), row("ollama", "up:7b", options=options or {}, keep_alive=keep_alive)
    )
    body = body_of(call)
    assert (body.pop("model"), body.pop("messages"), body.pop("stream")) == ("up:7b", [USER], call.stream)
    return body, call.dropped


def line(*, done: bool = False, **fields: Any) -> dict[str, Any]:
    """One line; ``message`` is filled in where it is not given."""
    message = {"role": "assistant", "content": "", **fields.pop("message", {})}
    return {"model": "up", "created_at": NOW, "message": message, "done": done, **fields}


def said(content: str, **fields: Any) -> dict[str, Any]:
    return line(message={"content": content}, **fields)


def decode(*lines: Any) -> list[Event]:
    """The events of a body of ``lines``."""
    texts = [value if isinstance(value, str) else json.dumps(value) for value in lines]
    return decoded(OLLAMA.stream_decoder(ask(stream=True)), ["\n".join(texts).encode()])


def join(*lines: Any) -> Seen:
    """What a client has of a stream that ended as it should."""
    events = decode(*lines)
    assert events[-1] == Done()
    return seen(events)


def failure(*lines: Any) -> GatewayError:
    last = decode(*lines)[-1]
    assert isinstance(last, Failed)
    return last.error
