"""Chat requests made as Responses calls: what is asked, and what the answers mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.errors import InvalidRequest, UpstreamError
from llm_proxy.relay.assemble import collect
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.events import Chunk, Done, Failed
from llm_proxy.wire.reasoning_items import block_of, is_openai, item_of
from llm_proxy.wire.schema import ChatRequest
from providers.openai.provider import OpenAIProvider
from providers.openai.responses_adapter import ResponsesAdapter
from providers.openai.responses_stream import ResponsesDecoder

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
USER = {"role": "user", "content": "q"}


def at(model: str = "gpt-5.5", **fields: Any) -> Deployment:
    return Deployment("p", "m", "openai", "https://api.openai.com/v1", model, **fields)


def ask(**fields: Any) -> ChatRequest:
    return ChatRequest.of({"model": "m", "messages": [USER], "stream": False, **fields})


WITH_TOOLS: dict[str, Any] = {"tools": [TOOL]}
WITH_BOTH: dict[str, Any] = {"tools": [TOOL], "reasoning_effort": "medium"}
#: Model, fields of the request, fields of the row, whether it is made as a Responses call.
WANTED: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("gpt-5.5", WITH_BOTH, {}, True),
    ("gpt-5.6-mini-2026-10-01", WITH_TOOLS, {}, True),
    ("gpt-5.4", WITH_TOOLS, {}, True),
    ("gpt-6", WITH_TOOLS, {}, True),
    ("ft:gpt-5.4:team::x", WITH_TOOLS, {}, True),
    ("gpt-5.5", {**WITH_TOOLS, "reasoning_effort": "none"}, {}, False),
    ("gpt-5.5", WITH_TOOLS, {"options": {"reasoning_effort": "none"}}, False),
    ("gpt-5.5", {"reasoning_effort": "high"}, {}, False),
    ("gpt-5.5", {**WITH_BOTH, "n": 2}, {}, False),
    ("gpt-5", WITH_BOTH, {}, True),
    ("gpt-5", WITH_TOOLS, {}, False),
    ("gpt-5.1", WITH_TOOLS, {"options": {"reasoning_effort": "low"}}, True),
    ("gpt-5.3-chat-latest", WITH_BOTH, {}, False),
    ("gpt-4.1", WITH_TOOLS, {}, False),
    ("gpt-4o", WITH_TOOLS, {"api": "responses"}, True),
    ("o4-mini", WITH_BOTH, {}, False),
    ("o3-pro", {}, {}, True),
    ("gpt-5.2-pro", {}, {}, True),
    ("gpt-5.3-codex", {}, {}, True),
    ("gpt-5.3-codex", {}, {"api": "chat"}, False),
    ("gpt-5.5", WITH_BOTH, {"api": "chat"}, False),
    ("gpt-5.5", WITH_BOTH, {"vendor": "azure"}, True),
    ("gpt-5.5", WITH_BOTH, {"vendor": "openrouter"}, False),
    ("gpt-5.5", WITH_BOTH, {"vendor": "lenient"}, False),
]


@pytest.mark.parametrize(("model", "fields", "row", "right"), WANTED)
def test_when(model: str, fields: dict[str, Any], row: dict[str, Any], right: bool) -> None:
    """Where the model takes it no other way, and where the configuration says so."""
    provider = OpenAIProvider()

    assert isinstance(provider.adapter_for(ask(**fields), at(model, **row)), ResponsesAdapter) is right


def sent(deployment: Deployment | None = None, **fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body of the call, and what was dropped."""
    call = ResponsesAdapter(OpenAIProvider()).chat_call(ask(**fields), deployment or at())
    assert call.url == "https://api.openai.com/v1/responses"
    assert call.body is not None
    return json.loads(call.body), call.dropped


