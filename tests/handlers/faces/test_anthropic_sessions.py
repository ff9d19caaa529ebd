"""Sessions of Anthropic's clients over a scripted upstream of OpenAI's dialect, streamed and whole: what real servers answer,
and what real histories hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anthropic import AsyncAnthropic

from tests.handlers.kit import chunk, gateway
from tests.support.client import request
from tests.support.native_peer import native
from tests.support.peer import Exchange, Peer
from tests.support.scripts import answer_json, sse, stream
from tests.support.secrets import CLIENT_KEY

BOTH = pytest.mark.parametrize("streaming", [True, False])
ASK: Any = [{"role": "user", "content": "hi"}]
TOOL: Any = {"name": "f", "input_schema": {"type": "object"}}
COUNTS = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def says(message: Any, finish: str | None, **more: Any) -> Any:
    """A script that answers ``message`` as it is asked, whole or in one delta."""

    async def script(exchange: Exchange) -> None:
        if exchange.request.json().get("stream"):
            calls = [{"index": n, **call} for n, call in enumerate(message.get("tool_calls", ()))]
            delta = {**message, **({"tool_calls": calls} if calls else {})}
            parts = sse(
                {**chunk(delta), **more}, chunk({}, finish), {**chunk({}), "choices": [], "usage": COUNTS}
            )
            await stream(*parts)(exchange)
        else:
            choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
            whole = {
                "id": "c-1",
                "object": "chat.completion",
                "created": 1,
                "model": "up",
                "choices": [choice],
            }
            await answer_json({**whole, "usage": COUNTS, **more})(exchange)

    return script


def calling(name: str, arguments: str, call_id: Any = "c1", **more: Any) -> Any:
    function = {"name": name, "arguments": arguments}
    return {
        "content": None,
        "tool_calls": [{"id": call_id, "type": "function", "function": function}],
        **more,
    }


async def ask(folder: Path, script: Any, streaming: bool, **fields: Any) -> tuple[Any, Peer]:
    """The whole message as the vendor's client reads it, and the upstream that was asked."""
    given: Any = {"model": "m", "max_tokens": 50, "messages": ASK, **fields}
    async with (
        Peer(script) as peer,
        gateway(folder, peer.url) as proxy,
        AsyncAnthropic(base_url=proxy.origin, api_key=CLIENT_KEY, max_retries=0) as sdk,
    ):
        if not streaming:
            return await sdk.beta.messages.create(**given), peer
        async with sdk.beta.messages.stream(**given) as live:
            return await live.get_final_message(), peer


@BOTH
@pytest.mark.parametrize("finish", ["stop", "tool_calls", "function_call"])
async def test_calls_end_a_turn(finish: str, streaming: bool, tmp_path: Path) -> None:
    """Agents look at the reason of the end: with a call it is ``tool_use``, whatever the server says; and the id is one
    that Anthropic's own servers would take back."""
    message, _ = await ask(
        tmp_path, says(calling("f", "{}", "functions.f:0"), finish), streaming, tools=[TOOL]
    )

    (call,) = message.content
    assert (call.type, call.id, call.input) == ("tool_use", "functions_f_0", {})
    assert message.stop_reason == "tool_use"


async def test_a_call_that_was_cut(tmp_path: Path) -> None:
    """What of its arguments is whole is given, without a key that no tool has."""
    for arguments, given in (('{"a": 1, "b": "tex', {"a": 1}), ('{"a', {}), ("", {}), ("tex", {})):
        message, _ = await ask(tmp_path, says(calling("f", arguments), "length"), False, tools=[TOOL])
        assert (message.content[0].input, message.stop_reason) == (given, "max_tokens")
    message, _ = await ask(tmp_path, says(calling("f", "no JSON"), "tool_calls"), False, tools=[TOOL])
    assert message.content[0].input == {"arguments": "no JSON"}


@BOTH
async def test_ids_are_texts(streaming: bool, tmp_path: Path) -> None:
    """Some servers number their answers."""
    message, _ = await ask(tmp_path, says({"content": "x"}, "stop", id=123), streaming)

    assert message.id == "123"


@BOTH
async def test_a_refusal(streaming: bool, tmp_path: Path) -> None:
    """It is told as one, with its words."""
    message, _ = await ask(tmp_path, says({"content": None, "refusal": "No."}, "stop"), streaming)

    assert (message.content[0].text, message.stop_reason) == ("No.", "refusal")


