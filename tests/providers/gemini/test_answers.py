"""What a Gemini answer becomes, streamed and whole."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from llm_proxy.wire.events import Failed
from providers.gemini.provider import GeminiProvider
from tests.support import recordings as rec
from tests.support.native_kit import USER, Seen, ask, body_of, decoded, pieces, row, said, seen, whole

PROVIDER = GeminiProvider()


def streamed(name: str) -> Seen:
    return joined(rec.recording(f"gemini/{name}.sse"))


def joined(data: bytes) -> Seen:
    return seen(decoded(PROVIDER.stream_decoder(ask(stream=True)), [data]))


def recorded(name: str) -> Any:
    return json.loads(rec.recording(f"gemini/{name}.json"))


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def candidate(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"content": {"role": "model", "parts": list(parts)}, **fields}


def test_a_text() -> None:
    """Text, name, finish reason and the newest counts."""
    chunks = decoded(PROVIDER.stream_decoder(ask()), [rec.recording("gemini/text-stream.sse")])
    result = seen(chunks)

    assert chunks[0].data["id"] == "resp-1"  # type: ignore[union-attr]
    assert chunks[0].data["model"] == "gemini-2.5-flash"  # type: ignore[union-attr]
    assert result.message == {"role": "assistant", "content": "Hello, zażółć 漢字 😀!"}
    assert result.finish == {0: "stop"}
    assert result.usage == {
        "prompt_tokens": 9,
        "completion_tokens": 11,
        "total_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 4},
    }


def test_thoughts_and_parallel_calls() -> None:
    """Thoughts are reasoning, calls end in tool_calls though the API says STOP, ids are made up where there are none."""
    result = streamed("thinking-tools-stream")

    assert result.message["reasoning_content"] == "Two cities."
    assert result.message["content"] == "Let me look."
    assert result.message["tool_calls"] == [
        {
            "index": 0,
            "id": "fc_1",
            "type": "function",
            "function": {"name": "get_weather", "arguments": '{"city":"Kraków"}'},
            "extra_content": {"google": {"thought_signature": "CiQB4/H/XqO9=="}},
        },
        {
            "index": 1,
            "id": "call_resp-2_0_1",
            "type": "function",
            "function": {"name": "get_time", "arguments": "{}"},
        },
    ]
    assert result.finish == {0: "tool_calls"}
    assert result.usage == {
        "prompt_tokens": 85,
        "completion_tokens": 62,
        "total_tokens": 147,
        "completion_tokens_details": {"reasoning_tokens": 42},
    }


def test_pieces_of_thoughts_and_texts_are_joined() -> None:
    """A whole answer may hold several of each; they are one reasoning and one content."""
    words: list[dict[str, Any]] = [
        {"text": "a", "thought": True},
        {"text": "b", "thought": True},
        {"text": "c"},
        {"text": "d"},
    ]
    message = whole(PROVIDER, {"candidates": [candidate(*words, finishReason="STOP")]})["choices"][0][
        "message"
    ]

    assert message == {"role": "assistant", "reasoning_content": "ab", "content": "cd"}


def test_counts_without_a_total() -> None:
    """It is the sum."""
    value = {
        "candidates": [candidate({"text": "x"}, finishReason="STOP")],
        "usageMetadata": {"promptTokenCount": 2, "candidatesTokenCount": 3},
    }

    assert joined(event(**value)).usage == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


def test_the_signature_of_a_text() -> None:
    """It is the message's own, once, whatever part it came in."""
    result = streamed("signed-text-length-stream")

    signature = {"google": {"thought_signature": "EpMDCpAD"}}
    assert result.message == {"role": "assistant", "content": "Sure", "extra_content": signature}
    assert result.finish == {0: "length"}


def test_several_choices() -> None:
    """Each candidate is a choice with an end of its own; all ends come when the body has ended."""
    data = rec.recording("gemini/n2-stream.sse")
    result = joined(data)

    assert {at: message["content"] for at, message in result.messages.items()} == {0: "Heads", 1: "Tails"}
    assert result.finish == {0: "stop", 1: "content_filter"}
    assert not seen(PROVIDER.stream_decoder(ask()).feed(data)).finish
    without_one = data.replace(b'"finishReason": "SAFETY", ', b"")
    assert isinstance(joined(without_one).end, Failed)


def test_a_blocked_prompt() -> None:
    """There is no candidate; the answer is empty and was filtered."""
    result = streamed("blocked-stream")

    assert result.message == {"role": "assistant", "content": ""}
    assert result.finish == {0: "content_filter"}
    assert whole(PROVIDER, recorded("blocked"))["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": None},
            "logprobs": None,
            "finish_reason": "content_filter",
        }
    ]


