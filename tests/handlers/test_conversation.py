"""The conversation endpoints: which messages reach the upstream, and which prompt was used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import COMPLETION, gateway
from tests.support.client import Answer
from tests.support.gateway import PROMPTS
from tests.support.peer import Peer
from tests.support.scripts import answer_json

PLAIN = "/conversation_with_model"
EXTENDED = "/extended_conversation_with_model"
BASE = {"model_name": "m", "user_last_statement": "hi", "stream": False}


async def ask(folder: Path, path: str, body: Any, fields: Any = None, **settings: Any) -> tuple[Answer, Any]:
    """The answer, and the JSON that reached the upstream (None if nothing did)."""
    async with (
        Peer(answer_json(COMPLETION)) as peer,
        gateway(folder, peer.url, fields=fields, **settings) as proxy,
    ):
        answer = await proxy.request("POST", path, body)
        return answer, peer.requests[0].json() if peer.requests else None


@pytest.mark.parametrize("path", [PLAIN, EXTENDED])
@pytest.mark.parametrize(
    ("language", "used"),
    [(None, "pl"), ("en", "en"), ("pl", "pl"), ("de", "pl"), ("EN", "en"), ("en-GB", "en")],
)
async def test_the_system_prompt_of_the_language(
    path: str, language: str | None, used: str, tmp_path: Path
) -> None:
    """The library's prompt in the request's language, else in the default one; the header says which."""
    got, sent = await ask(tmp_path, path, {**BASE, "language": language})

    assert sent["messages"] == [
        {"role": "system", "content": PROMPTS[f"{used}/conversation.prompt"]},
        {"role": "user", "content": "hi"},
    ]
    ref, _, shown = got.headers["x-prompt"].partition(", ")
    assert (ref.partition("@")[0], shown) == ("conversation", used)
    assert len(ref.partition("@")[2]) == 8


async def test_default_language_is_a_setting(tmp_path: Path) -> None:
    """LLM_PROXY_API_DEFAULT_EP_LANGUAGE decides when a request names none."""
    got, _ = await ask(tmp_path, PLAIN, BASE, default_ep_language="en")

    assert got.headers["x-prompt"].endswith(", en")


async def test_a_prompt_without_the_language_falls_back_to_english(tmp_path: Path) -> None:
    """Wanted language, default language, then en."""
    got, sent = await ask(tmp_path, PLAIN, {**BASE, "prompt": "only-english", "language": "pl"})

    assert got.headers["x-prompt"].endswith(", en")
    assert sent["messages"][0]["content"] == "English only."


async def test_history_in_both_forms(tmp_path: Path) -> None:
    """Long and short messages may be mixed; order is kept, unknown fields of the long form too."""
    history = [
        {"user": "one"},
        {"assistant": "two"},
        {"role": "user", "content": [{"type": "text", "text": "three"}]},
        {"role": "assistant", "content": "four", "reasoning_content": "hm"},
    ]
    _, sent = await ask(tmp_path, PLAIN, {**BASE, "historical_messages": history})

    assert sent["messages"][1:] == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        *history[2:],
        {"role": "user", "content": "hi"},
    ]


async def test_a_model_may_have_its_own_prompt(tmp_path: Path) -> None:
    """The configuration's ``prompt`` is used unless the request names another."""
    fields = {"prompt": "only-english"}
    got, _ = await ask(tmp_path, PLAIN, BASE, fields)
    assert got.headers["x-prompt"].startswith("only-english@")

    got, _ = await ask(tmp_path, PLAIN, {**BASE, "prompt": "conversation"}, fields)
    assert got.headers["x-prompt"].startswith("conversation@")


async def test_slots_are_filled_once(tmp_path: Path) -> None:
    """Values are plain text, whatever they look like."""
    body = {**BASE, "prompt": "tone", "language": "en", "prompt_vars": {"tone": "{{ tone }} {% raw %}"}}
    _, sent = await ask(tmp_path, PLAIN, body)

    assert sent["messages"][0]["content"] == "Write in a {{ tone }} {% raw %} tone."


