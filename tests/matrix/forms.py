"""Requests as the doubles got them, each meaning in one form only: what a vendor takes in two ways is written in one.

What every request has is judged here and left out: the model's name, whether it streams, and that usage is wanted.
"""

from __future__ import annotations

import json
from typing import Any

from tests.support.request_parser import Received

Json = dict[str, Any]


def _without(body: Json, *names: str) -> Json:
    return {name: value for name, value in body.items() if name not in names}


def openai_form(request: Received, stream: bool) -> Json:
    """Arguments are read, and fields of messages that hold nothing are left out."""
    body = request.json()
    assert body.get("stream", False) is stream
    assert body.get("stream_options") == ({"include_usage": True} if stream else None)
    messages = [_openai_message(message) for message in body["messages"]]
    return {**_without(body, "model", "stream", "stream_options"), "messages": messages}


def _openai_message(message: Json) -> Json:
    kept = {name: value for name, value in message.items() if value not in (None, "", [])}
    content = kept.get("content")
    if isinstance(content, list) and len(content) == 1 and content[0].keys() == {"type", "text"}:
        kept["content"] = content[0]["text"]
    if "tool_calls" in kept:
        kept["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
            for call in kept["tool_calls"]
        ]
    return kept


def vllm_form(request: Received, stream: bool) -> Json:
    """Earlier thinking may come back under its older name too (docs.vllm.ai, "Reasoning Outputs")."""
    body = openai_form(request, stream)
    for message in body["messages"]:
        if "reasoning_content" in message:
            message["reasoning"] = message.pop("reasoning_content")
    return body


def anthropic_form(request: Received, stream: bool) -> Json:
    """Texts are blocks."""
    body = request.json()
    assert bool(body.get("stream")) is stream
    found = _without(body, "model", "stream")
    if "system" in body:
        found["system"] = _blocks(body["system"])
    found["messages"] = [
        {**message, "content": [_result(block) for block in _blocks(message["content"])]}
        for message in body["messages"]
    ]
    return found


def _blocks(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _result(block: Json) -> Json:
    return {**block, "content": _blocks(block["content"])} if block["type"] == "tool_result" else block


def ollama_form(request: Received, stream: bool) -> Json:
    """To stream is what no word about it means."""
    body = request.json()
    assert body.get("stream", True) is stream
    return _without(body, "model", "stream")


def gemini_form(request: Received, stream: bool) -> Json:
    """Whether it streams is in the path."""
    assert request.path.endswith(":streamGenerateContent?alt=sse" if stream else ":generateContent")
    body: Json = request.json()
    return body
