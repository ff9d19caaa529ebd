"""The short way of a talk (``handlers.base.talking``) beside the long one: nobody can tell them apart."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from handlers.base import answering
from handlers.base.answering import AnsweringHandler
from handlers.base.talking import attempt_talk
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.schema import ChatRequest
from tests.handlers.kit import CHAT, COMPLETION, EVENTS, WHOLE, access_lines, gateway
from tests.support.access_kit import bearer, row, write_access
from tests.support.client import Answer, Connection
from tests.support.peer import Exchange, Peer, Script
from tests.support.scripts import answer, answer_json, head, raw, silent, sse, stream

_BODY = json.dumps(COMPLETION).encode()
_LARGE = {**COMPLETION, "padding": "x" * 100_000}
_CHOICE: dict[str, Any] = COMPLETION["choices"][0]  # type: ignore[index]
_TEXT = head(200, [("Content-Type", "application/json"), ("Content-Length", str(len(_BODY)))]) + _BODY
_SEVERAL = {**COMPLETION, "choices": [_CHOICE, {**_CHOICE, "index": 1}]}
#: What differs between two requests in any case: ids, times, and what is made of them.
_OWN = {
    "x-ratelimit-reset-requests",
    "x-ratelimit-remaining-requests",
    "x-request-id",
    "x-trace-id",
    "date",
    "x-llm-attempts",
}
_TIMES = re.compile(r"(_ms|_id)$|^(created|msecs|relativeCreated|asctime|time)$")

ANSWERS: dict[str, Script] = {
    "usual": answer_json(COMPLETION),
    "in chunks": stream(_BODY, content_type="application/json"),
    "until the end": stream(_BODY, content_type="application/json", chunked=False),
    "close": answer(_BODY, headers={"Connection": "close"}),
    "a date, limits and another case": answer(
        _BODY,
        headers={"DATE": "Fri, 27 Nov 2026 10:00:00 GMT", "X-RateLimit-Remaining-Requests": "7"},
    ),
    "byte by byte": raw(*(_TEXT[at : at + 1] for at in range(len(_TEXT))), end="clean"),
    "more than it says": raw(_TEXT + b"x", end="clean"),
    "events": stream(*sse(*EVENTS)),
    "large": answer_json(_LARGE),
    "two choices": answer_json(_SEVERAL),
    "no usage": answer_json({**COMPLETION, "usage": None}),
    "odd usage": answer_json({**COMPLETION, "usage": {"prompt_tokens": 2.5, "completion_tokens": "3"}}),
    "details": answer_json(
        {**COMPLETION, "usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}}
    ),
    "the model's name twice": answer_json({**COMPLETION, "note": 'a "model": "up" b'}),
    "no choices": answer_json({**COMPLETION, "choices": []}),
    "no list of choices": answer_json({**COMPLETION, "choices": {}}),
    "no message": answer_json({**COMPLETION, "choices": [{"index": 0, "finish_reason": "stop"}]}),
    "an error inside": answer_json({"error": {"message": "odd", "code": 429}}),
    "an error in the choice": answer_json(
        {**COMPLETION, "choices": [{**_CHOICE, "error": {"message": "odd", "code": 502}}]}
    ),
    "ended by an error": answer_json({**COMPLETION, "choices": [{**_CHOICE, "finish_reason": "error"}]}),
    "infinity": answer(_BODY.replace(b'"created": 1', b'"created": 1e999')),
    "no JSON": answer(b"{"),
    "a list": answer(b"[]"),
    "compressed": answer(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}),
    "refused": answer_json({"error": {"message": "no"}}, 400),
    "too many": answer_json({"error": {"message": "slow"}}, 429, {"Retry-After": "3"}),
    "thinking refused": answer_json({"error": {"message": '"m" does not support thinking'}}, 400),
    "broken": answer(b"<html>", 502, content_type="text/html"),
    "no content": answer(b"", 204),
    "accepted": answer(_BODY, 202),
    "cut in the head": raw(_TEXT[:20]),
    "cut in the body": raw(_TEXT[:-20]),
    "reset": raw(_TEXT[:-20], end="reset"),
    "nothing": raw(),
    "too late": silent(),
}


async def _long(handler: AnsweringHandler, request: ChatRequest, deployment: Deployment) -> bool:
    return False


def _told(got: Answer) -> tuple[Any, ...]:
    own = {"request_id": got.headers["x-request-id"]}
    body = got.body.replace(own["request_id"].encode(), b"ID")
    return got.status, got.complete, body, {k: v for k, v in got.headers.items() if k not in _OWN}


def _noted(line: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in line.items() if not _TIMES.search(k) and k != "attempts"}


class _World:
    """One gateway before one peer, which answers as ``script`` says now."""

    def __init__(self, *, streams: bool = False) -> None:
        self.script: Script = silent()
        self.asked = {**CHAT, "stream": streams}
        #: Whether answers may be cut, with the client's connection.
        self.cuts = False
        self.peer = Peer(self._answer)

    async def _answer(self, exchange: Exchange) -> None:
        await self.script(exchange)

    async def seen(self, proxy_url: str, headers: dict[str, str]) -> list[Any]:
        """What client, log and upstream see of two requests on one connection, whose second finds the first one's heads known."""
        seen: list[Any] = []
        client = Connection(proxy_url)
        async with AsyncExitStack() as stack:
            for number in range(2):
                if not number or self.cuts:
                    client = await stack.enter_async_context(Connection(proxy_url))
                had = len(self.peer.requests)
                with access_lines() as lines:
                    got = await client.request("POST", "/v1/chat/completions", self.asked, headers=headers)
                asked = [(one.method, one.path, one.body) for one in self.peer.requests[had:]]
                seen.append((_told(got), [_noted(line) for line in lines], asked))
        return seen


