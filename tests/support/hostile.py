"""Requests that cost much if anything does: ``n`` pieces of one kind each, for every face.

``CHAT`` are of OpenAI's form, ``MESSAGES`` of Anthropic's, ``RESPONSES``, ``OLLAMA`` and ``GEMINI`` of those dialects'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Body = dict[str, Any]
Shape = Callable[[int], Body]

_USER = {"role": "user", "content": "x"}


def _call(call_id: str, name: str = "f") -> Body:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}


def _chat(messages: Iterable[Any], **more: Any) -> Body:
    return {"model": "m", "messages": list(messages), **more}


def _asked(ids: Iterable[str], answers: Iterable[str], name: str = "f") -> Body:
    """One turn with the calls ``ids``, and the results ``answers``."""
    calls = [_call(one, name) for one in ids]
    results = [{"role": "tool", "tool_call_id": one, "content": "r"} for one in answers]
    return _chat([_USER, {"role": "assistant", "content": None, "tool_calls": calls}, *results])


def _ids(n: int) -> list[str]:
    return [f"call_{i}" for i in range(n)]


def _odd(n: int) -> list[str]:
    """Long ids of one beginning, which no vendor's grammar has, each twice."""
    return [f"functions.{'x' * 60}:{i // 2}" for i in range(n)]


def _schema(n: int) -> Body:
    return {"type": "object", "properties": {f"p{i}": {"type": "array"} for i in range(n)}}


def _nested(depth: int) -> Body:
    found: Body = {"type": "string"}
    for _ in range(min(depth, 100)):
        found = {"type": "object", "properties": {"a": found}}
    return found


def _function(name: str, schema: Any = None) -> Body:
    return {"type": "function", "function": {"name": name, "parameters": schema or {}}}