FIXED = {"model": "gpt-5.5", "stream": False, "store": False, "include": ["reasoning.encrypted_content"]}
SCHEMA = {"name": "n", "schema": {"type": "object"}, "strict": True}
CUSTOM = {"name": "p", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}}
FLAT = {"type": "function", "name": "f", "parameters": TOOL["function"]["parameters"], "strict": False}  # type: ignore[index]
#: Fields of chat, and of Responses.
FIELDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"max_completion_tokens": 99}, {"max_output_tokens": 99}),
    ({"max_tokens": 99}, {"max_output_tokens": 99}),
    ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
    (
        {"reasoning_effort": "low", "reasoning": {"summary": "auto"}},
        {"reasoning": {"effort": "low", "summary": "auto"}},
    ),
    ({"verbosity": "low"}, {"text": {"verbosity": "low"}}),
    ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
    (
        {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        {"text": {"format": {"type": "json_schema", **SCHEMA}}},
    ),
    ({"tools": [TOOL]}, {"tools": [FLAT]}),
    (
        {"tools": [{"type": "custom", "custom": CUSTOM}]},
        {
            "tools": [
                {
                    "type": "custom",
                    "name": "p",
                    "format": {"type": "grammar", "syntax": "lark", "definition": "x"},
                }
            ]
        },
    ),
    (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"tools": [FLAT], "tool_choice": {"type": "function", "name": "f"}},
    ),
    (
        {
            "tools": [TOOL],
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "f"}}],
                },
            },
        },
        {
            "tools": [FLAT],
            "tool_choice": {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}],
            },
        },
    ),
    (
        {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False},
        {"tools": [FLAT], "tool_choice": "required", "parallel_tool_calls": False},
    ),
    (
        {"web_search_options": {"search_context_size": "low"}},
        {"tools": [{"type": "web_search", "search_context_size": "low"}]},
    ),
    (
        {"store": True, "metadata": {"a": "b"}, "service_tier": "flex", "prompt_cache_key": "k", "user": "u"},
        {"store": True, "metadata": {"a": "b"}, "service_tier": "flex", "prompt_cache_key": "k", "user": "u"},
    ),
    ({"truncation": "auto"}, {"truncation": "auto"}),
    ({"n": 1, "stop": None, "stream_options": {"include_usage": True}, "logprobs": False}, {}),
]


@pytest.mark.parametrize(("given", "right"), FIELDS)
def test_fields(given: dict[str, Any], right: dict[str, Any]) -> None:
    """Each has its word, or its place, in the other API; nothing is dropped."""
    body, dropped = sent(**given)
    del body["input"]

    assert body == {**FIXED, **right}
    assert dropped == ()


def test_log_probabilities() -> None:
    """Of models that have them."""
    body, dropped = sent(at("gpt-4.1"), logprobs=True, top_logprobs=2, temperature=0.5)

    assert (body["include"], body["top_logprobs"]) == (["message.output_text.logprobs"], 2)
    assert (body["temperature"], dropped) == (0.5, ())


def test_what_is_dropped_is_named() -> None:
    """Whatever the other API has no word for."""
    body, dropped = sent(
        at("gpt-4.1"), stop=["x"], seed=1, n=2, presence_penalty=1, vendor_field=1, max_tokens=3
    )

    assert body["max_output_tokens"] == 16
    assert dropped == ("max_tokens (raised to 16)", "n", "presence_penalty", "seed", "stop", "vendor_field")