FIELDS = {"timeouts": {"connect": 1, "first_byte": 0.8, "idle": 0.8, "total": 5}}
KEYS = {
    "keys": {"alice": row("alice", limits={"rpm": 10**6}, budgets=["mine"])},
    "budgets": {"mine": {"usd": 10**6, "per": "month"}},
    "prices": {"m": {"input": 2.5, "output": 10}},
}


@pytest.mark.parametrize(("keys", "streams"), [(False, False), (True, False), (False, True), (True, True)])
async def test_each_answer_is_told_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, keys: bool, streams: bool
) -> None:
    """Whatever an upstream answers, and however it comes: client, access line and upstream see the same; with keys too, and of
    streams."""
    world = _World(streams=streams)
    settings: dict[str, Any] = {"access": write_access(tmp_path, KEYS)} if keys else {}
    headers = bearer("alice") if keys else {}
    async with world.peer, gateway(tmp_path, world.peer.url, fields=FIELDS, **settings) as proxy:
        taken = 0

        async def counted(
            handler: AnsweringHandler,
            request: ChatRequest,
            deployment: Deployment,
            short: Any = attempt_talk,
        ) -> bool:
            nonlocal taken
            taken += 1
            way: Awaitable[bool] = short(handler, request, deployment)
            return await way

        for name, script in ANSWERS.items():
            world.script = script
            monkeypatch.setattr(answering, "attempt_talk", counted)
            short = await world.seen(proxy.url, headers)
            monkeypatch.setattr(answering, "attempt_talk", _long)
            assert short == await world.seen(proxy.url, headers), name
        assert taken == 2 * len(ANSWERS)


async def test_each_cut_of_a_stream_is_told_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that are cut off, or are odd."""
    world = _World(streams=True)
    world.cuts = True
    async with world.peer, gateway(tmp_path, world.peer.url, fields=FIELDS) as proxy:
        for count in range(len(EVENTS) + 1):
            for rest in ([], [b"data: {\n\n"], [b'data: {"error":{"message":"no"}}\n\n']):
                world.script = stream(*sse(*EVENTS[:count])[:count], *rest)
                short = await world.seen(proxy.url, {})
                with monkeypatch.context() as patched:
                    patched.setattr(answering, "attempt_talk", _long)
                    assert short == await world.seen(proxy.url, {}), (count, rest)


async def test_each_cut_is_told_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual answer in two pieces, cut wherever it may be."""
    world = _World()
    async with world.peer, gateway(tmp_path, world.peer.url) as proxy:
        world.script = answer_json(COMPLETION)
        usual = await world.seen(proxy.url, {})
        for at in range(1, len(_TEXT), 7):
            world.script = raw(_TEXT[:at], 0.0, _TEXT[at:], end="clean")
            assert await world.seen(proxy.url, {}) == usual, at


async def test_nobody_is_asked_again_for_less_who_was_not_asked_for_it(tmp_path: Path) -> None:
    """An upstream that refuses thinking is asked once more only if there was any to leave out."""
    script = answer_json({"error": {"message": '"m" does not support thinking'}}, 400)
    thinking = {**WHOLE, "reasoning_effort": "low"}
    async with Peer(script) as peer, gateway(tmp_path, peer.url) as proxy, Connection(proxy.url) as client:
        asked: list[int] = []
        for body in (WHOLE, {**WHOLE, "temperature": 0}, thinking):
            await client.request("POST", "/v1/chat/completions", body)
            asked.append(len(peer.requests) - sum(asked))
    assert asked == [1, 1, 2]
