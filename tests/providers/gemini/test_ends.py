"""How Gemini's answers end, well and badly, and bodies that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.errors import UpstreamError
from llm_proxy.wire.events import Done, Failed
from providers.gemini.provider import GeminiProvider
from tests.support import recordings as rec
from tests.support.native_kit import Seen, ask, decoded, seen, spoilt, whole

PROVIDER = GeminiProvider()


def joined(data: bytes) -> Seen:
    return seen(decoded(PROVIDER.stream_decoder(ask(stream=True)), [data]))


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def candidate(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"content": {"role": "model", "parts": list(parts)}, **fields}


FINISH = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(["SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST"], "content_filter"),
    **dict.fromkeys(["PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"], "content_filter"),
    **dict.fromkeys(["MODEL_ARMOR", "INVENTED_LATER"], "content_filter"),
}
ASTRAY = [
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "OTHER",
    "TOO_MANY_TOOL_CALLS",
    "NO_IMAGE",
    "MALFORMED_LATER",
]


@pytest.mark.parametrize(("reason", "expected"), FINISH.items())
def test_finish_reasons(reason: str, expected: str) -> None:
    """Each reason has its finish reason, streamed and whole."""
    value = {"candidates": [candidate({"text": "x"}, finishReason=reason)]}

    assert joined(event(**value)).finish == {0: expected}
    assert whole(PROVIDER, value)["choices"][0]["finish_reason"] == expected


@pytest.mark.parametrize("reason", ASTRAY)
def test_answers_that_went_astray_are_failures(reason: str) -> None:
    """What came is no answer: the stream fails, a whole answer is a 502, both say why."""
    value = {"candidates": [candidate({"text": "x"}, finishReason=reason, finishMessage="Because.")]}

    result = joined(event(**value))
    with pytest.raises(UpstreamError) as caught:
        whole(PROVIDER, value)

    assert isinstance(result.end, Failed)
    assert result.message["content"] == "x"
    for error in (result.end.error, caught.value):
        assert error.status == 502
        assert f"{reason} Because." in error.message


def test_an_unspecified_reason_is_none() -> None:
    """The protocol's zero value is not an end."""
    value = {"candidates": [candidate({"text": "x"}, finishReason="FINISH_REASON_UNSPECIFIED")]}

    assert isinstance(joined(event(**value)).end, Failed)
    with pytest.raises(UpstreamError):
        whole(PROVIDER, value)


def test_a_finish_reason_on_every_response() -> None:
    """Older models do that; nothing ends before the body does."""
    data = b"".join(
        event(candidates=[candidate({"text": word}, finishReason="STOP")]) for word in ("a", "b", "c")
    )

    result = joined(data)

    assert result.message["content"] == "abc"
    assert isinstance(result.end, Done)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>login</html>",
        b"[]",
        b"null",
        b"{}",
        b'{"candidates":[]}',
        b'{"candidates":[{}]}',
        b"[[]]",
        b"\xff",
    ],
)
def test_a_200_that_is_no_answer(body: bytes) -> None:
    """Nothing, a page or another dialect is a fault of the upstream; its text is not repeated."""
    with pytest.raises(UpstreamError) as caught:
        whole(PROVIDER, body)

    assert (caught.value.status, caught.value.kind) == (502, "content_type")
    assert "login" not in caught.value.message


@pytest.mark.parametrize("name", ["text", "thinking-tools"])
def test_the_wrong_type_anywhere_in_a_whole_answer(name: str) -> None:
    """Each value replaced by one of another type: an answer, or a fault of the upstream, and nothing else."""
    for value in spoilt(json.loads(rec.recording(f"gemini/{name}.json"))):
        try:
            json.dumps(whole(PROVIDER, value), allow_nan=False)
        except UpstreamError as error:
            assert error.status >= 400
