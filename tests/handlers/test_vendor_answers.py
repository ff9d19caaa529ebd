"""Answers as vendors write them, through the whole gateway: every face, whole and streamed, and the chat's own bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import CHAT, chunk, gateway
from tests.support.client import Answer, request
from tests.support.gateway import RunningGateway
from tests.support.peer import Exchange, Peer, Script
from tests.support.scripts import answer_json, sse, stream
from tests.support.vendor_answers import CASES, READERS, call, completion, delta, events_of, expected, message

STREAMING = pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
ASK: dict[str, tuple[str, dict[str, Any]]] = {
    "messages": (
        "/v1/messages",
        {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "q"}]},
    ),
    "responses": ("/v1/responses", {"model": "m", "input": "q"}),
    "ollama": ("/ollama/api/chat", {"model": "m", "messages": [{"role": "user", "content": "q"}]}),
    "completions": ("/v1/completions", {"model": "m", "prompt": "q"}),
    "gemini": (
        "/v1beta/models/m",
        {
            "contents": [{"role": "user", "parts": [{"text": "q"}]}],
            "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
        },
    ),
    "chat": ("/v1/chat/completions", CHAT),
}


#: Of the many words for an end one of each meaning; the rest is for the quicker tests.
KINDS = {
    name: case
    for name, case in CASES.items()
    if "ends: " not in name
    or name.endswith((" eos", " None", " model_length", " sensitive", " network_error"))
}


class Changing:
    """A peer's script that is changed between two requests."""

    def __init__(self) -> None:
        self.script: Script = answer_json({})

    async def __call__(self, exchange: Exchange) -> None:
        await self.script(exchange)


async def ask(proxy: RunningGateway, face: str, streaming: bool, **more: Any) -> Answer:
    path, body = ASK[face]
    if face == "gemini":
        path += ":streamGenerateContent?alt=sse" if streaming else ":generateContent"
        return await request(proxy.origin, "POST", path, {**body, **more})
    return await request(proxy.origin, "POST", path, {**body, "stream": streaming, **more})


@STREAMING
@pytest.mark.parametrize("face", READERS)
async def test_every_variant(face: str, streaming: bool, tmp_path: Path) -> None:
    """Every variant that a vendor has been seen to write means to a client what the vendor meant; a failure is a refusal, or
    what came, an error and a cut."""
    told = Changing()
    wrong = {}
    async with Peer(told) as peer, gateway(tmp_path, peer.url) as proxy:
        for name, case in KINDS.items():
            if (case.chunks if streaming else case.whole) is None:
                continue
            told.script = stream(*sse(*case.chunks or [])) if streaming else answer_json(case.whole)
            got = await ask(proxy, face, streaming)
            known = expected(face, case.said, streaming)
            if got.status != 200:
                fine = (
                    got.status == 502 and case.said.end == "error" and (not streaming or not case.said.text)
                )
            else:
                fine = READERS[face](got.body, streaming) == known and got.complete is (known.end != "error")
            if not fine:
                wrong[name] = got

    assert not wrong


BROKEN = {"error": {"code": 502, "message": "Provider disconnected"}}


@pytest.mark.parametrize("face", ASK)
async def test_an_error_in_a_choice(face: str, tmp_path: Path) -> None:
    """It is what the same error beside the choices is, on every face, the chat's too: a refusal, or an error and a cut."""
    choice = {**message("par", "error"), **BROKEN}
    told = Changing()
    async with Peer(told) as peer, gateway(tmp_path, peer.url) as proxy:
        for code, status in ((502, 502), (429, 429), ("context_length_exceeded", 400)):
            inner = {"code": code, "message": "No."}
            told.script = answer_json(completion({**choice, "error": inner}))
            inside = await ask(proxy, face, False)
            told.script = answer_json({"error": inner})
            beside = await ask(proxy, face, False)
            assert (inside.status, inside.complete) == (beside.status, True) == (status, True)
            assert b"No." in inside.body
        told.script = stream(
            *sse(chunk({"content": "par"}), completion({**delta("error", content="t"), **BROKEN}))
        )
        broken = await ask(proxy, face, True)

    assert (broken.status, broken.complete) == (200, False)
    assert b"Provider disconnected" in broken.body
    assert b"par" in broken.body
    assert b"DONE" not in broken.body
    if face == "chat":
        assert broken.events()[1]["choices"][0]["delta"] == {"content": "t"}
    else:
        assert READERS[face](broken.body, True).text == "part"


async def test_a_chat_client_gets_the_bytes(tmp_path: Path) -> None:
    """In its own dialect a client reads what the vendor wrote, whatever that is, but for the model's name."""
    told = Changing()
    async with Peer(told) as peer, gateway(tmp_path, peer.url) as proxy:
        for case in CASES.values():
            if case.said.end == "error":
                continue
            if case.chunks is not None:
                pieces = sse(*(piece for piece in case.chunks if not piece.get("usage")))
                told.script = stream(*pieces)
                assert (await ask(proxy, "chat", True)).body == b"".join(pieces).replace(b'"up"', b'"m"')
            if case.whole is not None:
                told.script = answer_json(case.whole)
                assert (await ask(proxy, "chat", False)).json() == {**case.whole, "model": "m"}


# -- what an upstream wants back as it was