SEALED = {"type": "reasoning", "id": "rs_1", "encrypted_content": "c2Vh:bGVk"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
#: Messages, and the items that they become.
TURNS: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = [
    (
        [{"role": "system", "content": "s"}, {"role": "developer", "content": "d"}, USER],
        [{"role": "system", "content": "s"}, {"role": "developer", "content": "d"}, USER],
    ),
    (
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "t"},
                    {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
                    {
                        "type": "file",
                        "file": {"file_data": "data:application/pdf;base64,AA", "filename": "a.pdf"},
                    },
                ],
            }
        ],
        [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "t"},
                    {"type": "input_image", "image_url": "https://x.test/a.png", "detail": "low"},
                    {
                        "type": "input_file",
                        "file_data": "data:application/pdf;base64,AA",
                        "filename": "a.pdf",
                    },
                ],
            }
        ],
    ),
    (
        [
            USER,
            {
                "role": "assistant",
                "content": "a",
                "reasoning_content": "hm",
                "thinking_blocks": [{"index": 0, **(block_of(SEALED, "hm") or {})}],
                "tool_calls": [CALL],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "r"},
        ],
        [
            USER,
            {**SEALED, "summary": [{"type": "summary_text", "text": "hm"}]},
            {"role": "assistant", "content": "a"},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
            {"type": "function_call_output", "call_id": "c1", "output": "r"},
        ],
    ),
    (
        [
            USER,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c2", "type": "custom", "custom": {"name": "p", "input": "x"}}],
            },
            {
                "role": "tool",
                "tool_call_id": "c2",
                "content": [
                    {"type": "text", "text": "t"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
                ],
            },
        ],
        [
            USER,
            {"type": "custom_tool_call", "call_id": "c2", "name": "p", "input": "x"},
            {
                "type": "custom_tool_call_output",
                "call_id": "c2",
                "output": [
                    {"type": "input_text", "text": "t"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA"},
                ],
            },
        ],
    ),
    (
        [
            USER,
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}],
            },
            USER,
        ],
        [
            USER,
            {
                "role": "assistant",
                "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "no"}],
            },
            USER,
        ],
    ),
]


@pytest.mark.parametrize(("messages", "right"), TURNS)
def test_turns(messages: list[dict[str, Any]], right: list[dict[str, Any]]) -> None:
    """Items in the order in which things were said."""
    body, dropped = sent(messages=messages)

    assert body["input"] == right
    assert dropped == ()


def test_thoughts_of_others_are_named() -> None:
    """Anthropic's signatures, and texts that nobody has signed."""
    blocks = [{"type": "thinking", "thinking": "x", "signature": "EqQB"}]
    said = {"role": "assistant", "content": "a", "thinking_blocks": blocks, "reasoning_content": "x"}
    body, dropped = sent(messages=[USER, said, USER])

    assert body["input"][1] == {"role": "assistant", "content": "a"}
    assert dropped == ("messages.reasoning_content", "messages.thinking_blocks")


@pytest.mark.parametrize(
    "messages",
    [
        [USER, {"role": "function", "name": "f", "content": "x"}],
        [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "https://x.test/a"}}]}],
    ],
)
def test_what_cannot_be_asked(messages: list[dict[str, Any]]) -> None:
    """A 400 with its place."""
    with pytest.raises(InvalidRequest, match="messages"):
        sent(messages=messages)


USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 14,
}
COUNTS = {
    "prompt_tokens": 9,
    "completion_tokens": 5,
    "total_tokens": 14,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
NOTE = {"type": "url_citation", "url": "https://x.test", "title": "t", "start_index": 0, "end_index": 1}
OUTPUT: list[dict[str, Any]] = [
    {**SEALED, "summary": [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}]},
    {"type": "web_search_call", "id": "ws_1", "status": "completed"},
    {
        "type": "message",
        "id": "msg_1",
        "content": [{"type": "output_text", "text": "Hi", "annotations": [NOTE]}],
    },
    {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
    {"type": "custom_tool_call", "id": "ct_1", "call_id": "c2", "name": "p", "input": "raw"},
]
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "up",
    "output": OUTPUT,
    "usage": USAGE,
}
SAID = {
    "role": "assistant",
    "content": "Hi",
    "reasoning_content": "one\n\ntwo",
    "thinking_blocks": [
        {"index": 0, "type": "thinking", "thinking": "one\n\ntwo", "signature": "openai:rs_1:c2Vh:bGVk"}
    ],
    "annotations": [{"type": "url_citation", "url_citation": {k: v for k, v in NOTE.items() if k != "type"}}],
    "tool_calls": [CALL, {"id": "c2", "type": "custom", "custom": {"name": "p", "input": "raw"}}],
}


def read(value: Any) -> dict[str, Any]:
    return ResponsesAdapter(OpenAIProvider()).chat_response(json.dumps(value).encode(), ask()).data


def test_a_whole_answer() -> None:
    """Everything that it says, in its place, under the name that was asked for."""
    found = read(RESPONSE)

    assert (found["id"], found["model"], found["usage"]) == ("resp_1", "m", COUNTS)
    assert found["choices"] == [
        {"index": 0, "message": SAID, "logprobs": None, "finish_reason": "tool_calls"}
    ]


