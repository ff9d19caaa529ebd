"""What a client of Gemini's dialect sends (see ``asks``)."""

from __future__ import annotations

from typing import Any

from tests.matrix.asks import CITY, PIXEL, QUESTION, SCHEMA, SYSTEM, TIME, URL, WEATHER

Json = dict[str, Any]

_ASKED: Json = {"role": "user", "parts": [{"text": QUESTION}]}
_LIMIT: Json = {"maxOutputTokens": 512}
_WEATHER, _TIME = ({**about, "parametersJsonSchema": CITY} for about in (WEATHER, TIME))
_THINKING: Json = {**_LIMIT, "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "medium"}}


def _ask(*functions: Json, parts: tuple[Json, ...] = (), config: Json = _LIMIT, **more: Any) -> Json:
    tools = {"tools": [{"functionDeclarations": list(functions)}]} if functions else {}
    asked = {**_ASKED, "parts": [*_ASKED["parts"], *parts]}
    return {"contents": [asked], "generationConfig": config, **tools, **more}


GEMINI: dict[str, Json] = {
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
    "image": _ask(parts=({"inlineData": {"mimeType": "image/png", "data": PIXEL}},)),
    "image by URL": _ask(parts=({"fileData": {"mimeType": "image/png", "fileUri": URL}},)),
    "reasoning": _ask(_WEATHER, config=_THINKING),
    "schema": _ask(config={**_LIMIT, "responseMimeType": "application/json", "responseJsonSchema": SCHEMA}),
    "JSON without a schema": _ask(config={**_LIMIT, "responseMimeType": "application/json"}),
    "length": _ask(config={"maxOutputTokens": 3}),
    "usage": _ask(config=_THINKING),
}
