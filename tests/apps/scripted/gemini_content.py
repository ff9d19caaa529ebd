"""Gemini's generateContent: what a request must be, what was seen in it, and the answer on the wire.

The types are those of ``google-genai`` (``Content``, ``Tool``, ``ToolConfig``, ``GenerationConfig`` ...). What they
cannot say is here: results match their calls in number and name, parts are one thing, and calls come back signed.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from google.genai import types

from tests.apps.scripted.mind import Offer, Said, Seen, fresh
from tests.apps.scripted.openai_chat import halves
from tests.apps.scripted.typed import check, need

#: The fields of the request, which the client has as arguments.
_FIELDS: dict[str, Any] = {
    "contents": list[types.Content],
    "systemInstruction": types.Content,
    "tools": list[types.Tool],
    "toolConfig": types.ToolConfig,
    "safetySettings": list[types.SafetySetting],
    "generationConfig": types.GenerationConfig,
    "cachedContent": str,
    "serviceTier": str,
    "labels": dict,
}
#: What the vendor documents for calls that this model did not make.
STAND_IN = "skip_thought_signature_validator"
_STANDARD = str.maketrans("-_", "+/")


def judge(body: dict[str, Any]) -> None:
    """Raise ``Refused`` for what the vendor answers with a 400."""
    for name, value in body.items():
        need(
            name in _FIELDS, f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.', name
        )
        check(value, _FIELDS[name], name)
    need(bool(body.get("contents")), "* GenerateContentRequest.contents: contents is not specified")
    thinking = body.get("generationConfig", {}).get("thinkingConfig", {})
    both = {"thinkingBudget", "thinkingLevel"} <= thinking.keys()
    need(not both, "You can only set only one of thinking budget and thinking level.")
    waiting: list[str] = []
    for place, content in enumerate(body["contents"]):
        at = f"contents[{place}]"
        need(content.get("role", "user") in ("user", "model"), "Please use a valid role: user, model.", at)
        need(
            bool(content.get("parts")),
            f"* GenerateContentRequest.{at}.parts: contents.parts must not be empty.",
            at,
        )
        for number, part in enumerate(content["parts"]):
            data = part.keys() - {"thought", "thoughtSignature", "videoMetadata", "mediaResolution"}
            words = f"* GenerateContentRequest.{at}.parts[{number}].data: required oneof field 'data' must have one initialized field"
            need(len(data) == 1, words, at)
        given = [part["functionResponse"]["name"] for part in content["parts"] if "functionResponse" in part]
        words = (
            "Please ensure that the number of function response parts is equal to the number of function call parts "
            "of the function call turn."
        )
        need(sorted(given) == sorted(waiting), words, at)
        waiting = _calls(at, content)
    need(
        not waiting,
        "Please ensure that function call turns come immediately before a function response turn.",
    )


def _calls(at: str, content: dict[str, Any]) -> list[str]:
    """The calls of a turn, the first of them signed."""
    calls = [part for part in content["parts"] if "functionCall" in part]
    need(not calls or content.get("role") == "model", f"{at}: function calls belong to the model", at)
    if calls:
        name, found = calls[0]["functionCall"]["name"], calls[0].get("thoughtSignature")
        words = f"Function call `{name}` in the {at} content block is missing a `thought_signature`."
        need(found is not None, words, at)
        known = (STAND_IN, signature(name))
        # The vendor's client for Python writes base64 in its other alphabet.
        need(found in known or found.translate(_STANDARD) in known, "Thought signature is not valid", at)
    return [part["functionCall"]["name"] for part in calls]


def signature(name: str) -> str:
    """What a call is signed with."""
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


def read(body: dict[str, Any]) -> Seen:
    """The request as the model sees it."""
    texts: list[str] = []
    calls: list[str] = []
    results = pictures = 0
    for content in body["contents"]:
        for part in content["parts"]:
            if "text" in part and content.get("role", "user") == "user":
                texts.append(part["text"])
            elif "functionCall" in part:
                calls.append(part["functionCall"]["name"])
            elif "functionResponse" in part:
                results += 1
                pictures += sum("inlineData" in one for one in part["functionResponse"].get("parts") or ())
            elif "inlineData" in part or "fileData" in part:
                pictures += 1
    declared = [one for tool in body.get("tools", ()) for one in tool.get("functionDeclarations", ())]
    offers = [
        Offer(
            one["name"],
            one.get("parametersJsonSchema")
            or one.get("parameters_json_schema")
            or one.get("parameters")
            or {},
        )
        for one in declared
    ]
    return Seen(tuple(texts), tuple(offers), tuple(calls), results, pictures)


def stream(said: Said, body: dict[str, Any], model: str) -> list[dict[str, Any]]:
    """The answer as the responses of a stream."""
    parts: list[dict[str, Any]] = []
    if said.thought and body.get("generationConfig", {}).get("thinkingConfig", {}).get("includeThoughts"):
        parts.append({"text": said.thought, "thought": True})
    parts += [{"text": piece} for piece in halves(said.text)]
    for number, call in enumerate(said.calls):
        made: dict[str, Any] = {"functionCall": {"name": call.offer.name, "args": call.arguments}}
        parts.append(made | ({"thoughtSignature": signature(call.offer.name)} if number == 0 else {}))
    counts = {
        "promptTokenCount": 100,
        "candidatesTokenCount": 12,
        "thoughtsTokenCount": 8,
        "totalTokenCount": 120,
    }
    head = {"usageMetadata": counts, "modelVersion": model, "responseId": fresh()}
    found = [
        {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}], **head}
        for part in parts
    ]
    found[-1]["candidates"][0]["finishReason"] = "STOP"  # type: ignore[index]  # the list of one candidate
    return found


def whole(said: Said, body: dict[str, Any], model: str) -> dict[str, Any]:
    """The answer at once."""
    found = stream(said, body, model)
    parts = [part for response in found for part in response["candidates"][0]["content"]["parts"]]
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0, "finishReason": "STOP"}
    return {**found[-1], "candidates": [candidate]}
