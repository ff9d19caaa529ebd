"""A stream that breaks off after tokens, and another upstream that goes on with it: ``on_break: continue``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anthropic import AsyncAnthropic

from tests.handlers.kit import USAGE, access_lines, chunk
from tests.routing.kit import STREAM, WHOLE, Fleet, one_by_one, serves, status
from tests.support.logs import expect_log
from tests.support.peer import Exchange
from tests.support.scripts import sse, stream

MODELS: dict[str, Any] = {"m": {"on_break": "continue", "retries": 0}}
FIELDS: dict[int, dict[str, Any]] = {1: {"order": -1}, 2: {"api_type": "vllm"}}
WORDS = ["The", " quick", " brown", " fox"]


def pieces(*texts: str, of: str = "first", **delta: Any) -> list[bytes]:
    """A stream's beginning."""
    events = [
        {"role": "assistant", "content": ""},
        *({"content": text} for text in texts),
        *([delta] if delta else []),
    ]
    return sse(*({**chunk(event), "id": of, "model": of} for event in events), done=False)


BROKEN = stream(*pieces(*WORDS[:2]), end="cut")


def rest(*texts: str, of: str = "second") -> Any:
    """The end of one."""
    last = [{**chunk({}, "stop"), "id": of}, {**chunk({}), "choices": [], "usage": USAGE, "id": of}]
    return stream(*pieces(*texts, of=of), *sse(*last))


async def test_another_goes_on(tmp_path: Path) -> None:
    """The client gets one stream: one id, one role, the whole text once; the head allowed it, the usage and the log say who."""
    body = {**STREAM, "stream_options": {"include_usage": True}, "max_tokens": 10}
    async with Fleet(tmp_path, BROKEN, rest(*WORDS[2:]), fields=FIELDS, models=MODELS) as fleet:
        with access_lines() as lines:
            got = await fleet.ask(body)
        sent = fleet.requests(2)[0].json()

    assert (got.status, got.complete, got.text()) == (200, True, "The quick brown fox")
    *events, last = got.events()
    assert last == "[DONE]"
    assert {event["id"] for event in events} == {"first"}
    assert {event["model"] for event in events} == {"m"}
    roles = [choice["delta"].get("role") for event in events for choice in event["choices"]]
    assert [role for role in roles if role] == ["assistant"]
    assert got.headers["x-llm-continuation"] == "allowed"
    assert events[-1]["continued_by"] == "gpu-2"
    assert events[-1]["usage"]["completion_tokens"] == USAGE["completion_tokens"] + 2
    assert sent["messages"][-1] == {"role": "assistant", "content": "The quick"}
    assert (sent["max_tokens"], sent["continue_final_message"], sent["add_generation_prompt"]) == (
        8,
        True,
        False,
    )
    assert (lines[0]["attempts"], lines[0]["continued_by"], lines[0]["provider"]) == (2, "gpu-2", "gpu-2")


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (["Once upon a time "], [" there", " was"], "Once upon a time there was"),
        (["Once upon a time"], ["Once upon", " a time there"], "Once upon a time there"),
        (["Once upon a time"], ["Once"], "Once upon a timeOnce"),
        (["a"], ["a"], "aa"),
        (["So "], [" ", " it", " goes"], "So it goes"),
        (["So"], ["\n", "\n", "it goes"], "So\n\nit goes"),
        (["Once upon a time"], ["Once", " upon a time", " there"], "Once upon a time there"),
    ],
    ids=[
        "doubled white space",
        "an echo",
        "half an echo",
        "a short repetition is none",
        "white space in pieces",
        "white space of its own",
        "an echo in pieces",
    ],
)
async def test_the_seam(first: list[str], second: list[str], text: str, tmp_path: Path) -> None:
    """White space is not doubled, an echo of what was said is left out, and nothing else is."""
    broken = stream(*pieces(*first), end="reset")
    async with Fleet(tmp_path, broken, rest(*second), fields=FIELDS, models=MODELS) as fleet:
        got = await fleet.ask(STREAM)

    assert (got.complete, got.text()) == (True, text)


#: How a second part may end, and what of its text is only let go then.
ENDS: dict[str, tuple[list[bytes], str]] = {
    "with a reason": (sse({**chunk({}, "stop"), "id": "second"}), ""),
    "without one": (sse(), ""),
    "with what may be an echo": ([*sse(chunk({"content": "The quick"}), done=False), *sse()], "The quick"),
}