CHAT: Mapping[str, Shape] = {
    "unknown names": lambda n: _chat([_USER], **{f"k{i}": 1 for i in range(n)}),
    "options": lambda n: _chat([_USER], options={f"k{i}": 1 for i in range(n)}),
    "extra body": lambda n: _chat([_USER], extra_body={"google": {f"k{i}": 1 for i in range(n)}}),
    "users": lambda n: _chat(_USER for _ in range(n)),
    "systems": lambda n: _chat([*({"role": "system", "content": "s"} for _ in range(n)), _USER]),
    "systems between": lambda n: _chat(
        {"role": "system" if i % 2 else "user", "content": "s"} for i in range(n)
    ),
    "assistants": lambda n: _chat([_USER, *({"role": "assistant", "content": "a"} for _ in range(n))]),
    "empty turns": lambda n: _chat([_USER, *({"role": "assistant", "content": ""} for _ in range(n)), _USER]),
    "strange roles": lambda n: _chat([_USER, *({"role": f"r{i}", "content": "a"} for i in range(n))]),
    "calls": lambda n: _asked(_ids(n), _ids(n)),
    "calls backwards": lambda n: _asked(_ids(n), reversed(_ids(n))),
    "calls of odd ids": lambda n: _asked(_odd(n), _odd(n)),
    "calls of one id": lambda n: _asked(["c"] * n, ["c"] * n),
    "calls of odd names": lambda n: _asked(_ids(n), _ids(n), "a.b/c" * 20),
    "calls without results": lambda n: _asked(_ids(n), []),
    "results without calls": lambda n: _asked([], _ids(n)),
    "results of nobody": lambda n: _chat([_USER, *({"role": "tool", "content": "r"} for _ in range(n))]),
    "rounds": lambda n: _chat(
        message
        for i in range(n)
        for message in (
            {"role": "assistant", "content": None, "tool_calls": [_call(f"c{i}")]},
            {"role": "tool", "tool_call_id": f"c{i}", "content": "r"},
        )
    ),
    "old calls": lambda n: _chat(
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
        if i % 2
        else {"role": "function", "name": "f", "content": "r"}
        for i in range(n)
    ),
    "parts": lambda n: _chat([{"role": "user", "content": [{"type": "text", "text": "x"}] * n}]),
    "pictures": lambda n: _chat(
        [
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}] * n,
            }
        ]
    ),
    "thoughts": lambda n: _chat(
        [_USER, *({"role": "assistant", "content": "a", "reasoning_content": "t"} for _ in range(n))]
    ),
    "fields of a message": lambda n: _chat([{**_USER, **{f"k{i}": 1 for i in range(n)}}]),
    "tools": lambda n: _chat([_USER], tools=[_function(f"f{i}", _nested(3)) for i in range(n)]),
    "tools of one name": lambda n: _chat([_USER], tools=[_function("f") for i in range(n)]),
    "tools of odd names": lambda n: _chat([_USER], tools=[_function(f"a.{i}/" + "x" * 99) for i in range(n)]),
    "a wide schema": lambda n: _chat([_USER], tools=[_function("f", _schema(n))]),
    "deep schemas": lambda n: _chat([_USER], tools=[_function("f", _nested(100)) for _ in range(n // 100)]),
    "choices of a schema": lambda n: _chat(
        [_USER],
        tools=[
            _function("f", {"anyOf": [{"type": "object", "properties": {f"p{i}": {}}} for i in range(n)]})
        ],
    ),
    "a format": lambda n: _chat(
        [_USER], response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": _schema(n)}}
    ),
    "stops": lambda n: _chat([_USER], stop=[f"s{i}" for i in range(n)]),
    "biases": lambda n: _chat([_USER], logit_bias={str(i): 1 for i in range(n)}),
    "metadata": lambda n: _chat([_USER], metadata={f"k{i}": "v" for i in range(n)}),
    "a long name": lambda n: _chat([_USER], **{"k" * n: 1}),
    "a long text": lambda n: _chat([{"role": "user", "content": "x" * n * 50}]),
    # What is wrong.
    "wrong messages": lambda n: _chat([0] * n),
    "empty messages": lambda n: _chat([{}] * n),
    "wrong contents": lambda n: _chat([{"role": "user", "content": 1}] * n),
    "wrong calls": lambda n: _chat([{"role": "assistant", "tool_calls": [0] * n}]),
    "messages of wrong calls": lambda n: _chat([{"role": "assistant", "tool_calls": [0] * 20}] * (n // 20)),
    "wrong tools": lambda n: _chat([_USER], tools=[{}] * n),
    "wrong biases": lambda n: _chat([_USER], logit_bias={str(i): "" for i in range(n)}),
    "wrong stops": lambda n: _chat([_USER], stop=[*["s"] * n, 0]),
}

MESSAGES: Mapping[str, Shape] = {
    "turns": lambda n: _chat(
        [{"role": "user" if i % 2 else "assistant", "content": "x"} for i in range(n)], max_tokens=1
    ),
    "texts": lambda n: _chat(
        [{"role": "user", "content": [{"type": "text", "text": "x"}] * n}], max_tokens=1
    ),
    "systems": lambda n: _chat([_USER], max_tokens=1, system=[{"type": "text", "text": "x"}] * n),
    "system turns": lambda n: _chat([{"role": "system", "content": "x"}] * n + [_USER], max_tokens=1),
    "uses": lambda n: _chat(
        [
            _USER,
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": i, "name": "f", "input": {}} for i in _ids(n)],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": i, "content": "r"} for i in reversed(_ids(n))
                ],
            },
        ],
        max_tokens=1,
    ),
    "results of nobody": lambda n: _chat(
        [
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": i, "content": "r"} for i in _ids(n)],
            }
        ],
        max_tokens=1,
    ),
    "unknown blocks": lambda n: _chat(
        [_USER, {"role": "assistant", "content": [{"type": f"t{i}"} for i in range(n)]}], max_tokens=1
    ),
    "thoughts": lambda n: _chat(
        [
            _USER,
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"}] * n},
            _USER,
        ],
        max_tokens=1,
    ),
    "tools": lambda n: _chat(
        [_USER], max_tokens=1, tools=[{"name": f"f{i}", "input_schema": _nested(3)} for i in range(n)]
    ),
    "unknown tools": lambda n: _chat(
        [_USER], max_tokens=1, tools=[{"type": f"t_{i}", "name": f"f{i}"} for i in range(n)]
    ),
    "unknown names": lambda n: _chat([_USER], max_tokens=1, **{f"k{i}": 1 for i in range(n)}),
    "wrong messages": lambda n: _chat([0] * n, max_tokens=1),
    "wrong blocks": lambda n: _chat([{"role": "user", "content": [0] * n}], max_tokens=1),
    "blocks without a type": lambda n: _chat([{"role": "user", "content": [{}] * n}], max_tokens=1),
}


def _input(items: Iterable[Any], **more: Any) -> Body:
    return {"model": "m", "input": list(items), **more}