@BOTH
async def test_sources(streaming: bool, tmp_path: Path) -> None:
    """What an upstream has searched for is cited, as Anthropic cites."""
    source = {"url": "https://s", "title": "S", "start_index": 0, "end_index": 2}
    annotations = [{"type": "url_citation", "url_citation": source}]
    message, _ = await ask(
        tmp_path, says({"content": "Rain.", "annotations": annotations}, "stop"), streaming
    )

    (block,) = message.content
    assert (block.text, [(found.type, found.url, found.title) for found in block.citations]) == (
        "Rain.",
        [("web_search_result_location", "https://s", "S")],
    )


@BOTH
async def test_what_openrouter_wants_back(streaming: bool, tmp_path: Path) -> None:
    """Its signatures come out in the signature of thinking and go back to where they were."""
    details = [
        {"type": "reasoning.text", "text": "hm", "index": 0, "signature": "SIG"},
        {"type": "reasoning.encrypted", "data": "SEALED", "id": "c1", "index": 1},
    ]
    script = says(calling("f", "{}", reasoning="hm", reasoning_details=details), "tool_calls")
    message, _ = await ask(tmp_path, script, streaming, tools=[TOOL])
    said = [block.model_dump(exclude_none=True) for block in message.content]
    results = [{"type": "tool_result", "tool_use_id": "c1", "content": "r"}]
    history = [*ASK, {"role": "assistant", "content": said}, {"role": "user", "content": results}]
    _, peer = await ask(tmp_path, says({"content": "x"}, "stop"), False, messages=history, tools=[TOOL])

    assert [block["type"] for block in said] == ["thinking", "tool_use"]
    assert said[0]["thinking"] == "hm"
    assert peer.requests[0].json()["messages"][1]["reasoning_details"] == details


@BOTH
async def test_a_toolset(streaming: bool, tmp_path: Path) -> None:
    """A member is called by its function and comes back as a member; the history calls it so again."""
    script = says(calling("computer_left_click", '{"coordinate":[1,2]}'), "tool_calls")
    toolset: Any = {"type": "computer_toolset_20260801", "configs": {"zoom": {"enabled": False}}}
    message, peer = await ask(tmp_path, script, streaming, tools=[toolset], betas=["computer-use-2026"])
    (call,) = message.content
    offered = [tool["function"]["name"] for tool in peer.requests[0].json()["tools"]]

    assert (call.name, call.toolset_name, call.input) == ("left_click", "computer", {"coordinate": [1, 2]})
    assert "computer_screenshot" in offered
    assert "computer_zoom" not in offered

    said = [{"role": "assistant", "content": [call.model_dump(exclude_none=True)]}]
    results = [{"type": "tool_result", "tool_use_id": call.id, "toolset_name": "computer", "content": "ok"}]
    history = [*ASK, *said, {"role": "user", "content": results}]
    _, peer = await ask(tmp_path, says({"content": "x"}, "stop"), False, messages=history, tools=[toolset])
    assert (
        peer.requests[0].json()["messages"][1]["tool_calls"][0]["function"]["name"] == "computer_left_click"
    )


async def test_the_prompt_is_estimated_until_it_is_counted(tmp_path: Path) -> None:
    """Programs show how full their context is from the first event; the upstream's own count follows with the last."""
    body = {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "x" * 4000}],
        "stream": True,
    }
    async with Peer(says({"content": "x"}, "stop")) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await request(proxy.origin, "POST", "/v1/messages", body)
        counted = await request(proxy.origin, "POST", "/v1/messages/count_tokens", body)

    events = [json.loads(line[6:]) for line in got.body.decode().split("\n") if line.startswith("data: ")]
    assert events[0]["message"]["usage"]["input_tokens"] == counted.json()["input_tokens"] >= 1000
    assert next(e for e in events if e["type"] == "message_delta")["usage"]["input_tokens"] == 3


MID: Any = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
    {"role": "system", "content": "Mid."},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "r"}]},
    {"role": "system", "content": "For one turn.", "clear_at": "next_user_message"},
    {"role": "user", "content": "b"},
    {"role": "system", "content": [{"type": "text", "text": "Late."}], "clear_at": "next_user_message"},
    {"role": "system", "output_config": {"effort": "low"}},
]