ENDS = [
    ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
    ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
    ({"status": "incomplete", "incomplete_details": {"reason": "newest"}}, "length"),
    ({"status": "incomplete", "incomplete_details": None}, "length"),
    ({"status": "completed", "output": OUTPUT[:3]}, "stop"),
]


@pytest.mark.parametrize(("fields", "reason"), ENDS)
def test_why_it_ended(fields: dict[str, Any], reason: str) -> None:
    """Whole and streamed; a bad end is never a good one."""
    response = {**RESPONSE, "output": OUTPUT[:3], **fields}
    events = decoded(event(f"response.{fields['status']}", response=response))

    assert read(response)["choices"][0]["finish_reason"] == reason
    assert finish(events) == reason


BAD: list[Any] = [[], {}, {"output": 7}, {"output": [7]}, {"output": [{"type": "message", "content": 7}]}]


@pytest.mark.parametrize("value", [*BAD, {**RESPONSE, "error": {"code": "server_error", "message": "no"}}])
def test_no_answer(value: Any) -> None:
    """An error, not an empty answer."""
    with pytest.raises(UpstreamError):
        read(value)


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def decoded(*parts: bytes) -> list[Any]:
    decoder = ResponsesDecoder("m")
    return [found for part in parts for found in decoder.feed(part)] + list(decoder.close())


def finish(events: list[Any]) -> str:
    assert isinstance(events[-1], Done)
    reasons = [c["finish_reason"] for e in events[:-1] for c in e.data["choices"] if c["finish_reason"]]
    return str(reasons[-1])


def _streamed(*, places: bool, ids: bool) -> list[bytes]:
    """The events of ``OUTPUT``; servers differ in what tells items apart."""

    def of(place: int, name: str) -> dict[str, Any]:
        return {**({"output_index": place} if places else {}), **({"item_id": name} if ids else {})}

    def item(place: int, **changes: Any) -> dict[str, Any]:
        return {"item": {**OUTPUT[place], **changes}, **({"output_index": place} if places else {})}

    return [
        event("response.created", response={**RESPONSE, "output": []}),
        event("response.output_item.added", **item(0, summary=[], encrypted_content="half")),
        event("response.reasoning_summary_part.added", summary_index=0, **of(0, "rs_1")),
        event("response.reasoning_summary_text.delta", summary_index=0, delta="o", **of(0, "rs_1")),
        event("response.reasoning_summary_text.delta", summary_index=0, delta="ne", **of(0, "rs_1")),
        event("response.reasoning_summary_text.delta", summary_index=1, delta="two", **of(0, "rs_1")),
        event("response.output_item.done", **item(0)),
        event("response.web_search_call.completed", **of(1, "ws_1")),
        event("response.output_item.added", **item(2, content=[])),
        event("response.output_text.delta", delta="H", **of(2, "msg_1")),
        event("response.output_text.delta", delta="i", **of(2, "msg_1")),
        event("response.output_text.annotation.added", annotation=NOTE, **of(2, "msg_1")),
        event("response.output_text.done", text="Hi", **of(2, "msg_1")),
        event("response.output_item.done", **item(2)),
        event("response.output_item.added", **item(3, arguments="")),
        event("response.function_call_arguments.delta", delta='{"a"', **of(3, "fc_1")),
        event("response.function_call_arguments.delta", delta=":1}", **of(3, "fc_1")),
        event("response.function_call_arguments.done", arguments='{"a":1}', **of(3, "fc_1")),
        event("response.output_item.done", **item(3)),
        event("response.output_item.added", **item(4, input="")),
        event("response.custom_tool_call_input.delta", delta="raw", **of(4, "ct_1")),
        event("response.output_item.done", **item(4)),
        event("response.completed", response=RESPONSE),
    ]


def _joined(events: list[Any]) -> dict[str, Any]:
    assert isinstance(events[-1], Done), events[-1]
    return collect([found.data for found in events if isinstance(found, Chunk)])


