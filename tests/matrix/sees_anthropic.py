"""What Anthropic must see (see ``sees_openai``)."""

from __future__ import annotations

from typing import Any

from tests.matrix.asks import PIXEL, QUESTION, RESULTS, SCHEMA, SYSTEM, TOOLS, URL
from tests.matrix.sees_openai import ARGUMENTS, Json, Seen
from tests.support.anthropic_double import THOUGHTS
from tests.support.anthropic_rules import signature


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


_ASKED: Json = {"role": "user", "content": [_text(QUESTION)]}
#: Anthropic takes objects without further properties only; its own clients say so themselves.
_CLOSED = {**SCHEMA, "additionalProperties": False}
_ADAPTIVE: Json = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}


def _use(number: int, name: str) -> Json:
    return {"type": "tool_use", "id": f"toolu_double_{number}", "name": name, "input": ARGUMENTS}


def _result(number: int, **more: Any) -> Json:
    content = [_text(RESULTS[number])]
    return {"type": "tool_result", "tool_use_id": f"toolu_double_{number}", "content": content, **more}


def _anthropic_rounds() -> Seen:
    uses = {"role": "assistant", "content": [_use(0, "get_weather"), _use(1, "get_time")]}
    first: Json = {"max_tokens": 512, "tools": TOOLS}
    thinking = "".join(THOUGHTS)
    thought = {"type": "thinking", "thinking": thinking, "signature": signature(thinking)}
    second: Json = {"max_tokens": 512, "tools": TOOLS[:1], **_ADAPTIVE}

    def back(*blocks: Json) -> list[Json]:
        return [
            _ASKED,
            {"role": "assistant", "content": list(blocks)},
            {"role": "user", "content": [_result(0)]},
        ]

    return {
        "results again": {
            **first,
            "messages": [_ASKED, uses, {"role": "user", "content": [_result(0), _result(1)]}],
        },
        ("results again", "anthropic"): {
            **first,
            "messages": [_ASKED, uses, {"role": "user", "content": [_result(0), _result(1, is_error=True)]}],
        },
        "reasoning again": {**second, "messages": back(thought, _use(0, "get_weather"))},
        # Without its signature, thinking would be refused.
        ("reasoning again", "ollama"): {**second, "messages": back(_use(0, "get_weather"))},
    }


def _picture(source: Json) -> Json:
    return {"role": "user", "content": [_text(QUESTION), {"type": "image", "source": source}]}


ANTHROPIC_SEES: Seen = {
    "hello": {"messages": [_ASKED], "max_tokens": 512},
    "plain": {
        "system": [_text(SYSTEM)],
        "messages": [_ASKED],
        "max_tokens": 512,
        "temperature": 0.5,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u-1"},
    },
    "tools": {
        "messages": [_ASKED],
        "max_tokens": 512,
        "tools": TOOLS[:1],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    },
    "parallel": {"messages": [_ASKED], "max_tokens": 512, "tools": TOOLS},
    "results": {"messages": [_ASKED], "max_tokens": 512, "tools": TOOLS},
    "image": {
        "messages": [_picture({"type": "base64", "media_type": "image/png", "data": PIXEL})],
        "max_tokens": 512,
    },
    "image by URL": {"messages": [_picture({"type": "url", "url": URL})], "max_tokens": 512},
    "reasoning": {"messages": [_ASKED], "max_tokens": 512, "tools": TOOLS[:1], **_ADAPTIVE},
    "schema": {
        "messages": [_ASKED],
        "max_tokens": 512,
        "output_config": {"format": {"type": "json_schema", "schema": _CLOSED}},
    },
    ("schema", "anthropic"): {
        "messages": [_ASKED],
        "max_tokens": 512,
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    },
    "JSON without a schema": {"messages": [_ASKED], "max_tokens": 512},
    "length": {"messages": [_ASKED], "max_tokens": 3},
    "usage": {"messages": [_ASKED], "max_tokens": 512, **_ADAPTIVE},
    **_anthropic_rounds(),
}