async def test_system_messages_in_mid_conversation(tmp_path: Path) -> None:
    """Claude Code's first request has one. Each reaches the model once, but for those whose turn is over; a result follows
    its call at once; and they are counted."""
    async with Peer(says({"content": "x"}, "stop")) as peer, gateway(tmp_path, peer.url) as proxy:
        body = {"model": "m", "max_tokens": 9, "messages": MID, "tools": [TOOL]}
        got = await request(proxy.origin, "POST", "/v1/messages", body)
        counted = await request(proxy.origin, "POST", "/v1/messages/count_tokens", body)
        sent = peer.requests[0].json()["messages"]

    assert (got.status, counted.status) == (200, 200)
    assert [message["role"] for message in sent].count("tool") == 1
    assert [m["role"] for m in sent[: sent.index(next(m for m in sent if m["role"] == "tool"))]][
        -1
    ] == "assistant"
    assert [str(sent).count(text) for text in ("Mid.", "For one turn.", "Late.")] == [1, 0, 1]


FOREIGN: Any = [
    {"role": "user", "content": "a"},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "t", "signature": "gAAAAABo"},
            {
                "type": "text",
                "text": "x",
                "citations": [{"type": "web_search_result_location", "encrypted_index": ""}],
            },
            {"type": "tool_use", "id": "functions.f:0", "name": "f", "input": {}},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "functions.f:0", "content": "r"}]},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": ""}]},
    {"role": "user", "content": "b"},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "functions.f:0", "name": "f", "input": {}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "functions.f:0", "content": "r2"}]},
]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_a_history_of_another_vendor(path: str, tmp_path: Path) -> None:
    """Anthropic's servers refuse foreign ids, two of one kind, thinking that they have not signed, and a budget for
    thinking before such a call: all of it goes, calls and results keep to each other, and what is lost is named."""
    body = {
        "model": "m",
        "max_tokens": 2000,
        "messages": FOREIGN,
        "tools": [TOOL],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    own = {"id": "x", "type": "message", "content": [], "input_tokens": 1}
    async with native(tmp_path, "anthropic", answer_json(own)) as (proxy, peer):
        got = await request(proxy.origin, "POST", path, body)
        sent = peer.requests[0].json()

    ids = [
        b["id"]
        for m in sent["messages"]
        for b in m["content"]
        if isinstance(b, dict) and b["type"] == "tool_use"
    ]
    results = [b["tool_use_id"] for m in sent["messages"] for b in m["content"] if "tool_use_id" in str(b)]
    assert ids == results == ["functions_f_0", "functions_f_0_2"]
    assert len(sent["messages"]) == len(FOREIGN) - 1
    assert sent["messages"][1]["content"][0] == {"type": "text", "text": "x"}
    assert "thinking" not in json.dumps(sent)
    assert got.headers["x-dropped-params"] == (
        "messages.1.thinking, messages.3.thinking, thinking (not before a call of another vendor's model)"
    )


async def test_the_model_that_was_asked_for(tmp_path: Path) -> None:
    """Claude Code throws away the thinking of an answer by a model of another name than it asked for."""
    script = answer_json(
        {"type": "message", "model": "claude-x-2026", "content": [], "note": {"model": "kept"}}
    )
    async with native(tmp_path, "anthropic", script) as (proxy, _):
        got = await request(
            proxy.origin, "POST", "/v1/messages", {"model": "m", "max_tokens": 9, "messages": ASK}
        )

    assert got.json() == {"type": "message", "model": "m", "content": [], "note": {"model": "kept"}}


async def test_choices_of_tools_that_are_not_there(tmp_path: Path) -> None:
    """A search of Anthropic's side is named, and so is the choice of it; other tools stay free."""
    search = {"type": "web_search_20250305", "name": "web_search"}
    body = {"model": "m", "max_tokens": 9, "messages": ASK, "tools": [TOOL, search]}
    async with Peer(says({"content": "x"}, "stop")) as peer, gateway(tmp_path, peer.url) as proxy:
        choice = {"type": "tool", "name": "web_search", "disable_parallel_tool_use": True}
        got = await request(proxy.origin, "POST", "/v1/messages", {**body, "tool_choice": choice})
        sent = peer.requests[0].json()

    assert got.headers["x-dropped-params"] == "tools.1 (web_search), tool_choice"
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["f"]
    assert ("tool_choice" in sent, sent["parallel_tool_calls"]) == (False, False)


async def test_a_document_by_address(tmp_path: Path) -> None:
    """OpenAI's dialect takes a file's data only: the client is told."""
    source = {"type": "url", "url": "https://x/y.pdf"}
    turn = {"role": "user", "content": [{"type": "document", "source": source}]}
    async with Peer(says({"content": "x"}, "stop")) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await request(
            proxy.origin, "POST", "/v1/messages", {"model": "m", "max_tokens": 9, "messages": [turn]}
        )

    assert got.status == 400
    assert "messages.0.content" in got.json()["error"]["message"]
    assert "by address" in got.json()["error"]["message"]