@pytest.mark.parametrize(("places", "ids"), [(True, True), (False, True), (True, False), (False, False)])
def test_a_stream_says_the_same(places: bool, ids: bool) -> None:
    """As the whole answer, piece by piece."""
    found = _joined(decoded(*_streamed(places=places, ids=ids)))
    message = found["choices"][0]["message"]
    block = message["thinking_blocks"][0]
    calls = [
        {name: value for name, value in call.items() if name != "index"} for call in message["tool_calls"]
    ]

    assert (found["id"], found["model"], found["usage"]) == ("resp_1", "m", COUNTS)
    assert (message["content"], message["reasoning_content"]) == ("Hi", "one\n\ntwo")
    assert message["annotations"] == SAID["annotations"]
    assert item_of(block) == OUTPUT[0] | {"summary": [{"type": "summary_text", "text": "one\n\ntwo"}]}
    assert calls[0] == CALL
    assert found["choices"][0]["finish_reason"] == "tool_calls"


def test_items_that_come_whole() -> None:
    """Without any delta, as some servers write them: said once."""
    parts = [event("response.output_item.done", item=item, output_index=at) for at, item in enumerate(OUTPUT)]
    found = _joined(decoded(*parts, event("response.completed", response=RESPONSE)))
    message = found["choices"][0]["message"]

    assert message["content"] == "Hi"
    assert [call["id"] for call in message["tool_calls"]] == ["c1", "c2"]
    assert message["tool_calls"][0]["function"] == CALL["function"]


FAILURES = [
    event("response.failed", response={"error": {"code": "rate_limit_exceeded", "message": "slow"}}),
    event("error", code="rate_limit_exceeded", message="slow"),
    event("error", error={"code": "rate_limit_exceeded", "message": "slow"}),
    b'data: {"error": {"code": "rate_limit_exceeded", "message": "slow"}}\n\n',
]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_stream_that_fails(failure: bytes) -> None:
    """By the code that it gives."""
    events = decoded(event("response.output_text.delta", delta="x"), failure)

    assert isinstance(events[-1], Failed)
    assert events[-1].error.code == "rate_limit"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"data: {oops\n\n",
        event("response.function_call_arguments.delta", delta="x"),
        event("response.output_text.delta", delta=7),
        event("response.completed", response=7),
        b"data: [DONE]\n\n",
    ],
)
def test_a_stream_that_is_none(data: bytes) -> None:
    """Fails, and is not complete."""
    events = decoded(event("response.created", response={}), data)

    assert isinstance(events[-1], Failed)


def test_blocks_of_thinking() -> None:
    """Out and back; what is not sealed, or of another origin, is no such block."""
    block = block_of(SEALED, "")
    assert block is not None

    assert item_of(block) == {**SEALED, "summary": []}
    assert item_of(block_of({**SEALED, "id": None}, "x") or {}) == {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "x"}],
        "encrypted_content": "c2Vh:bGVk",
    }
    assert block_of({"type": "reasoning", "id": "rs_1", "encrypted_content": None}, "x") is None
    assert item_of({"type": "thinking", "thinking": "x", "signature": "EqQB"}) is None
    assert not is_openai({"type": "redacted_thinking", "data": "x"})


def test_names_that_the_vendor_does_not_take() -> None:
    """Go there in its grammar, and come back as the client's own."""
    own = "mcp.files/read"
    asked = ask(tools=[{"type": "function", "function": {"name": own}}])
    adapter = ResponsesAdapter(OpenAIProvider())
    body = json.loads(adapter.chat_call(asked, at()).body or b"")
    there = body["tools"][0]["name"]
    call = {**OUTPUT[3], "name": there}
    whole = adapter.chat_response(json.dumps({**RESPONSE, "output": [call]}).encode(), asked).data
    decoder = adapter.stream_decoder(asked)
    parts = [
        event("response.output_item.added", item=call, output_index=0),
        event("response.completed", response={}),
    ]
    live = [found.data for part in parts for found in decoder.feed(part) if isinstance(found, Chunk)]

    assert there != own
    assert whole["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == own
    assert collect(live)["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == own