async def test_streaming_is_the_default(tmp_path: Path) -> None:
    """Without ``stream`` the upstream is asked for a stream."""
    _, sent = await ask(tmp_path, PLAIN, {"model_name": "m", "user_last_statement": "hi"})

    assert sent["stream"] is True


async def test_model_is_accepted_for_model_name(tmp_path: Path) -> None:
    """OpenAI's name of the field works here too."""
    got, _ = await ask(tmp_path, PLAIN, {"model": "m", "user_last_statement": "hi", "stream": False})

    assert got.status == 200


async def test_sampling_parameters(tmp_path: Path) -> None:
    """Each of the extended form's parameters reaches a vLLM upstream under its own name, or is reported."""
    body = {
        **BASE,
        "temperature": 0.1,
        "max_new_tokens": 9,
        "top_k": 5,
        "top_p": 0.5,
        "typical_p": 0.7,
        "repetition_penalty": 1.2,
        "seed": 3,
        "stop": ["x"],
        "options": {"min_p": 0.05, "temperature": 0.9},
    }
    got, sent = await ask(tmp_path, EXTENDED, body, {"api_type": "vllm"})

    wanted = {
        "temperature": 0.1,
        "max_tokens": 9,
        "top_k": 5,
        "top_p": 0.5,
        "repetition_penalty": 1.2,
        "seed": 3,
    }
    assert {key: sent.get(key) for key in wanted} == wanted
    assert (sent["stop"], sent["min_p"]) == (["x"], 0.05)
    assert "typical_p" not in sent
    assert got.headers["x-dropped-params"] == "typical_p"
    assert not {"options", "max_new_tokens", "model_name", "user_last_statement"} & set(sent)


@pytest.mark.parametrize(
    ("prompt", "first"), [("My own.", {"role": "system", "content": "My own."}), ("", None)]
)
async def test_own_system_prompt(prompt: str, first: Any, tmp_path: Path) -> None:
    """It takes the place of the library's, without slots; empty means none at all."""
    got, sent = await ask(tmp_path, EXTENDED, {**BASE, "system_prompt": prompt})

    assert sent["messages"] == [*([first] if first else []), {"role": "user", "content": "hi"}]
    assert "x-prompt" not in got.headers


BAD = [
    ({"model_name": "m"}, 400, "user_last_statement"),
    ({"user_last_statement": "x"}, 400, "model_name"),
    ({**BASE, "historical_messages": [{"wizard": "x"}]}, 400, "historical_messages.0.role"),
    ({**BASE, "historical_messages": "x"}, 400, "historical_messages"),
    ({**BASE, "historical_messages": [{"user": 3}]}, 400, "historical_messages.0.content"),
    ({**BASE, "stream": "no"}, 400, "stream"),
    ({**BASE, "temperature": "hot"}, 400, "temperature"),
    ({**BASE, "stop": 3}, 400, "stop"),
    ({**BASE, "options": []}, 400, "options"),
    ({**BASE, "prompt": "tone"}, 400, "prompt_vars.tone"),
    ({**BASE, "prompt": "tone", "prompt_vars": {"tone": "x", "extra": "y"}}, 400, "prompt_vars.extra"),
    ({**BASE, "prompt": "tone", "prompt_vars": {"tone": []}}, 400, "prompt_vars"),
    ({**BASE, "system_prompt": "x", "prompt_vars": {"a": "b"}}, 400, "prompt_vars"),
    ({**BASE, "prompt": "tome"}, 404, "prompt"),
    ({**BASE, "prompt": "../../etc/passwd"}, 404, "prompt"),
    ({**BASE, "prompt": "conversation@00000000"}, 404, "prompt"),
    ({**BASE, "model_name": "mm"}, 404, "model"),
]


@pytest.mark.parametrize(("body", "status", "param"), BAD)
async def test_bad_input(body: Any, status: int, param: str, tmp_path: Path) -> None:
    """A clear error that names the field; nothing reaches the upstream."""
    got, sent = await ask(tmp_path, EXTENDED, body)

    assert sent is None
    assert (got.status, got.json()["error"]["param"]) == (status, param)
