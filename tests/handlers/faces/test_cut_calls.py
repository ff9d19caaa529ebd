"""A tool call that the end of an answer cut off, in the dialects that have arguments as objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.faces.arguments import as_object
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.peer import Peer
from tests.support.scripts import answer_json, stream

ASK = [{"role": "user", "content": "x"}]
#: Path (whole and streamed) and body of each face.
FACES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "anthropic": ("/v1/messages", "/v1/messages", {"max_tokens": 9, "messages": ASK}),
    "ollama": ("/ollama/api/chat", "/ollama/api/chat", {"messages": ASK}),
    "gemini": (
        "/v1beta/models/m:generateContent",
        "/v1beta/models/m:streamGenerateContent?alt=sse",
        {"contents": [{"parts": [{"text": "x"}]}]},
    ),
}
CUT = '{"city": "Paris", "days": [1, 2'


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("face", FACES)
async def test_a_call_that_was_cut_off(face: str, streaming: bool, tmp_path: Path) -> None:
    """Has no key that no tool has: an agent that runs it would not know that one from a real one."""
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": CUT}}
    said = {"role": "assistant", "content": None, "tool_calls": [call]}
    key = "delta" if streaming else "message"
    answer = {"id": "x", "model": "up", "choices": [{"index": 0, key: said, "finish_reason": "length"}]}
    script = (
        stream(f"data: {json.dumps(answer)}\n\ndata: [DONE]\n\n".encode())
        if streaming
        else answer_json(answer)
    )
    async with Peer(script) as peer:
        rows = {"up": {"defaults": {"api_type": "openai", "api_host": peer.url}, "m": {}}}
        async with RunningGateway(tmp_path, rows) as proxy:
            whole, live, body = FACES[face]
            got = await request(
                proxy.origin,
                "POST",
                live if streaming else whole,
                {"model": "m", "stream": streaming, **body},
            )

    assert got.status == 200, got.body
    assert b'"arguments":{"arguments"' not in got.body
    assert b'"args":{"arguments"' not in got.body
    assert b"Paris" in got.body
    assert any(word in got.body for word in (b'"max_tokens"', b'"length"', b'"MAX_TOKENS"'))


@pytest.mark.parametrize(
    ("text", "cut", "wanted"),
    [
        ("", False, {}),
        ("", True, {}),
        ('{"a": 1}', False, {"a": 1}),
        ('{"a": 1}', True, {"a": 1}),
        (CUT, True, {"city": "Paris", "days": [1, 2]}),
        ('{"a": "un', True, {}),
        ("{", True, {}),
        ("words", True, {}),
        (CUT, False, {"arguments": CUT}),
        ("words", False, {"arguments": "words"}),
        ("[1]", False, {"arguments": [1]}),
        ("[" * 100_000, False, {"arguments": "[" * 100_000}),
    ],
)
def test_arguments_as_an_object(text: str, cut: bool, wanted: dict[str, Any]) -> None:
    """What is whole of those that were cut off; what a model wrote by itself under a name of ours."""
    assert as_object(text, cut=cut) == wanted
