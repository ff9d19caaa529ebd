"""What Ollama must see (see ``sees_openai``)."""

from __future__ import annotations

from typing import Any

from tests.matrix.asks import FUNCTIONS, PIXEL, QUESTION, RESULTS, SCHEMA, SYSTEM, USER
from tests.matrix.sees_openai import ARGUMENTS, Json, Seen
from tests.support.ollama_words import THOUGHTS

_LIMIT: Json = {"options": {"num_predict": 512}}
_NAMES = ("get_weather", "get_time")


def _asked(count: int, **more: Any) -> Json:
    calls = [
        {"id": f"call_double_{n}", "function": {"index": n, "name": name, "arguments": ARGUMENTS}}
        for n, name in enumerate(_NAMES[:count])
    ]
    return {"role": "assistant", "content": "", "tool_calls": calls, **more}


def _results(count: int) -> list[Json]:
    return [
        {
            "role": "tool",
            "content": RESULTS[n],
            "tool_name": name,
            "tool_call_id": f"call_double_{n}",
        }
        for n, name in enumerate(_NAMES[:count])
    ]


OLLAMA_SEES: Seen = {
    "hello": {"messages": [USER], **_LIMIT},
    "plain": {
        "messages": [{"role": "system", "content": SYSTEM}, USER],
        "options": {
            "num_predict": 512,
            "temperature": 0.5,
            "stop": ["END"],
            "seed": 7,
            "presence_penalty": 0.25,
            "num_ctx": 8192,
        },
        "keep_alive": "5m",
    },
    "tools": {"messages": [USER], "tools": FUNCTIONS[:1], **_LIMIT},
    "parallel": {"messages": [USER], "tools": FUNCTIONS, **_LIMIT},
    "results": {"messages": [USER], "tools": FUNCTIONS, **_LIMIT},
    "results again": {"messages": [USER, _asked(2), *_results(2)], "tools": FUNCTIONS, **_LIMIT},
    "image": {"messages": [{"role": "user", "content": QUESTION, "images": [PIXEL]}], **_LIMIT},
    "reasoning": {"messages": [USER], "tools": FUNCTIONS[:1], "think": "medium", **_LIMIT},
    "reasoning again": {
        "messages": [USER, _asked(1, thinking="".join(THOUGHTS)), *_results(1)],
        "tools": FUNCTIONS[:1],
        "think": "medium",
        **_LIMIT,
    },
    "schema": {"messages": [USER], "format": SCHEMA, **_LIMIT},
    "JSON without a schema": {"messages": [USER], "format": "json", **_LIMIT},
    "length": {"messages": [USER], "options": {"num_predict": 3}},
    "usage": {"messages": [USER], "think": "medium", **_LIMIT},
}
