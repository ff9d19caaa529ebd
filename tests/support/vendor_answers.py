"""Answers of the canonical dialect as vendors really write them, and what each says; readers of every face's writing.

Each case is from a report or a vendor's documentation: see ``llm_proxy/wire/answers``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """What a client understands of an answer. ``end``: the canonical reason, or ``error``."""

    text: str = ""
    thought: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    end: str = "stop"


@dataclass(frozen=True, slots=True)
class Case:
    """``whole`` is a completion, ``chunks`` a stream (without its terminator); either may be missing."""

    said: Said
    whole: Json | None = None
    chunks: list[Json] | None = None
    usage: Json = field(default_factory=dict)


def completion(*choices: Json, **more: Any) -> Json:
    return {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": "up",
        "choices": list(choices),
        **more,
    }


def chunk(*choices: Json, **more: Any) -> Json:
    return {**completion(*choices, **more), "object": "chat.completion.chunk"}


def message(content: Any = None, finish: Any = "stop", index: Any = 0, **more: Any) -> Json:
    found = {"message": {"role": "assistant", "content": content, **more}, "finish_reason": finish}
    return found if index is None else {"index": index, **found}


def delta(finish: Any = None, index: Any = 0, **said: Any) -> Json:
    found = {"delta": said, "finish_reason": finish}
    return found if index is None else {"index": index, **found}


def call(arguments: Any = None, name: Any = None, id: Any = None, **more: Any) -> Json:
    """A call, or a piece of one, without what is None."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {**({} if id is None else {"id": id, "type": "function"}), "function": function, **more}


def pieces(*calls: Json, finish: Any = "tool_calls") -> list[Json]:
    """Each call in a chunk of its own."""
    return [
        chunk(delta(role="assistant")),
        *(chunk(delta(tool_calls=[one])) for one in calls),
        chunk(delta(finish)),
    ]


F, G = ("f", {"a": "1"}), ("g", {"a": "2"})
ONE, TWO = '{"a":"1"}', '{"a":"2"}'
BOTH = Said(calls=(F, ("f", {"a": "2"})), end="tool_calls")
CALLED = Said(calls=(F,), end="tool_calls")

