"""The double of the Gemini API is as strict as it claims: what it lets pass in other tests means something."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.client import request
from tests.support.gemini_double import GeminiDouble
from tests.support.gemini_rules import ANY_SIGNATURE, Refused, check, signature

NEW, OLD = "gemini-3-double", "gemini-2.5-double"
TEXT = {"text": "x"}
CALL = {"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": signature("f")}
RESULT = {"functionResponse": {"id": "1", "name": "f", "response": {}}}


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def model(*parts: Any) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def loop(call: Any, *results: Any) -> dict[str, Any]:
    return {"contents": [user(TEXT), model(call), user(*results)]}


def config(**given: Any) -> dict[str, Any]:
    return {"contents": [user(TEXT)], "generationConfig": given}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (config(), NEW),
        (
            config(
                temperature=2,
                topK=1,
                responseMimeType="application/json",
                responseJsonSchema={"type": "object"},
            ),
            NEW,
        ),
        (config(thinkingConfig={"thinkingLevel": "low", "includeThoughts": True}), NEW),
        (loop(CALL, RESULT, TEXT), NEW),
        (loop({**CALL, "thoughtSignature": ANY_SIGNATURE}, RESULT), NEW),
        (loop({"functionCall": CALL["functionCall"]}, RESULT), OLD),
    ],
)
def test_what_is_sound_passes(body: dict[str, Any], name: str) -> None:
    """Nothing is refused without a reason."""
    check(body, name)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "contents is not specified"),
        ({"contents": [user(TEXT)], "seed": 1}, 'Unknown name "seed"'),
        (config(top_p=1), 'Unknown name "top_p"'),
        (config(topK=0), "topK"),
        (config(temperature=True), "temperature"),
        (config(stopSequences=["1", "2", "3", "4", "5", "6"]), "at most 5"),
        (config(responseJsonSchema={"type": "object"}), "response_mime_type"),
        (config(logprobs=1), "response_logprobs"),
        (config(thinkingConfig={"thinkingLevel": "low", "thinkingBudget": 1}), "only one of"),
        (config(thinkingConfig={"thinkingLevel": "none"}), "thinkingLevel"),
        ({"contents": [user(TEXT), user(TEXT)]}, "alternate"),
        ({"contents": [{"role": "assistant", "parts": [TEXT]}]}, "role"),
        ({"contents": [user()]}, "must not be empty"),
        ({"contents": [user({"text": ""})]}, "text parameter"),
        ({"contents": [user({})]}, "oneof"),
        ({"contents": [user({**TEXT, **RESULT})]}, "oneof"),
        ({"contents": [user({"inlineData": {"mime_type": "x"}})]}, "Unknown name"),
        (
            {
                "contents": [user(TEXT)],
                "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": []}},
            },
            "ANY or VALIDATED",
        ),
        (loop(CALL), "must not be empty"),
        (loop(CALL, TEXT), "number of function response parts"),
        (loop(CALL, RESULT, RESULT), "number of function response parts"),
        (
            loop(CALL, {"functionResponse": {"id": "1", "name": "g", "response": {}}}),
            "number of function response parts",
        ),
        (loop(TEXT, RESULT), "number of function response parts"),
        (loop({"functionCall": {"id": "1", "name": "f", "args": "{}"}}, RESULT), "args"),
        (loop({"functionCall": CALL["functionCall"]}, RESULT), "missing a `thought_signature`"),
        (loop({**CALL, "thoughtSignature": signature("g")}, RESULT), "not valid"),
    ],
)
def test_what_is_not_sound_is_refused(body: dict[str, Any], words: str) -> None:
    """Each rule that other tests rely on is one that can fail."""
    with pytest.raises(Refused) as caught:
        check(body, NEW)

    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 400), ({"x-goog-api-key": "k"}, 200), ({"Authorization": "Bearer k"}, 400)],
    ids=str,
)
async def test_the_key(headers: dict[str, str], status: int) -> None:
    """It is required, in its header; a wrong one is a 400 as at the real API."""
    async with GeminiDouble("k") as double:
        path = f"/v1beta/models/{NEW}:generateContent"
        got = await request(double.url, "POST", path, config(), headers=headers)

    assert got.status == status


async def key_in_the_url() -> None:
    async with GeminiDouble("k") as double:
        with pytest.raises(EOFError):
            await request(double.url, "POST", f"/v1beta/models/{NEW}:generateContent?key=k", config())


async def test_a_key_in_the_url_fails_the_test() -> None:
    """It is no answer but an error of whoever sent it."""
    with pytest.raises(AssertionError, match="ends up in every log"):
        await key_in_the_url()
