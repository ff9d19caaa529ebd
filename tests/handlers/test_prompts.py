"""GET /prompts, GET /prompts/<id>, POST /prompts/<id>/render, and pinned versions."""

from __future__ import annotations

from pathlib import Path

from tests.handlers.kit import COMPLETION, gateway
from tests.support.peer import Peer
from tests.support.scripts import answer_json

NOWHERE = "http://127.0.0.1:9"


async def test_list_and_detail(tmp_path: Path) -> None:
    """Ids with their languages, hashes and slots; ids may contain slashes."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        proxy.write_prompt("en/team/greeting.prompt", "Hello {{ name }}")
        await proxy.service.registry.reload("test")
        listed = (await proxy.request("GET", "/prompts")).json()["prompts"]
        detail = (await proxy.request("GET", "/prompts/team/greeting")).json()

    assert [entry["id"] for entry in listed] == ["conversation", "only-english", "team/greeting", "tone"]
    assert set(listed[0]["languages"]) == {"en", "pl"}
    assert detail["languages"]["en"]["slots"] == ["name"]
    assert detail["versions"]["en"] == [detail["languages"]["en"]["ref"]]


async def test_unknown_prompt(tmp_path: Path) -> None:
    """404 with near names."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        got = await proxy.request("GET", "/prompts/tome")

    assert (got.status, got.json()["error"]["code"]) == (404, "prompt_not_found")
    assert "tone" in got.json()["error"]["message"]


async def test_render_calls_no_model(tmp_path: Path) -> None:
    """The text with its slots filled, or the same 400 as a conversation would get."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        good = await proxy.request(
            "POST", "/prompts/tone/render", {"language": "en", "prompt_vars": {"tone": "dry"}}
        )
        bad = await proxy.request("POST", "/prompts/tone/render", {"language": "en"})

    assert good.json()["text"] == "Write in a dry tone."
    assert (bad.status, bad.json()["error"]["param"]) == (400, "prompt_vars.tone")


async def test_a_pinned_conversation_goes_on_through_an_edit(tmp_path: Path) -> None:
    """``id@hash`` keeps its text after the file has changed."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        old = (await proxy.request("GET", "/prompts/only-english")).json()["languages"]["en"]["ref"]
        proxy.write_prompt("en/only-english.prompt", "Edited.")
        await proxy.service.registry.reload("test")
        body = {"model_name": "m", "user_last_statement": "x", "stream": False}
        pinned = await proxy.request("POST", "/conversation_with_model", {**body, "prompt": old})
        await proxy.request("POST", "/conversation_with_model", {**body, "prompt": "only-english"})
        texts = [request.json()["messages"][0]["content"] for request in peer.requests]
        known = (await proxy.request("GET", "/prompts/only-english")).json()["versions"]["en"]

    assert texts == ["English only.", "Edited."]
    assert pinned.headers["x-prompt"] == f"{old}, en"
    assert len(known) == 2
    assert known[1] == old