@pytest.mark.parametrize("face", ["/chat", "/ollama/api/chat"])
@pytest.mark.parametrize("end", ENDS)
async def test_pieces_that_come_alone(end: str, face: str, tmp_path: Path) -> None:
    """However the pieces of either part arrive, a piece that tells the client nothing new among them."""
    fleets: list[Fleet] = []
    last, more = ENDS[end]
    said = [] if more else [" brown", " fox"]
    first = one_by_one(fleets, *pieces("The quick", " brown f"), end="cut")
    second = one_by_one(fleets, *pieces(*said, of="second"), *last)
    async with Fleet(tmp_path, first, second, fields=FIELDS, models=MODELS) as fleet:
        fleets.append(fleet)
        got = await fleet.ask(STREAM, face)

    lines = [json.loads(line) for line in got.body.splitlines()] if "ollama" in face else []
    text = "".join(line["message"]["content"] for line in lines) if lines else got.text()
    assert (got.complete, text) == (True, "The quick brown f" + "".join(said) + more)


CALL = [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]


@pytest.mark.parametrize(
    ("more", "delta", "allowed"),
    [
        ({"n": 2}, {}, False),
        ({"response_format": {"type": "json_object"}}, {}, False),
        ({"reasoning_effort": "high"}, {}, False),
        ({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required"}, {}, False),
        ({}, {"tool_calls": CALL}, True),
        ({}, {"reasoning_content": "hm"}, True),
    ],
    ids=["n", "schema", "thinking", "a forced tool", "a tool called", "a thought"],
)
async def test_what_is_not_gone_on_with(
    more: dict[str, Any], delta: dict[str, Any], allowed: bool, tmp_path: Path
) -> None:
    """Anything but text is cut as ever, and nobody else is asked."""
    broken = stream(*pieces("x", **delta), end="cut")
    async with Fleet(tmp_path, broken, serves, fields=FIELDS, models=MODELS) as fleet:
        got = await fleet.ask({**STREAM, **more})

        assert (got.complete, fleet.asked()) == (False, [1, 0])
    assert ("x-llm-continuation" in got.headers) == allowed
    assert got.events()[-1]["error"]["code"] == "upstream_error"


async def test_nobody_can_or_the_second_breaks_too(tmp_path: Path) -> None:
    """No upstream that takes a beginning, or one that breaks off as well: one error event, and a cut."""
    for name, second, fields in (
        ("nobody", serves, {1: {"order": -1}}),
        ("twice", stream(*pieces(" brown"), end="cut"), FIELDS),
    ):
        (tmp_path / name).mkdir()
        async with Fleet(tmp_path / name, BROKEN, second, fields=fields, models=MODELS) as fleet:
            got = await fleet.ask(STREAM)
            assert fleet.asked()[0] == 1

        assert not got.complete
        assert got.events()[-1]["error"]["code"] == "upstream_error"
        texts = [event["choices"][0]["delta"].get("content", "") for event in got.events()[:-1]]
        assert "".join(texts) == ("The quick" if name == "nobody" else "The quick brown")


@pytest.mark.parametrize("code", [400, 401, 404, 429, 500])
async def test_the_second_refuses(code: int, tmp_path: Path) -> None:
    """What it says of a beginning that the client has not sent is not the client's: the break is told."""
    errors = "an upstream (rejects our key|does not know the model)"
    async with Fleet(tmp_path, BROKEN, status(code), fields=FIELDS, models=MODELS) as fleet:
        with (
            access_lines() as lines,
            expect_log("llm_proxy.relay.router", errors, required=code in (401, 404)),
        ):
            got = await fleet.ask(STREAM)
        assert fleet.asked() == [1, 1]

    told = got.events()[-1]["error"]
    assert (got.complete, told["code"]) == (False, "upstream_error")
    assert told["message"] == "the upstream broke off in the middle of its answer"
    assert (lines[0]["attempts"], lines[0]["kind"]) == (2, "truncated")


async def test_on_another_face_and_whole(tmp_path: Path) -> None:
    """Anthropic's client hears one message; a whole answer is retried as ever."""
    retrying = {"m": {**MODELS["m"], "retries": 1}}
    whole = await_whole
    async with Fleet(tmp_path, whole, rest(*WORDS[2:]), fields=FIELDS, models=retrying) as fleet:
        async with AsyncAnthropic(base_url=fleet.proxy.origin, api_key="k", max_retries=0) as sdk:
            messages: Any = [{"role": "user", "content": "hi"}]
            async with sdk.messages.stream(model="m", messages=messages, max_tokens=50) as events:
                text = await events.get_final_text()
        assert text == "The quick brown fox"
        got = await fleet.ask(WHOLE)
        assert "x-llm-continuation" not in got.headers


async def await_whole(exchange: Exchange) -> None:
    """Streams break off; whole answers are served."""
    await (BROKEN if exchange.request.json().get("stream") else serves)(exchange)