_CALLS = {
    "one index, two ids": Case(
        BOTH, chunks=pieces(call(ONE, "f", "x1", index=0), call(TWO, "f", "x2", index=0))
    ),
    "one index, pieces": Case(
        BOTH,
        chunks=pieces(
            *(call("", "f", "x1", index=0), call('{"a":', index=0), call('"1"}', index=0)),
            *(call("", "f", "x2", index=0), call('{"a":"2', id="", index=0), call('"}', index=0)),
        ),
    ),
    "one index, no ids": Case(BOTH, chunks=pieces(call(ONE, "f", index=0), call(TWO, "f", index=0))),
    "no index, no ids": Case(BOTH, chunks=pieces(call(ONE, "f"), call(TWO, "f"))),
    "no index, ids": Case(BOTH, chunks=pieces(call('{"a":', "f", "x1"), call('"1"}'), call(TWO, "f", "x2"))),
    "one id for both": Case(BOTH, chunks=pieces(call(ONE, "f", "f", index=0), call(TWO, "f", "f", index=1))),
    "objects behind each other": Case(BOTH, chunks=pieces(call(ONE, "f", "x1", index=0), call(TWO, index=0))),
    "in turn": Case(
        Said(calls=(F, G), end="tool_calls"),
        chunks=pieces(
            *(call('{"a":', "f", "x1", index=0), call('{"a":', "g", "x2", index=1)),
            *(call('"1"}', index=0), call('"2"}', index=1)),
        ),
    ),
    "words in the middle of a call": Case(
        Said("Hm. So.", "hm", calls=(F,), end="tool_calls"),
        chunks=[
            chunk(delta(tool_calls=[call('{"a":', "f", "x1", index=0)])),
            chunk(delta(content="Hm.", reasoning="hm")),
            chunk(delta(tool_calls=[call('"1"}', index=0)])),
            chunk(delta("stop", content=" So.")),
        ],
    ),
    "an id of each piece's own": Case(
        CALLED,
        chunks=pieces(
            call("", "f", "x1", index=0), call('{"a":', id="x2", index=0), call('"1"}', id="x3", index=0)
        ),
    ),
    "id and name on each piece": Case(
        CALLED, chunks=pieces(call('{"a":', "f", "x1", index=0), call('"1"}', "f", "x1", index=0))
    ),
    "arguments from the beginning each time": Case(
        CALLED,
        chunks=pieces(
            call('{"a"', "f", "x1", index=0), call('{"a":"1', index=0), call(ONE, index=0), call(ONE, index=0)
        ),
    ),
    "the whole call told again": Case(
        CALLED,
        chunks=pieces(
            call('{"a":', "f", "x1", index=0), call('"1"}', index=0), call(ONE, "f", "x1", index=0)
        ),
    ),
    "an object that looks like the one around it": Case(
        Said(calls=(("f", {"a": {"a": {"b": "{}"}}}),), end="tool_calls"),
        chunks=pieces(
            call('{"a":', "f", "x1", index=0), call('{"a":', index=0), call('{"b":"{}"}}}', index=0)
        ),
    ),
    "names in pieces": Case(
        Said(calls=(("get_f", {"a": "1"}), ("get_g", {"a": "2"}), ("get_h", {})), end="tool_calls"),
        chunks=pieces(
            *(call("", "get_", "x1", index=0), call(name="f", index=0), call(ONE, index=0)),
            *(call(name="get_", id="x2", index=0), call(TWO, "g", index=0)),
            *(call("", "get", "x3", index=1), call("", "_", index=1), call("", "h", index=1)),
        ),
    ),
    "a name on each piece, before the arguments too": Case(
        CALLED,
        chunks=pieces(call("", "f", "x1", index=0), call("", "f", index=0), call(ONE, "f", index=0)),
    ),
    "id, then name, then arguments": Case(
        BOTH,
        chunks=pieces(
            *({"index": 0, "id": "x1", "type": "function"}, call(name="f", index=0), call(ONE, index=0)),
            *({"index": 0, "id": "x2", "type": "function"}, call(name="f", index=0), call(TWO, index=0)),
        ),
    ),
    "an empty object first": Case(
        CALLED, chunks=pieces(call("{}", "f", "x1", index=0), call('{"a":', index=0), call('"1"}', index=0))
    ),
    "no arguments": Case(
        Said(calls=(("f", {}), ("g", {})), end="tool_calls"),
        completion(message(None, "tool_calls", tool_calls=[call("", "f", "x1"), call(None, "g", "x2")])),
        pieces(call("", "f", "x1", index=0), call("{}", "g", "x2", index=1)),
    ),
    "an object": Case(
        CALLED,
        completion(message(None, "tool_calls", tool_calls=[call({"a": "1"}, "f", "x1")])),
        pieces(call({"a": "1"}, "f", "x1", index=0)),
    ),
    "numbers as ids": Case(
        CALLED,
        completion(message(None, "tool_calls", tool_calls=[call(ONE, "f", 7, index=0.0)]), id=7),
        pieces(call(ONE, "f", 7, index=0.0)),
    ),
    "without the object around": Case(
        CALLED,
        completion(
            message(None, "tool_calls", tool_calls=[{"id": "x", "name": "f", "parameters": {"a": "1"}}])
        ),
        pieces({"index": 0, "id": "x", "name": "f", "arguments": ONE}),
    ),
    "the form before tools": Case(
        CALLED,
        completion(message(None, "function_call", function_call={"name": "f", "arguments": ONE})),
        [
            chunk(delta(function_call={"name": "f", "arguments": '{"a":'})),
            chunk(delta(function_call={"arguments": '"1"}'})),
            chunk(delta("function_call")),
        ],
    ),
    "all numbered 0": Case(
        BOTH,
        completion(
            message(
                None, "tool_calls", tool_calls=[call(ONE, "f", "x1", index=0), call(TWO, "f", "x2", index=0)]
            )
        ),
    ),
    "two that are alike": Case(
        Said(calls=(F, F), end="tool_calls"),
        completion(message(None, "tool_calls", tool_calls=[call(ONE, "f"), call(ONE, "f")])),
        pieces(call(ONE, "f", "x1", index=0), call(ONE, "f", "x2", index=1)),
    ),
    "two choices": Case(
        Said("Hm.", calls=(F,), end="tool_calls"),
        completion(
            message("Hm.", "tool_calls", None),
            message(None, "tool_calls", None, tool_calls=[call(ONE, "f", "x1")]),
        ),
        [
            chunk(delta(content="Hm.")),
            chunk(delta(index=1, tool_calls=[call(ONE, "f", "x1", index=0)])),
            chunk(delta("tool_calls"), delta("tool_calls", 1)),
        ],
    ),
    "calls in two choices": Case(
        BOTH,
        completion(
            *(
                message(None, "tool_calls", at, tool_calls=[call(a, "f", f"x{at}")])
                for at, a in enumerate((ONE, TWO))
            )
        ),
        [
            chunk(
                delta(tool_calls=[call(ONE, "f", "x1", index=0)]),
                delta(index=1, tool_calls=[call(TWO, "f", "x2", index=0)]),
            ),
            chunk(delta("tool_calls"), delta("tool_calls", 1)),
        ],
    ),
}