@pytest.mark.parametrize("name", ["text", "thinking-tools", "blocked"])
def test_whole_and_streamed_answers_say_the_same(name: str) -> None:
    """Message, finish reason and usage do not depend on whether the answer was streamed."""
    stream = streamed(f"{name}-stream")
    completion = whole(PROVIDER, recorded(name))
    for call in stream.message.get("tool_calls", []):
        del call["index"]

    (choice,) = completion["choices"]
    assert completion["object"] == "chat.completion"
    assert (completion["id"], completion["model"]) == (
        recorded(name)["responseId"],
        recorded(name)["modelVersion"],
    )
    assert choice["message"] == {**stream.message, "content": stream.message["content"] or None}
    assert choice["finish_reason"] == stream.finish[0]
    assert completion["usage"] == stream.usage


def test_a_list_of_responses_is_one_answer() -> None:
    """What the API sends when it streams without server-sent events."""
    parts = [json.loads(part[6:]) for part in pieces(rec.recording("gemini/text-stream.sse"))]

    completion = whole(PROVIDER, parts)

    assert completion["choices"][0]["message"]["content"] == "Hello, zażółć 漢字 😀!"
    assert completion["usage"]["completion_tokens"] == 11


def test_an_answer_without_a_name_gets_one() -> None:
    """The same on all chunks, and in the ids of its calls."""
    value = {
        "candidates": [candidate({"functionCall": {"name": "f", "args": {"x": 1}}}, finishReason="STOP")]
    }
    chunks = decoded(PROVIDER.stream_decoder(ask()), [event(**value)])

    (name,) = {chunk.data["id"] for chunk in chunks[:-1]}  # type: ignore[union-attr]
    assert re.fullmatch(r"chatcmpl-[0-9a-f]{32}", name)
    assert seen(chunks).message["tool_calls"][0]["id"] == f"call_{name}_0_0"


def test_pictures_and_what_ran_on_the_vendors_side() -> None:
    """A picture is a data: URL; code and its result are told as such, and so is that there was something unknown."""
    blob = {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}
    code = {"executableCode": {"language": "PYTHON", "code": "print('```')"}}
    ran = {"codeExecutionResult": {"outcome": "OUTCOME_FAILED", "output": "no"}}
    new = {"hologram": {"x": 1}, "thoughtSignature": "s"}
    value = {"candidates": [candidate({"text": "See:"}, code, ran, new, blob, blob, finishReason="STOP")]}
    said = "See:\n````python\nprint('```')\n````\n\n```\nfailed\nno\n```\n[hologram: cannot be shown here]"

    images = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}] * 2
    assert joined(event(**value)).message["images"] == [
        {"index": at, **image} for at, image in enumerate(images)
    ]
    assert joined(event(**value)).message["content"] == said
    assert whole(PROVIDER, value)["choices"][0]["message"] == {
        "role": "assistant",
        "content": said,
        "images": images,
        "extra_content": {"google": {"thought_signature": "s"}},
    }


def test_log_probabilities() -> None:
    """The chosen tokens with their alternatives."""
    result = {
        "chosenCandidates": [{"token": "ż", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "ż", "logProbability": -0.5}, {"token": "x"}]}],
    }
    value = {"candidates": [candidate({"text": "ż"}, finishReason="STOP", logprobsResult=result)]}

    token = {"token": "ż", "logprob": -0.5, "bytes": [197, 188]}
    other = {"token": "x", "logprob": 0, "bytes": [120]}
    expected = {"content": [{**token, "top_logprobs": [token, other]}], "refusal": None}
    assert joined(event(**value)).extra == {0: {"logprobs": expected}}
    assert whole(PROVIDER, value)["choices"][0]["logprobs"] == expected


@pytest.mark.parametrize("how", ["streamed", "whole"])
def test_a_tool_loop_keeps_signatures(how: str) -> None:
    """What came with an answer goes back with the results of its calls, to the very part that it came with."""
    completion = whole(PROVIDER, recorded("thinking-tools"))
    message = (
        streamed("thinking-tools-stream").message
        if how == "streamed"
        else completion["choices"][0]["message"]
    )
    calls = message["tool_calls"]
    history = [USER, message, said('{"sky": "clear"}', calls[0]["id"]), said("noon", calls[1]["id"])]

    found = body_of(PROVIDER.chat_call(ask(messages=history), row("gemini", "gemini-3-flash")))["contents"]

    first = {"id": "fc_1", "name": "get_weather", "args": {"city": "Kraków"}}
    second = {"id": "call_resp-2_0_1", "name": "get_time"}
    assert found[1]["parts"] == [
        {"text": "Let me look."},
        {"functionCall": first, "thoughtSignature": "CiQB4/H/XqO9=="},
        {"functionCall": {**second, "args": {}}},
    ]
    assert found[2]["parts"] == [
        {"functionResponse": {"id": "fc_1", "name": "get_weather", "response": {"sky": "clear"}}},
        {"functionResponse": {**second, "response": {"output": "noon"}}},
    ]
