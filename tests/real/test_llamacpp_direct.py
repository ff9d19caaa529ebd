"""The real llama.cpp server with the tiny model, asked directly: what the suite through the gateway takes as given."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import SLOW, Start, _missing
from tests.support.client import Connection, request
from tests.support.llamacpp import REQUIRED, CannotRun, LlamaCpp, server
from tests.support.secrets import UPSTREAM_KEY
from tests.support.tiny_model import LOOP, THOUGHTS, UTF8_TEXT, WORDS

pytestmark = pytest.mark.one_python("the server is another program, and is asked without the gateway")

TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
ALL_WORDS = " ".join(f"w{i:04d}" for i in range(WORDS))


def ask(text: str = "hi", **more: Any) -> dict[str, Any]:
    return {"model": "tiny", "messages": [{"role": "user", "content": text}], **more}


async def whole(running: LlamaCpp, body: dict[str, Any]) -> Any:
    """The first choice of an answer that is not streamed."""
    answer = await request(running.base, "POST", "/chat/completions", body)
    assert answer.status == 200, answer.body
    return answer.json()["choices"][0]


async def test_any_question(llamacpp: LlamaCpp) -> None:
    """The answer to anything is all words in their order, whole and streamed; a stream ends with [DONE]."""
    choice = await whole(llamacpp, ask())
    streamed = await request(llamacpp.base, "POST", "/chat/completions", ask(stream=True))

    assert (choice["message"]["content"], choice["finish_reason"]) == (ALL_WORDS, "stop")
    assert streamed.text() == ALL_WORDS
    assert streamed.events()[-1] == "[DONE]"
    assert len(streamed.events()) > WORDS


@pytest.mark.parametrize(
    ("text", "answer", "finish"),
    [
        ("loop", " ".join(f"l{i % LOOP:04d}" for i in range(100)), "length"),
        ("utf8", UTF8_TEXT, "stop"),
        ("empty", "", "stop"),
    ],
)
async def test_special_questions(llamacpp: LlamaCpp, text: str, answer: str, finish: str) -> None:
    """The three special questions have their special answers."""
    choice = await whole(llamacpp, ask(text, max_tokens=100))

    assert (choice["message"]["content"], choice["finish_reason"]) == (answer, finish)


async def test_tools(llamacpp: LlamaCpp) -> None:
    """A request with tools is answered by a call, and the tool's answer by words."""
    choice = await whole(llamacpp, ask(tools=TOOLS))
    call = choice["message"]["tool_calls"][0]
    after = ask(tools=TOOLS, max_tokens=2)
    after["messages"] += [choice["message"], {"role": "tool", "tool_call_id": call["id"], "content": "sun"}]

    assert choice["finish_reason"] == "tool_calls"
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert (await whole(llamacpp, after))["message"]["content"].split() == ["w0000", "w0001"]


async def test_reasoning(llamacpp: LlamaCpp) -> None:
    """enable_thinking gives the reasoning words first, in a field of their own."""
    message = (await whole(llamacpp, ask(max_tokens=20, chat_template_kwargs={"enable_thinking": True})))[
        "message"
    ]

    assert message["reasoning_content"].split() == [f"r{i:04d}" for i in range(THOUGHTS)]
    assert message["content"].split() == ["w0000", "w0001", "w0002"]


async def test_key(llamacpp_locked: LlamaCpp) -> None:
    """A server with a key refuses those without it."""
    for key, status in ((UPSTREAM_KEY, 200), ("sk-planted-wrong", 401), ("", 401)):
        headers = {"Authorization": f"Bearer {key}"}
        answer = await request(
            llamacpp_locked.base, "POST", "/chat/completions", ask(max_tokens=1), headers=headers
        )
        assert answer.status == status


async def test_embeddings(llamacpp_embedding: LlamaCpp) -> None:
    """A server started for embeddings returns vectors of the model's width."""
    answer = await request(
        llamacpp_embedding.base, "POST", "/embeddings", {"model": "tiny", "input": ["a", "b"]}
    )

    assert [len(item["embedding"]) for item in answer.json()["data"]] == [64, 64]


async def test_the_slow_one_says_the_same(llamacpp_slow: LlamaCpp) -> None:
    """The slow model's layers do nothing but take time."""
    choice = await whole(llamacpp_slow, ask(max_tokens=40))

    assert choice["message"]["content"].split() == ALL_WORDS.split()[:40]


async def test_a_killed_server_cuts_its_stream(start_llamacpp: Start) -> None:
    """SIGKILL ends a stream without its last chunk."""
    with start_llamacpp(layers=SLOW) as running:
        async with Connection(running.base) as client:
            await client.send("POST", "/chat/completions", ask("loop", stream=True))
            answer = await client.head()
            await client.piece(answer)
            os.kill(running.pid, signal.SIGKILL)
            await client.rest(answer)

    assert answer.pieces
    assert not answer.complete


def test_a_missing_server_is_a_failure_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the server the tests are skipped with the reason; where it is required they fail."""
    monkeypatch.delenv(REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such thing"):
        _missing(CannotRun("no such thing"))
    monkeypatch.setenv(REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match="no such thing"):
        _missing(CannotRun("no such thing"))


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """What it printed instead of its address is the reason."""
    with pytest.raises(CannotRun, match="Failed to init server"), server(tmp_path / "nothing.gguf"):
        pass