def _ends(finish: Any, said: str, *, calls: bool = False) -> Case:
    """A text (or a call) that ends for the vendor's reason ``finish``."""
    more = {"tool_calls": [call(ONE, "f", "x1", index=0)]} if calls else {}
    content = None if calls else "Hi"
    expected = Said("" if calls else "Hi", calls=(F,) if calls else (), end=said)
    return Case(
        expected,
        completion(message(content, finish, **more)),
        [chunk(delta(content=content, **more)), chunk(delta(finish)), chunk(usage={"prompt_tokens": 1})],
    )


STOPS = [
    "stop",
    "eos",
    "eos_token",
    "end_turn",
    "STOP",
    "COMPLETE",
    "stop_sequence",
    "eosFound",
    "normal",
    "completed",
    "",
    None,
    "null",
]
LENGTHS = [
    "length",
    "max_tokens",
    "MAX_TOKENS",
    "model_length",
    "maxPredictedTokensReached",
    "max_output",
    "from another world",
    7,
]
FILTERS = [
    "content_filter",
    "sensitive",
    "SAFETY",
    "guardrail_intervened",
    "content_filtered",
    "MODEL_ARMOR",
    "refusal",
    "new_policy",
]
ERRORS = [
    "error",
    "abort",
    "network_error",
    "insufficient_system_resource",
    "ERROR",
    "malformed_function_call",
    "some_new_failure",
    "cancelled",
]
_ENDS = {
    **{f"ends: {reason}": _ends(reason, "stop") for reason in STOPS},
    **{f"ends: {reason}": _ends(reason, "length") for reason in LENGTHS},
    **{f"ends: {reason}": _ends(reason, "content_filter") for reason in FILTERS},
    **{f"ends: {reason}": _ends(reason, "error") for reason in ERRORS},
    **{
        f"calls, ends: {reason}": _ends(reason, "tool_calls", calls=True)
        for reason in ("stop", "eos", None, "tool_use", "tool_call")
    },
    "calls, ends: length": _ends("length", "length", calls=True),
    "ends: tool_calls without any": _ends("tool_calls", "stop"),
    "no reason, and a call that is cut": Case(
        Said(calls=(("f", {"cut": '{"a":"1'}),), end="length"),
        chunks=[chunk(delta(tool_calls=[call('{"a":"1', "f", "x1", index=0)]))],
    ),
    "reason first, call later": Case(
        CALLED, chunks=[chunk(delta("stop")), chunk(delta(tool_calls=[call(ONE, "f", "x1", index=0)]))]
    ),
    "an error in the choice": Case(
        Said("par", end="error"),
        completion({**message("par", "error"), "error": {"code": 502, "message": "Provider disconnected"}}),
        [
            chunk(delta(content="par")),
            chunk({**delta("error", content=""), "error": {"code": 502, "message": "Provider disconnected"}}),
        ],
    ),
    "an error beside a text": Case(
        Said("part", end="error"),
        chunks=[chunk(delta(content="par")), chunk({**delta("error", content="t"), "error": {"code": 502}})],
    ),
    "no choices": Case(Said(end="error"), completion(), [chunk(usage={"prompt_tokens": 1})]),
    "FastAPI's errors": Case(Said(end="error"), {"detail": "bad things"}, [{"detail": "bad things"}]),
    "MiniMax's own errors": Case(
        Said(end="error"),
        {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        [{"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}],
    ),
}

_THINKING = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]
THOUGHT = Said("Hi you", "hm")
_CONTENTS = {
    "Magistral": Case(
        THOUGHT,
        completion(message([*_THINKING, {"type": "text", "text": "Hi you"}])),
        [
            chunk(delta(content=_THINKING)),
            chunk(delta(content=[{"type": "text", "text": "Hi"}])),
            chunk(delta("stop", content=" you")),
        ],
    ),
    "a text as a list": Case(
        Said("ab"), completion(message([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]))
    ),
    "texts without parts": Case(
        Said("ab"),
        completion(message(["a", "b"])),
        [chunk(delta(content=["a"])), chunk(delta(content=["b"])), chunk(delta("stop"))],
    ),
    "a text as an object": Case(
        Said("a"),
        completion(message({"type": "text", "text": "a"})),
        [chunk(delta("stop", content={"text": "a"}))],
    ),
    "references": Case(
        Said("It is.[0, 2]"),
        completion(
            message([{"type": "text", "text": "It is."}, {"type": "reference", "reference_ids": [0, 2]}])
        ),
        [
            chunk(
                delta(
                    "stop",
                    content=[
                        {"type": "text", "text": "It is."},
                        {"type": "reference", "reference_ids": [0, 2]},
                    ],
                )
            )
        ],
    ),
    "a part of an unknown kind": Case(
        Said("a[a part of type 'hologram' cannot be shown here]"),
        completion(message([{"type": "text", "text": "a"}, {"type": "hologram"}])),
    ),
    "a picture": Case(
        Said("a\n[image/png: cannot be shown here]\n"),
        completion(
            message("a", images=[{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}])
        ),
        [
            chunk(delta(content="a")),
            chunk(delta("stop", images=[{"image_url": {"url": "data:image/png;base64,AA=="}}])),
        ],
    ),
    **{
        f"thoughts as {name}": Case(
            THOUGHT,
            completion(message("Hi you", **{name: value})),
            [chunk(delta(**{name: value})), chunk(delta(content="Hi")), chunk(delta("stop", content=" you"))],
        )
        for name, value in {
            "reasoning_content": "hm",
            "reasoning": "hm",
            "reasoning_text": "hm",
            "thinking": [{"text": "hm"}],
            "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}],
        }.items()
    },
    "thoughts under two names": Case(
        THOUGHT,
        completion(message("Hi you", reasoning="hm", reasoning_content="hm")),
        [chunk(delta(reasoning="hm", reasoning_content="hm")), chunk(delta("stop", content="Hi you"))],
    ),
    "the whole message once more": Case(
        Said("Hi"),
        chunks=[chunk(delta(content="H")), chunk(delta(content="i")), chunk(message("Hi", "stop"))],
    ),
    "a delta in a whole answer": Case(
        Said("Hi"), completion({"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"})
    ),
    "a text of completions": Case(
        Said("Hi"), completion({"index": 0, "text": "Hi", "finish_reason": "stop"})
    ),
    "a refusal": Case(
        Said("No.", end="refused"),
        completion(message(None, refusal="No.")),
        [chunk(delta("stop", refusal="No."))],
    ),
    "nulls": Case(
        Said("Hi"),
        completion(
            message(
                "Hi",
                tool_calls=None,
                refusal=None,
                reasoning=None,
                audio=None,
                annotations=[],
                function_call=None,
            )
        ),
        [
            chunk(delta(content="Hi", tool_calls=[], role=None, refusal=None)),
            chunk({"index": 0, "delta": None, "finish_reason": "stop"}),
        ],
    ),
}
_USAGES: dict[str, tuple[Json, tuple[int, int, int]]] = {
    "floats": ({"prompt_tokens": 3.0, "completion_tokens": 2.0, "total_tokens": 5.0}, (3, 2, 0)),
    "texts": ({"prompt_tokens": "3", "completion_tokens": "2"}, (3, 2, 0)),
    "nulls": ({"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": None}, (3, 2, 0)),
    "null details": (
        {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": None}},
        (3, 2, 0),
    ),
    "other names": ({"input_tokens": 3, "output_tokens": 2}, (3, 2, 0)),
    "cached": (
        {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1.0}},
        (3, 2, 1),
    ),
    "DeepSeek": ({"prompt_tokens": 3, "completion_tokens": 2, "prompt_cache_hit_tokens": 1}, (3, 2, 1)),
    "Moonshot": ({"prompt_tokens": 3, "completion_tokens": 2, "cached_tokens": 1}, (3, 2, 1)),
    "zero beside": (
        {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "prompt_cache_hit_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
        (3, 2, 1),
    ),
    "unreadable": (
        {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "total_tokens": [],
            "prompt_tokens_details": 4,
            "cost": {},
        },
        (3, 2, 0),
    ),
}
CASES: dict[str, Case] = {**_CALLS, **_ENDS, **_CONTENTS}
USAGES = {
    name: (
        completion(message("Hi"), usage=usage),
        [chunk(delta("stop", content="Hi")), chunk(usage=usage)],
        expected,
    )
    for name, (usage, expected) in _USAGES.items()
}

# -- what each face has written


def _arguments(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return {"cut": text}


def _input(value: Any) -> Any:
    """A face that has objects tells arguments that are none in its own way."""
    return {"cut": value["arguments"]} if isinstance(value, dict) and set(value) == {"arguments"} else value


def events_of(body: bytes) -> list[Json]:
    """The JSON of each server-sent event."""
    blocks = [block.split("data: ", 1)[-1] for block in body.decode().split("\n\n") if "data: " in block]
    return [json.loads(block) for block in blocks if block != "[DONE]"]


_STOPS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def read_messages(body: bytes, streaming: bool) -> Said:
    if not streaming:
        value = json.loads(body)
        if value.get("type") == "error":
            return Said(end="error")
        return _message(value["content"], value["stop_reason"])
    blocks: list[Json] = []
    end = "cut"
    for event in events_of(body):
        if event["type"] == "content_block_start":
            assert event["index"] == len(blocks)
            blocks.append({**event["content_block"], "json": ""})
        elif event["type"] == "content_block_delta":
            block, change = blocks[event["index"]], event["delta"]
            name = {
                "text_delta": "text",
                "thinking_delta": "thinking",
                "input_json_delta": "json",
                "signature_delta": "signature",
            }[change["type"]]
            block[name] = (block.get(name) or "") + next(v for k, v in change.items() if k != "type")
        elif event["type"] == "message_delta":
            end = event["delta"]["stop_reason"]
        elif event["type"] == "error":
            end = "error"
    return _message([{**block, "input": _arguments(block["json"])} for block in blocks], end)


def _message(blocks: list[Json], end: str) -> Said:
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    thought = "".join(block["thinking"] for block in blocks if block["type"] == "thinking")
    calls = [block for block in blocks if block["type"] == "tool_use"]
    assert all(block["name"] for block in calls)
    assert len({block["id"] for block in calls}) == len(calls)
    told = tuple((block["name"], _input(block["input"])) for block in calls)
    # A refusal in words has a reason of its own here.
    return Said(text, thought, told, "stop" if end == "refusal" and text == "No." else _STOPS.get(end, end))


def read_responses(body: bytes, streaming: bool) -> Said:
    if streaming:
        events = events_of(body)
        last = next((e for e in reversed(events) if e["type"].startswith("response.")), None)
        if (
            last is None
            or "response" not in last
            or last["type"] not in ("response.completed", "response.incomplete")
        ):
            text = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
            return Said(text, end="error")
        value = last["response"]
        done = [e["item"] for e in events if e["type"] == "response.output_item.done"]
        assert done == value["output"]
    else:
        value = json.loads(body)
        if "output" not in value:
            return Said(end="error")
    text, thought, calls = "", "", []
    for item in value["output"]:
        if item["type"] == "message":
            text += "".join(part.get("text", part.get("refusal")) for part in item["content"])
        elif item["type"] == "reasoning":
            thought += "".join(part["text"] for part in [*item["content"], *item["summary"]])
        elif item["type"] == "function_call":
            calls.append((item["name"], _arguments(item["arguments"])))
    ids = [item["call_id"] for item in value["output"] if item["type"] == "function_call"]
    assert len(set(ids)) == len(ids)
    why = (value["incomplete_details"] or {}).get("reason")
    end = {"max_output_tokens": "length", "content_filter": "content_filter"}.get(
        why or "", "tool_calls" if calls else "stop"
    )
    return Said(text, thought, tuple(calls), end)


def read_ollama(body: bytes, streaming: bool) -> Said:
    lines = [json.loads(line) for line in body.splitlines()]
    text, thought, calls, end = "", "", [], "cut"
    for line in lines:
        if "error" in line:
            end = "error"
            continue
        said = line["message"]
        text += said["content"]
        thought += said.get("thinking", "")
        calls += [
            (call["function"]["name"], _input(call["function"]["arguments"]))
            for call in said.get("tool_calls", [])
        ]
        if line["done"]:
            end = line["done_reason"]
    return Said(text, thought, tuple(calls), "tool_calls" if calls and end == "stop" else end)


def read_completions(body: bytes, streaming: bool) -> Said:
    if not streaming and "error" in json.loads(body):
        return Said(end="error")
    values = events_of(body) if streaming else [json.loads(body)]
    choices = [choice for value in values for choice in value.get("choices", [])]
    ends = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    end = "error" if any("error" in value for value in values) else ends[-1]
    return Said("".join(choice["text"] for choice in choices), end=end)


_GEMINI = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}


def read_gemini(body: bytes, streaming: bool) -> Said:
    text, thought, calls, end = "", "", [], "cut"
    for value in events_of(body) if streaming else [json.loads(body)]:
        if "error" in value:
            end = "error"
            continue
        for candidate in value["candidates"]:
            for part in candidate["content"]["parts"]:
                if "functionCall" in part:
                    calls.append((part["functionCall"]["name"], _input(part["functionCall"]["args"])))
                elif part.get("thought"):
                    thought += part["text"]
                else:
                    text += part.get("text", "")
            if reason := candidate.get("finishReason"):
                end = _GEMINI.get(reason, reason)
    return Said(text, thought, tuple(calls), "tool_calls" if calls and end == "stop" else end)


READERS: dict[str, Callable[[bytes, bool], Said]] = {
    "messages": read_messages,
    "responses": read_responses,
    "ollama": read_ollama,
    "completions": read_completions,
    "gemini": read_gemini,
}


def expected(face: str, said: Said, streaming: bool) -> Said:
    """What a client of ``face`` should understand of ``said``."""
    end, text, thought, calls = said.end, said.text, said.thought, said.calls
    if end == "refused":  # an answer like any other, but where there is a reason for it
        end = "stop"
    if end == "error" and not streaming:
        return Said(end="error")
    if face in ("gemini", "responses"):  # which have pictures
        text = text.split("\n[image")[0]
    if face in ("gemini", "ollama") or (face == "messages" and not streaming):
        # Arguments are objects there: of those that are cut what of them is whole, which is nothing in these.
        calls = tuple((name, {} if set(given) == {"cut"} else given) for name, given in calls)
    if face == "completions":
        return Said(text, end="stop" if end == "tool_calls" else end)
    return Said(text, thought, calls, end)
