"""What Gemini must see (see ``sees_openai``)."""

from __future__ import annotations

from typing import Any

from tests.matrix.asks import CITY, PIXEL, QUESTION, RESULTS, SCHEMA, SYSTEM, TIME, URL, WEATHER
from tests.matrix.sees_openai import ARGUMENTS, Json, Seen
from tests.support.gemini_double import THOUGHTS
from tests.support.gemini_rules import ANY_SIGNATURE, signature

_ASKED: Json = {"role": "user", "parts": [{"text": QUESTION}]}
_LIMIT: Json = {"maxOutputTokens": 512}
_WEATHER, _TIME = ({**about, "parametersJsonSchema": CITY} for about in (WEATHER, TIME))
_THINKING: Json = {**_LIMIT, "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "medium"}}


def _ask(*functions: Json, contents: list[Json] | None = None, config: Json = _LIMIT, **more: Any) -> Json:
    tools = {"tools": [{"functionDeclarations": list(functions)}]} if functions else {}
    return {"contents": contents or [_ASKED], "generationConfig": config, **tools, **more}


def _turn(role: str, *parts: Json) -> Json:
    return {"role": role, "parts": list(parts)}


def _call(call_id: str, name: str, **more: Any) -> Json:
    return {"functionCall": {"id": call_id, "name": name, "args": ARGUMENTS}, **more}


def _result(call_id: str, name: str, **response: str) -> Json:
    return {"functionResponse": {"id": call_id, "name": name, "response": response}}


#: This model names no calls: the gateway does.
_IDS = ("call_resp-double-1_0_0", "call_resp-double-1_0_1")
_CALLS = _turn("model", _call(_IDS[0], "get_weather"), _call(_IDS[1], "get_time"))
_FIRST = _result(_IDS[0], "get_weather", output=RESULTS[0])


def _both(second: str) -> Json:
    results = _turn("user", _FIRST, _result(_IDS[1], "get_time", **{second: RESULTS[1]}))
    return _ask(_WEATHER, _TIME, contents=[_ASKED, _CALLS, results])


_AFTER = _turn("user", _result("fc-0", "get_weather", output=RESULTS[0]))


def _round(signed: str) -> Json:
    thought = _turn("model", _call("fc-0", "get_weather", thoughtSignature=signed))
    return _ask(_WEATHER, contents=[_ASKED, thought, _AFTER], config=_THINKING)


def _own_results() -> Json:
    calls = [{"functionCall": {"name": name, "args": ARGUMENTS}} for name in ("get_weather", "get_time")]
    results = [
        {"functionResponse": {"name": name, "response": {"output": result}}}
        for name, result in zip(("get_weather", "get_time"), RESULTS, strict=True)
    ]
    return _ask(_WEATHER, _TIME, contents=[_ASKED, _turn("model", *calls), _turn("user", *results)])


def _own_round() -> Json:
    call = _call("fc-0", "get_weather", thoughtSignature=signature("get_weather"))
    turn = _turn("model", {"text": "".join(THOUGHTS), "thought": True}, call)
    return _ask(_WEATHER, contents=[_ASKED, turn, _AFTER], config=_THINKING)


GEMINI_SEES: Seen = {
    "hello": _ask(),
    "plain": _ask(
        config={
            "maxOutputTokens": 512,
            "temperature": 0.5,
            "stopSequences": ["END"],
            "seed": 7,
            "presencePenalty": 0.25,
        },
        systemInstruction={"parts": [{"text": SYSTEM}]},
    ),
    "tools": _ask(_WEATHER, toolConfig={"functionCallingConfig": {"mode": "ANY"}}),
    "parallel": _ask(_WEATHER, _TIME),
    "results": _ask(_WEATHER, _TIME),
    "results again": _both("output"),
    ("results again", "anthropic"): _both("error"),
    "image": _ask(
        contents=[_turn("user", {"text": QUESTION}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}})]
    ),
    "image by URL": _ask(
        contents=[_turn("user", {"text": QUESTION}, {"fileData": {"mimeType": "image/png", "fileUri": URL}})]
    ),
    "reasoning": _ask(_WEATHER, config=_THINKING),
    "reasoning again": _round(signature("get_weather")),
    # Its own clients' requests go along as they are: calls without ids stay so, and thoughts come back.
    ("results again", "gemini"): _own_results(),
    ("reasoning again", "gemini"): _own_round(),
    # Without its signature a call must say so.
    ("reasoning again", "ollama"): _round(ANY_SIGNATURE),
    "schema": _ask(config={**_LIMIT, "responseMimeType": "application/json", "responseJsonSchema": SCHEMA}),
    "JSON without a schema": _ask(config={**_LIMIT, "responseMimeType": "application/json"}),
    "length": _ask(config={"maxOutputTokens": 3}),
    "usage": _ask(config=_THINKING),
}
