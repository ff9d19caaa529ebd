"""The vendors' own types judge what we know: nothing in them is unknown here, and nothing of it is lost in silence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.apps.scripted.sample import PNG, WORD, sample
from tests.apps.scripted.server import ScriptedModel
from tests.clients.reviewed_types import ANSWERED, ASKED, REFUSED, SILENT
from tests.clients.vendor_types import KNOWN, SAID
from tests.support.client import Answer, request
from tests.support.gateway import RunningGateway

pytestmark = pytest.mark.one_python("the vendors' types are the same for every Python")

_USER = {"role": "user", "content": "hi"}
#: Blocks that stand in a user's turn; the others are the model's.
_USERS = "text image document search_result tool_result container_upload".split()


def _messages(**fields: Any) -> tuple[str, dict[str, Any]]:
    return "/v1/messages", {"max_tokens": 100, "messages": [_USER], **fields}


def _block(name: str, value: Any) -> tuple[str, dict[str, Any]]:
    if name in _USERS:
        return _messages(messages=[{"role": "user", "content": [value]}])
    if name in ("tool_addition", "tool_removal"):
        return _messages(messages=[_USER, {"role": "system", "content": [value]}])
    return _messages(messages=[_USER, {"role": "assistant", "content": [value]}, _USER])


_TOOLS = {"functionDeclarations": [{"name": WORD}], "computerUse": {"environment": "ENVIRONMENT_BROWSER"}}
#: Google's types require nothing: what a part of each kind needs to mean something.
_BLOB = {"inlineData": {"mimeType": "image/png", "data": PNG}}
_PARTS: dict[str, dict[str, Any]] = {
    **_BLOB,
    "text": WORD,  # type: ignore[dict-item]  # the one that is no object
    "fileData": {"mimeType": "image/png", "fileUri": f"https://example.org/{WORD}.png"},
    "functionCall": {"name": WORD, "args": {}},
    "functionResponse": {"name": WORD, "response": {"output": WORD}},
    "executableCode": {"language": "PYTHON", "code": WORD},
    "codeExecutionResult": {"outcome": "OUTCOME_OK", "output": WORD},
    "toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": [WORD]}},
    "toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "response": {"found": WORD}},
}
_MODELS = ("functionCall", "executableCode", "codeExecutionResult", "toolCall", "toolResponse", "thought")


def _part(name: str, value: Any) -> tuple[str, dict[str, Any]]:
    hint = {"text": WORD} if name in ("thought", "thoughtSignature") else _BLOB
    part = {name: _PARTS[name]} if name in _PARTS else {**hint, name: value}
    user = {"role": "user", "parts": [{"text": "hi"}]}
    turn = {"role": "model" if name in _MODELS else "user", "parts": [part]}
    return "/v1beta/models/m:generateContent", {"contents": [user, turn, user]}


def _before(role: str) -> list[dict[str, Any]]:
    """A result has its call before it."""
    function = {"name": "f", "arguments": "{}"}
    call = {"id": WORD, "type": "function", "function": function}
    return [{"role": "assistant", "content": None, "tool_calls": [call]}] if role == "tool" else []


_ASKS: dict[str, Any] = {
    "messages roles": lambda _, value: _messages(
        messages=[_USER, value] if value["role"] != "user" else [value]
    ),
    "messages blocks": _block,
    "messages tools": lambda _, value: _messages(tools=[value]),
    "responses items": lambda _, value: ("/v1/responses", {"input": [value, _USER]}),
    "responses tools": lambda _, value: ("/v1/responses", {"input": "hi", "tools": [value]}),
    "chat roles": lambda name, value: ("/v1/chat/completions", {"messages": [*_before(name), value, _USER]}),
    "chat parts": lambda _, value: (
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": [value]}]},
    ),
    "chat tools": lambda _, value: ("/v1/chat/completions", {"messages": [_USER], "tools": [value]}),
    "gemini parts": _part,
    "gemini tools": lambda name, value: (
        "/v1beta/models/m:generateContent",
        {
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
            "tools": [{name: _TOOLS.get(name, value)}],
        },
    ),
    "ollama options": lambda name, value: (
        "/ollama/api/chat",
        {"messages": [_USER], "stream": False, "options": {name: value}},
    ),
}


@asynccontextmanager
async def _gateway(folder: Path) -> AsyncIterator[tuple[RunningGateway, ScriptedModel]]:
    """In front of the strictest server of OpenAI's dialect: whatever it does not know it refuses."""
    async with ScriptedModel("strict") as model:
        defaults = {"api_type": "openai", "api_host": model.host, "vendor": "strict"}
        async with RunningGateway(folder, {"up": {"defaults": defaults, "m": {"model": "s"}}}) as gateway:
            yield gateway, model


@pytest.mark.parametrize("question", KNOWN)
def test_every_name_that_a_client_knows_was_looked_at(question: str) -> None:
    """A newer client that knows one more, or one less, fails here: see ``reviewed_types``."""
    assert sorted(KNOWN[question]) == ASKED[question].split()


@pytest.mark.parametrize("question", SAID)
def test_every_name_that_a_vendor_can_say_was_looked_at(question: str) -> None:
    """The same for events, items, blocks and reasons of answers."""
    assert SAID[question] == ANSWERED[question].split()


@pytest.mark.parametrize("question", _ASKS)
async def test_nothing_is_lost_in_silence(question: str, tmp_path: Path) -> None:
    """The smallest value of each type arrives at a foreign upstream that takes it, or is named, or refused by us."""
    found: dict[str, str] = {}
    async with _gateway(tmp_path) as (gateway, model):
        for name, kind in KNOWN[question].items():
            path, body = _ASKS[question](name, sample(kind, name))
            model.refusals.clear()
            model.asked.clear()
            answer = await request(gateway.origin, "POST", path, {"model": "m", **body})
            found[name] = _outcome(answer, model, question, name)

    wrong = "\n".join(f"{question}: {name}: {how}" for name, how in found.items() if how)
    assert not wrong, wrong


def _outcome(answer: Answer, model: ScriptedModel, question: str, name: str) -> str:
    """What is wrong; nothing, if it is as it should be."""
    key = f"{question}: {name}"
    if model.refusals:
        return f"the upstream refused: {model.refusals[0]}"
    if key in REFUSED:
        return "" if answer.status == 400 and not model.asked else f"{answer.status} instead of a refusal"
    if answer.status != 200:
        return f"{answer.status}: {answer.body[:200]!r}"
    sent = str(model.asked)
    carried = any(word in sent for word in (WORD, PNG, name, "click_at", "max_tokens"))
    named = bool(answer.headers.get("x-dropped-params"))
    if key in SILENT:
        return "it is no longer silent" if named else ""
    return "" if carried or named else "neither sent nor named"
