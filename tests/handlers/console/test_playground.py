"""What the playground asks: one conversation in the form of each API, which the gateway itself then reads."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.console.kit import PAGE, gateway, post
from tests.handlers.kit import COMPLETION
from tests.support.client import request
from tests.support.logs import expect_log
from tests.support.peer import Peer
from tests.support.scripts import answer_json

FACES = ("openai", "responses", "anthropic", "ollama", "gemini", "api")
PICTURE = "aGVsbG8="
TOOL = {"name": "weather", "description": "d", "parameters": {"type": "object", "properties": {}}}
URL = "http://gpu-box:8080/llm"
TALK: list[dict[str, Any]] = [
    {"role": "user", "text": "Look!", "images": [{"type": "image/png", "data": PICTURE}]},
    {
        "role": "assistant",
        "text": "I ask.",
        "calls": [{"id": "call_1", "name": "weather", "args": '{"city": "Paris"}'}],
    },
    {"role": "tool", "call": "call_1", "name": "weather", "text": '{"sky": "clear"}'},
    {"role": "user", "text": "It's $HOME."},
]
TYPED: dict[str, Any] = {
    "system": " Be brief. ",
    "temperature": "0.5",
    "top_p": "",
    "max_tokens": "64",
    "seed": None,
    "stop": "END\n",
    "tools": json.dumps([{"type": "function", "function": TOOL}]),
    "extra": '{"user": "me"}',
    "prompt": {"id": "tone", "language": "en", "values": {"tone": "kind"}},
}


async def composed(origin: str, face: str, **more: Any) -> Any:
    """As the page asks for it."""
    body = {"url": URL, "face": face, "model": "m", "turns": TALK, "stream": False, **more}
    got = await post(origin, "/console/api/compose", body)
    assert got.status == 200, got
    return got.json()


@pytest.mark.parametrize("face", FACES)
async def test_each_api_reads_it_as_the_same_conversation(face: str, tmp_path: Path) -> None:
    """A picture, a tool, its call and its result, a prompt of the library and every option reach the upstream, whatever way they
    take."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        more = TYPED | ({"extra": ""} if face in ("anthropic", "gemini") else {})
        found = await composed(proxy.origin, face, **more)
        got = await request(
            proxy.origin,
            "POST",
            f"/{found['path']}",
            found["body"],
            headers={**PAGE, "X-Request-Id": found["id"]},
        )
        sent = peer.requests[-1].json()

    assert got.status == 200, (face, got)
    system, first, call, result, last = sent["messages"]
    assert system["content"] == "Write in a kind tone.\n\nBe brief."
    assert PICTURE in json.dumps(first["content"])
    assert "Look!" in json.dumps(first["content"])
    assert json.loads(call["tool_calls"][0]["function"]["arguments"]) == {"city": "Paris"}
    assert result["content"] == '{"sky": "clear"}'
    assert "It's $HOME." in json.dumps(last["content"])
    assert sent["temperature"] == 0.5
    assert 64 in (sent.get("max_tokens"), sent.get("max_completion_tokens"))
    assert face == "responses" or sent["stop"] in ("END", ["END"])
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["weather"]
    assert "top_p" not in sent


async def test_what_is_to_be_pasted(tmp_path: Path) -> None:
    """A shell reads curl's line as it was meant; the program is Python, and asks where the page stands."""
    async with gateway(tmp_path, "http://127.0.0.1:1") as proxy:
        for face in FACES:
            for stream in (True, False):
                found = await composed(proxy.origin, face, stream=stream)
                words = shlex.split(found["curl"])
                compile(found["python"], face, "exec")

                assert words[:3] == ["curl", "-N", f"{URL}/{found['path']}"]
                assert json.loads(words[-1]) == found["body"]
                assert URL in found["python"]
                assert ("stream" in found["path"] or found["body"].get("stream", False)) == stream
                assert "YOUR-KEY" not in found["curl"] + found["python"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"tools": "[1]"}, "Tools: must be a list of objects"),
        ({"tools": "{"}, "Tools: "),
        ({"extra": "[]"}, "More fields: "),
        ({"extra": '{"a": "\\ud800"}'}, "More fields: "),
        ({"temperature": "warm"}, "temperature"),
        ({"face": "telnet"}, "face"),
        ({"turns": [{"role": "judge"}]}, "role"),
        ({"prompt": {"id": "none"}}, "none"),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_what_cannot_be_asked(more: dict[str, Any], told: str, tmp_path: Path) -> None:
    """Is refused in words; nothing of it is asked."""
    async with gateway(tmp_path, "http://127.0.0.1:1") as proxy:
        body = {"url": URL, "face": "openai", "model": "m", "turns": TALK, **more}
        got = await post(proxy.origin, "/console/api/compose", body)

    assert got.status in (400, 404)
    assert told in got.json()["error"]["message"]


async def test_what_is_wrong(tmp_path: Path) -> None:
    """All is well, until an edit is rejected."""
    async with gateway(tmp_path, "http://127.0.0.1:1") as proxy:
        well = await request(proxy.origin, "GET", "/console/api/health", headers=PAGE)
        proxy.write_config("{")
        with expect_log("llm_proxy.live.state.registry", "configuration rejected"):
            await proxy.service.registry.reload("signal")
        wrong = await request(proxy.origin, "GET", "/console/api/health", headers=PAGE)

    assert well.json() == {"wrong": []}
    assert [one["kind"] for one in wrong.json()["wrong"]] == ["bad"]
    assert wrong.json()["wrong"][0]["words"][1]["href"] == "#/configuration"
