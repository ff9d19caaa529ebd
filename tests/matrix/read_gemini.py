"""Answers of the Gemini API, by a reader that takes no more than Google's own clients do: ``data:`` lines with a response
each, no comment, no ``event:``, no ``[DONE]`` (ai.google.dev/api/generate-content)."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.matrix.features import Call, Counts, Said

Json = dict[str, Any]

FINISH: Any = {"STOP": "stop", "MAX_TOKENS": "length"}
_PARTS = ("text", "functionCall")


def events(body: bytes) -> list[Json]:
    """The responses of a stream; blank lines between them are nothing."""
    found = []
    for block in body.decode().replace("\r\n", "\n").split("\n\n"):
        if line := block.strip("\n"):
            assert line.startswith("data: "), line
            assert "\n" not in line, line
            found.append(json.loads(line.removeprefix("data: ")))
    return found


def joined(responses: list[Json]) -> tuple[list[Json], tuple[str, ...], Json]:
    """The parts of all responses, thoughts in one, the pieces of text, and the last response."""
    parts: list[Json] = []
    pieces: list[str] = []
    for response in responses:
        assert response["modelVersion"] == "m"
        assert response["responseId"] == responses[0]["responseId"]
        (candidate,) = response["candidates"]
        content = candidate["content"]
        assert (content["role"], candidate["index"]) == ("model", 0)
        assert content["parts"], "a client drops an answer that has a response without parts"
        assert ("finishReason" in candidate) is (response is responses[-1])
        for part in content["parts"]:
            if parts and part.get("thought") and parts[-1].get("thought"):
                parts[-1] = {**parts[-1], "text": parts[-1]["text"] + part["text"]}
            else:
                parts.append(part)
        pieces += [part["text"] for part in content["parts"] if part.get("text") and not part.get("thought")]
    return parts, tuple(pieces), responses[-1]


def said_by(parts: list[Json], last: Json) -> Said:
    """What they say: thoughts, then text, then calls."""
    order = [
        0 if part.get("thought") else 1 + _PARTS.index(_kind(part))
        for part in parts
        if part.get("text") != ""
    ]
    assert order == sorted(order)
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    counts = last["usageMetadata"]
    thoughts = counts.get("thoughtsTokenCount", 0)
    assert counts["totalTokenCount"] == counts["promptTokenCount"] + counts["candidatesTokenCount"] + thoughts
    finish = FINISH[last["candidates"][0]["finishReason"]]
    return Said(
        "".join(part["text"] for part in parts if "text" in part and not part.get("thought")),
        tuple(Call(call.get("id", ""), call["name"], tuple(call["args"].items())) for call in calls),
        "".join(part["text"] for part in parts if part.get("thought")),
        "".join(signature(part["thoughtSignature"]) for part in parts if "thoughtSignature" in part),
        "tool_calls" if calls and finish == "stop" else finish,
        Counts(
            counts["promptTokenCount"],
            counts.get("cachedContentTokenCount", 0),
            0,
            counts["candidatesTokenCount"] + thoughts,
            thoughts,
        ),
    )


def _kind(part: Json) -> str:
    (found,) = part.keys() - {"thought", "thoughtSignature"}
    return str(found)


def signature(opaque: str) -> str:
    """A vendor's signature: Google's own, or what the gateway carries for another one."""
    raw = base64.b64decode(opaque, validate=True)
    if not raw.startswith(b"llm-proxy-"):
        return opaque
    carried = json.loads(raw.partition(b":")[2])
    return "".join(block.get("signature", "") for block in carried.get("thinking_blocks", []))