DETAILS = [
    {"type": "reasoning.text", "text": "h", "index": 0, "format": "anthropic-claude-v1"},
    {"type": "reasoning.text", "text": "m", "index": 0, "format": "anthropic-claude-v1"},
    {"type": "reasoning.text", "signature": "SIG", "index": 0, "format": "anthropic-claude-v1"},
    {"type": "reasoning.encrypted", "data": "ENC", "id": "x1", "index": 1, "format": "google-gemini-v1"},
]
JOINED = [{**DETAILS[0], "text": "hm", "signature": "SIG"}, DETAILS[3]]
CALL = call('{"a":"1"}', "f", "x1")


def reasoned(streaming: bool) -> Script:
    if not streaming:
        return answer_json(
            completion(
                message(None, "tool_calls", reasoning="hm", reasoning_details=JOINED, tool_calls=[CALL])
            )
        )
    thoughts = [chunk({"reasoning": d.get("text"), "reasoning_details": [d]}) for d in DETAILS[:3]]
    calls = [{**CALL, "index": 0}]
    return stream(
        *sse(
            *thoughts, chunk({"tool_calls": calls, "reasoning_details": DETAILS[3:]}), chunk({}, "tool_calls")
        )
    )


@STREAMING
async def test_reasoning_details_through_messages(streaming: bool, tmp_path: Path) -> None:
    """Signatures come out as one of thinking, before the call, and go back as ``reasoning_details`` with it."""
    told = Changing()
    async with Peer(told) as peer, gateway(tmp_path, peer.url) as proxy:
        told.script = reasoned(streaming)
        got = await ask(proxy, "messages", streaming)
        if streaming:
            blocks: list[Any] = []
            for event in (json.loads(b.split("data: ")[1]) for b in got.body.decode().split("\n\n") if b):
                if event["type"] == "content_block_start":
                    blocks.append(dict(event["content_block"]))
                elif event["type"] == "content_block_delta" and "signature" in event["delta"]:
                    blocks[-1]["signature"] = event["delta"]["signature"]
                elif event["type"] == "content_block_delta" and "thinking" in event["delta"]:
                    blocks[-1]["thinking"] += event["delta"]["thinking"]
        else:
            blocks = got.json()["content"]
        told.script = answer_json(completion(message("ok")))
        result = {"type": "tool_result", "tool_use_id": "x1", "content": "r"}
        turns = [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": blocks},
            {"role": "user", "content": [result]},
        ]
        await ask(proxy, "messages", False, messages=turns)
        sent = peer.requests[-1].json()["messages"]

    assert [block["type"] for block in blocks] == ["thinking", "tool_use"]
    assert blocks[0]["thinking"] == "hm"
    assert sent[1]["reasoning_details"] == JOINED


@STREAMING
async def test_reasoning_details_through_responses(streaming: bool, tmp_path: Path) -> None:
    """The same as ``encrypted_content`` of a reasoning item."""
    told = Changing()
    async with Peer(told) as peer, gateway(tmp_path, peer.url) as proxy:
        told.script = reasoned(streaming)
        got = await ask(proxy, "responses", streaming)
        if streaming:
            last = got.body.decode().strip().split("data: ")[-1]
            output = json.loads(last)["response"]["output"]
        else:
            output = got.json()["output"]
        told.script = answer_json(completion(message("ok")))
        turns = [
            {"role": "user", "content": "q"},
            *output,
            {"type": "function_call_output", "call_id": "x1", "output": "r"},
        ]
        await ask(proxy, "responses", False, input=turns)
        sent = peer.requests[-1].json()["messages"]

    assert [item["type"] for item in output] == ["reasoning", "function_call"]
    assert sent[1]["reasoning_details"] == JOINED
    assert sent[1]["tool_calls"][0]["id"] == "x1"


@STREAMING
async def test_reasoning_details_through_gemini(streaming: bool, tmp_path: Path) -> None:
    """The same as ``thoughtSignature`` of the call."""
    told = Changing()
    async with Peer(told) as peer, gateway(tmp_path, peer.url) as proxy:
        told.script = reasoned(streaming)
        got = await ask(proxy, "gemini", streaming)
        values = events_of(got.body) if streaming else [got.json()]
        parts = [part for value in values for part in value["candidates"][0]["content"]["parts"]]
        told.script = answer_json(completion(message("ok")))
        result = {"functionResponse": {"id": "x1", "name": "f", "response": {"r": 1}}}
        question = {"role": "user", "parts": [{"text": "q"}]}
        turns = [question, {"role": "model", "parts": parts}, {"role": "user", "parts": [result]}]
        await ask(proxy, "gemini", False, contents=turns)
        sent = peer.requests[-1].json()["messages"]

    assert sent[1]["reasoning_details"] == JOINED


@STREAMING
async def test_reasoning_details_that_say_nothing_more(streaming: bool, tmp_path: Path) -> None:
    """Details without a signature are thinking like any other."""
    detail = [{"type": "reasoning.summary", "summary": "hm", "index": 0}]
    told = Changing()
    async with Peer(told) as peer, gateway(tmp_path, peer.url) as proxy:
        told.script = (
            stream(*sse(chunk({"reasoning_details": detail}), chunk({"content": "Hi"}, "stop")))
            if streaming
            else answer_json(completion(message("Hi", reasoning_details=detail)))
        )
        for face in ("messages", "responses", "ollama"):
            got = await ask(proxy, face, streaming)
            assert READERS[face](got.body, streaming).thought == "hm"
