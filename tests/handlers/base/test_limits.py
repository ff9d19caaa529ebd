"""What upstreams say of their limits reaches clients of the same dialect: streamed, whole, and with errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from handlers.base.limits import limits_in
from tests.handlers.kit import COMPLETION, EVENTS, MESSAGES
from tests.support.anthropic_double import sse as anthropic_event
from tests.support.client import request
from tests.support.native_peer import native
from tests.support.scripts import answer_json, by_path, in_turn, sse, stream

OPENAI = (
    ("x-ratelimit-limit-requests", "60"),
    ("x-ratelimit-reset-tokens", "6m0s"),
    ("X-RateLimit-Remaining-Tokens", "149984"),
)
ANTHROPIC = (
    ("anthropic-ratelimit-requests-remaining", "49"),
    ("anthropic-ratelimit-unified-reset", "2026-11-26T17:00:00Z"),
)
OTHERS = (
    ("x-request-id", "req_up"),
    ("request-id", "req_up"),
    ("x-should-retry", "false"),
    ("retry-after-ms", "70"),
    ("set-cookie", "a=b"),
)
EXACT = ("x-should-retry", "retry-after-ms")
MESSAGE = {
    "id": "x",
    "type": "message",
    "role": "assistant",
    "content": [],
    "stop_reason": "end_turn",
    "model": "m",
    "usage": {},
}
LIVE = [
    anthropic_event({"type": "message_start", "message": MESSAGE}),
    anthropic_event({"type": "message_stop"}),
]
EMBEDDINGS = {"object": "list", "model": "up", "data": [], "usage": {}}
CHAT = {"model": "m", "messages": MESSAGES}
ASK = {**CHAT, "max_tokens": 9}
#: Path, request, answer (whole or pieces), and the api_type of the upstream.
SAME: list[tuple[str, dict[str, Any], Any, str]] = [
    ("/v1/chat/completions", CHAT, COMPLETION, "openai"),
    ("/v1/chat/completions", {**CHAT, "stream": True}, sse(*EVENTS), "openai"),
    ("/api/chat", CHAT, sse(*EVENTS), "openai"),
    ("/v1/responses", {"model": "m", "input": "q"}, {"output": []}, "vllm"),
    ("/v1/completions", {"model": "m", "prompt": "q"}, {"choices": [{"index": 0, "text": "a"}]}, "vllm"),
    ("/v1/embeddings", {"model": "m", "input": "q"}, EMBEDDINGS, "openai"),
    ("/v1/moderations", {"model": "m", "input": "q"}, {"results": []}, "openai"),
    ("/v1/messages", ASK, MESSAGE, "anthropic"),
    ("/v1/messages", {**ASK, "stream": True}, LIVE, "anthropic"),
]


def _script(answer: Any, status: int = 200) -> Any:
    headers = (*OPENAI, *ANTHROPIC, *OTHERS)
    if isinstance(answer, list) and status == 200:
        return stream(*answer, headers=headers)
    return answer_json(
        {"error": {"message": "no", "type": "x"}} if status != 200 else answer, status, headers
    )


@pytest.mark.parametrize(("path", "body", "answer", "kind"), SAME)
async def test_the_same_dialect(path: str, body: Any, answer: Any, kind: str, tmp_path: Path) -> None:
    """The vendor's own headers, none of another vendor's; the request's id is the gateway's."""
    statuses = (200, 400, 429, 500)
    scripts = in_turn(*(_script(answer, status) for status in statuses))
    async with native(tmp_path, kind, scripts) as (proxy, _):
        answers = [await request(proxy.origin, "POST", path, body) for _ in statuses]

    own, foreign = (ANTHROPIC, OPENAI) if kind == "anthropic" else (OPENAI, ANTHROPIC)
    assert [got.status for got in answers] == [200, 400, 429, 502]
    for got in answers:
        assert {name: got.headers.get(name.lower()) for name, _ in own} == dict(own)
        assert not any(name.lower() in got.headers for name, _ in foreign)
        assert [name in got.headers for name in EXACT] == [got.status != 200] * 2
        assert "req_up" not in (got.headers["x-request-id"], got.headers.get("request-id"))
        assert "set-cookie" not in got.headers


async def test_another_dialect(tmp_path: Path) -> None:
    """Nobody would read them."""
    scripts = {
        "/v1/messages": answer_json(MESSAGE, headers=ANTHROPIC),
        "/api/chat": answer_json({"message": {}, "done": True}, headers=OPENAI),
    }
    for kind, path in (("anthropic", "/v1/chat/completions"), ("ollama", "/ollama/api/chat")):
        async with native(tmp_path, kind, by_path(scripts)) as (proxy, _):
            got = await request(proxy.origin, "POST", path, {**CHAT, "stream": False})

        assert got.status == 200
        assert not any("ratelimit" in name for name in got.headers)


def test_what_is_no_header() -> None:
    """Odd names, control characters, and more than anybody has."""
    given = {f"x-ratelimit-{number}": "1" for number in range(100)}

    assert len(list(limits_in(given, ("x-ratelimit-",), failed=True))) == 32
    for bad in (
        {"x-ratelimit-a": "1\r\nb: 2"},
        {"x-ratelimit-ä": "1"},
        {"x-ratelimit-a": ""},
        {"x-ratelimit-a": "x" * 200},
    ):
        assert not list(limits_in(bad, ("x-ratelimit-",), failed=True))
    assert not list(limits_in({"retry-after-ms": "7"}, (), failed=True))
