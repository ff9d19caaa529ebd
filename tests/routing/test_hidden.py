"""A failure of one upstream that another one hides: the client gets a whole answer, and the log says what was tried."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import COMPLETION, EVENTS, access_lines, chunk
from tests.routing.kit import ROLE, STREAM, TEXT, WHOLE, Fleet, one_by_one, serves, status
from tests.support.addresses import refused_url
from tests.support.logs import expect_log
from tests.support.peer import Script
from tests.support.scripts import answer, answer_json, half_chunk, raw, silent, sse, stream

#: Ways to fail before the first token, and the word for each in ``X-LLM-Attempts``.
FAILURES: dict[str, tuple[Script | str, str]] = {
    "refused": ("", "refused"),
    "closed": (raw(), "reset"),
    "reset": (raw(end="reset"), "reset"),
    "half a head": (raw(b"HTTP/1.1 200 OK\r\nContent-"), "reset"),
    "silent": (silent(), "timeout"),
    "408": (status(408), "408"),
    "429": (status(429), "429"),
    "429 with a wait": (status(429, {"Retry-After": "7"}), "429"),
    "500": (status(500), "500"),
    "502": (answer(b"<html>", 502, content_type="text/html"), "502"),
    "503": (status(503), "503"),
    "504": (status(504), "504"),
    "529": (raw(b"HTTP/1.1 529 Overloaded\r\nContent-Length: 2\r\n\r\n{}", end="clean"), "529"),
    "our key": (status(401), "401"),
    "no such model": (status(404, code="model_not_found"), "404"),
    "a head and no more": (stream(end="cut"), "reset"),
    "a role and no more": (stream(*ROLE, end="cut"), "reset"),
    "a role and silence": (stream(*ROLE, end="silence"), "timeout"),
    "half an event": (stream(half_chunk(sse(chunk({"content": "x"}))[0]), end="cut"), "reset"),
    "a terminator and nothing else": (stream(*sse()), "502"),
    "no choice": (answer_json({"id": "c", "choices": []}), "502"),
    "an error in the stream": (stream(*ROLE, *sse({"error": {"message": "full", "code": 503}})), "50"),
}
QUICK: dict[str, Any] = {"timeouts": {"connect": 5, "first_byte": 0.3, "idle": 0.3}}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failure_before_the_first_token(failure: str, tmp_path: Path) -> None:
    """Whatever happens before the first token of a stream, or in a whole answer, another upstream hides it."""
    script, word = FAILURES[failure]
    if not script:
        script = refused_url()
    fields: dict[int, dict[str, Any]] = {1: {**QUICK, "order": -1}, 2: QUICK}
    errors = "an upstream (rejects our key|does not know the model)"
    async with Fleet(tmp_path, script, serves, fields=fields) as fleet:
        with (
            access_lines() as lines,
            expect_log("llm_proxy.relay.router", errors, required=word in ("401", "404")),
        ):
            streamed = await fleet.ask(STREAM)
            fleet.router.states._upstreams.clear()  # as if nothing had been learnt
            fleet.router.states._servers.clear()
            whole = await fleet.ask(WHOLE)

    assert (streamed.status, streamed.complete, streamed.text()) == (200, True, TEXT)
    assert streamed.events()[-1] == "[DONE]"
    assert len(streamed.events()) == len(EVENTS)
    assert (whole.status, whole.json()["choices"]) == (200, COMPLETION["choices"])
    for got, line in zip((streamed, whole), lines, strict=True):
        told = got.headers["x-llm-attempts"]
        assert re.fullmatch(rf"gpu-1:{word}\d*:\d+ms, gpu-2:200:\d+ms", told), told
        assert (line["attempts"], line["provider"], line["status"]) == (2, "gpu-2", 200)
        assert got.headers["x-llm-provider"] == "gpu-2"


async def test_an_answer_without_a_token(tmp_path: Path) -> None:
    """A stream that ends without a token is none, and another upstream hides it; unless it has a reason for its end."""
    for name, last, asked in (("none", sse(), [1, 1]), ("reason", sse(chunk({}, "stop")), [1, 0])):
        (tmp_path / name).mkdir()
        fields = {1: {"order": -1}}
        async with Fleet(tmp_path / name, stream(*ROLE, *last), serves, fields=fields) as fleet:
            got = await fleet.ask(STREAM)

            assert (got.status, got.complete, fleet.asked()) == (200, True, asked)
        assert got.text() == ("" if name == "reason" else TEXT)


def calling(arguments: str, **more: Any) -> dict[str, Any]:
    """A piece of a tool call."""
    function = {"arguments": arguments, **({"name": "f"} if more else {})}
    return chunk({"tool_calls": [{"index": 0, **more, "function": function}]})


CALL = [calling("", id="c1", type="function"), calling('{"a": '), calling("1}")]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/ollama/api/chat", {}),
        ("/gemini/v1beta/models/m:streamGenerateContent?alt=sse", {"contents": [{"parts": [{"text": "x"}]}]}),
    ],
    ids=["ollama", "gemini"],
)
async def test_a_call_of_which_nothing_was_told(path: str, body: dict[str, Any], tmp_path: Path) -> None:
    """Where calls are told whole, one that breaks off has told nothing: another upstream hides it. One that comes piece by piece
    is an answer."""
    fleets: list[Fleet] = []
    broken = one_by_one(fleets, *ROLE, *sse(*CALL[:2], done=False), end="cut")
    whole = one_by_one(fleets, *ROLE, *sse(*CALL, chunk({}, "tool_calls")))
    body = body or {"model": "m", "messages": STREAM["messages"]}
    async with Fleet(tmp_path, broken, whole, fields={1: {"order": -1}}) as fleet:
        fleets.append(fleet)
        got = await fleet.ask(body, path)

    assert (got.status, got.complete) == (200, True)
    assert got.body.count(b'"name":"f"') == 1
    assert re.fullmatch(r"gpu-1:reset:\d+ms, gpu-2:200:\d+ms", got.headers["x-llm-attempts"])


async def test_one_upstream_that_says_nothing(tmp_path: Path) -> None:
    """Where nobody else could be asked, that is told."""
    for name, says in (("stream", stream(*sse())), ("whole", answer_json({"id": "c", "choices": []}))):
        (tmp_path / name).mkdir()
        async with Fleet(tmp_path / name, says) as fleet:
            for body in (STREAM, WHOLE):
                got = await fleet.ask(body)
                assert (got.status, got.json()["error"]["code"]) == (502, "upstream_error"), (name, body)


async def test_a_verdict_in_the_stream(tmp_path: Path) -> None:
    """An error event with the number of a status means what the status means: the client's own mistake is no failure of the
    upstream, and one that has too much to do is left alone."""
    for name, code, seen in (("wrong", 400, (400, [3, 0], "ok")), ("busy", 503, (200, [1, 3], "asleep"))):
        (tmp_path / name).mkdir()
        fails = stream(*ROLE, *sse({"error": {"message": "no", "code": code}}))
        async with Fleet(tmp_path / name, fails, serves, fields={1: {"order": -1}}) as fleet:
            for _ in range(3):
                got = await fleet.ask(STREAM)
            rows = (await fleet.proxy.request("GET", "/status/models")).json()["models"]

            assert (got.status, fleet.asked(), rows[0]["state"]) == seen


async def test_after_a_token_nothing_is_hidden(tmp_path: Path) -> None:
    """A stream that breaks off after a token is a visible break: no second upstream is asked, no text comes twice."""
    broken = stream(*sse(*EVENTS[:2], done=False), end="cut")
    async with Fleet(tmp_path, broken, serves, fields={1: {"order": -1}}) as fleet:
        got = await fleet.ask(STREAM)

        assert (got.status, got.complete, fleet.asked()) == (200, False, [1, 0])
    *chunks, last = got.events()
    assert last["error"]["code"] == "upstream_error"
    assert [c["choices"][0]["delta"].get("content") for c in chunks] == ["", "one"]


@pytest.mark.parametrize("code", [400, 403, 409, 413, 422])
async def test_the_clients_own_mistakes_are_not_repeated(code: int, tmp_path: Path) -> None:
    """A verdict on the client's request is the client's: nobody else is asked for it."""
    wrong = status(code, param="messages")
    async with Fleet(tmp_path, wrong, serves, fields={1: {"order": -1}}) as fleet:
        for body in (STREAM, WHOLE):
            got = await fleet.ask(body)

            assert got.status in (code, 502), got.body
            assert re.fullmatch(rf"gpu-1:{code}:\d+ms", got.headers["x-llm-attempts"])
        assert fleet.asked() == [2, 0]


async def test_when_all_fail_the_last_says_why(tmp_path: Path) -> None:
    """Two upstreams, two retries: each is asked, one of them twice; the error is the last one's, with all attempts named."""
    async with Fleet(tmp_path, status(503), status(500)) as fleet:
        with access_lines() as lines:
            got = await fleet.ask(WHOLE)
        assert sum(fleet.asked()) == 3
        assert min(fleet.asked()) == 1

    told = [one.split(":")[1] for one in got.headers["x-llm-attempts"].split(", ")]
    assert (got.status, got.json()["error"]["code"]) == (
        {"500": 502, "503": 503}[told[-1]],
        "upstream_error",
    )
    assert (len(told), lines[0]["attempts"], lines[0]["status"]) == (3, 3, got.status)


async def test_a_rate_limit_is_told_only_if_all_said_so(tmp_path: Path) -> None:
    """One 429 and one failure: the failure is told. Two 429: a 429, and when the first of them may be asked again."""
    async with Fleet(tmp_path, status(429, {"Retry-After": "70"}), status(500)) as fleet:
        got = await fleet.ask(WHOLE)
        assert got.status == 502
    (tmp_path / "both").mkdir()
    limits = status(429, {"Retry-After": "70"}), status(429, {"Retry-After": "45"})
    async with Fleet(tmp_path / "both", *limits) as fleet:
        got = await fleet.ask(WHOLE)
        assert (got.status, got.json()["error"]["code"], got.headers["retry-after"]) == (
            429,
            "rate_limit",
            "45",
        )
        asleep = await fleet.ask(WHOLE)  # nobody is asked again before that

        assert fleet.asked() == [1, 1]
    assert (asleep.status, asleep.headers["retry-after"]) == (429, "45")
    assert "gpu-1 is asleep for 70 s" in asleep.json()["error"]["message"]