RESPONSES: Mapping[str, Shape] = {
    "messages": lambda n: _input({"role": "user", "content": "x"} for _ in range(n)),
    "calls": lambda n: _input(
        [
            _USER,
            *({"type": "function_call", "call_id": i, "name": "f", "arguments": "{}"} for i in _ids(n)),
            *({"type": "function_call_output", "call_id": i, "output": "r"} for i in reversed(_ids(n))),
        ]
    ),
    "outputs of nobody": lambda n: _input(
        {"type": "function_call_output", "call_id": i, "output": "r"} for i in _ids(n)
    ),
    "calls of one id": lambda n: _input(
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"} for _ in range(n)
    ),
    "reasoning": lambda n: _input({"type": "reasoning", "id": f"r{i}", "summary": []} for i in range(n)),
    "unknown items": lambda n: _input([_USER, *({"type": f"t{i}"} for i in range(n))]),
    "tools": lambda n: _input([_USER], tools=[{"type": "function", "name": f"f{i}"} for i in range(n)]),
    "tools of one name": lambda n: _input(
        [_USER], tools=[{"type": "function", "name": "f"} for i in range(n)]
    ),
    "unknown tools": lambda n: _input([_USER], tools=[{"type": f"t{i}"} for i in range(n)]),
    "unknown names": lambda n: _input([_USER], **{f"k{i}": 1 for i in range(n)}),
    "wrong items": lambda n: _input([0] * n),
    "wrong messages": lambda n: _input([{"role": "user", "content": 1}] * n),
    "wrong parts": lambda n: _input([{"role": "user", "content": [0] * n}]),
}
OLLAMA: Mapping[str, Shape] = {
    "messages": lambda n: _chat(_USER for _ in range(n)),
    "calls": lambda n: _chat(
        [
            {
                "role": "assistant",
                "tool_calls": [{"function": {"name": f"f{i}", "arguments": {}}} for i in range(n)],
            },
            *({"role": "tool", "tool_name": f"f{i}", "content": "r"} for i in reversed(range(n))),
        ]
    ),
    "results of nobody": lambda n: _chat(
        {"role": "tool", "tool_name": "g", "content": "r"} for _ in range(n)
    ),
    "calls of one name": lambda n: _chat(
        [
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}] * n},
            *({"role": "tool", "tool_name": "g", "content": "r"} for i in range(n)),
        ]
    ),
    "images": lambda n: _chat([{"role": "user", "content": "x", "images": ["iVBORw0KGgo="] * n}]),
    "options": lambda n: _chat([_USER], options={f"k{i}": 1 for i in range(n)}),
    "unknown names": lambda n: _chat([_USER], **{f"k{i}": 1 for i in range(n)}),
    "wrong messages": lambda n: _chat([0] * n),
    "wrong calls": lambda n: _chat([{"role": "assistant", "tool_calls": [0] * n}]),
}


def _contents(contents: Iterable[Any], **more: Any) -> Body:
    return {"contents": list(contents), **more}


_TURN = {"role": "user", "parts": [{"text": "x"}]}
GEMINI: Mapping[str, Shape] = {
    "contents": lambda n: _contents(_TURN for _ in range(n)),
    "parts": lambda n: _contents([{"role": "user", "parts": [{"text": "x"}] * n}]),
    "calls": lambda n: _contents(
        [
            {"role": "model", "parts": [{"functionCall": {"name": f"f{i}", "args": {}}} for i in range(n)]},
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"name": f"f{i}", "response": {}}} for i in reversed(range(n))
                ],
            },
        ]
    ),
    "calls of one name": lambda n: _contents(
        [
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}] * n},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}] * n},
        ]
    ),
    "results of nobody": lambda n: _contents(
        [
            {
                "role": "user",
                "parts": [{"functionResponse": {"name": f"f{i}", "response": {}}} for i in range(n)],
            }
        ]
    ),
    "unknown parts": lambda n: _contents([{"role": "user", "parts": [{f"t{i}": 1} for i in range(n)]}]),
    "functions": lambda n: _contents(
        [_TURN],
        tools=[{"functionDeclarations": [{"name": f"f{i}", "parameters": _nested(3)} for i in range(n)]}],
    ),
    "tools": lambda n: _contents([_TURN], tools=[{f"t{i}": {}} for i in range(n)]),
    "a wide schema": lambda n: _contents(
        [_TURN], tools=[{"functionDeclarations": [{"name": "f", "parameters": _schema(n)}]}]
    ),
    "settings": lambda n: _contents([_TURN], generationConfig={f"k{i}": 1 for i in range(n)}),
    "unknown names": lambda n: _contents([_TURN], **{f"k{i}": 1 for i in range(n)}),
    "wrong contents": lambda n: _contents([0] * n),
    "wrong parts": lambda n: _contents([{"role": "user", "parts": [0] * n}]),
    "wrong functions": lambda n: _contents([_TURN], tools=[{"functionDeclarations": [0] * n}]),
    "wrong tools": lambda n: _contents([_TURN], tools=[0] * n),
}
