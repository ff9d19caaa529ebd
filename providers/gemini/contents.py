"""A canonical conversation as Gemini's ``contents`` and ``systemInstruction`` (ai.google.dev/api/generate-content).

Laws: only the roles user and model remain, and neighbours of one role are merged; system texts move out; arguments and
results of tools are objects; empty texts are left out, because the API refuses them. Thought signatures go back to the
very part that they came with (ai.google.dev/gemini-api/docs/thought-signatures).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from llm_proxy.wire.schema import Message
from providers.common.conversation import Call, Calls, field_text, inline, part_url, parts, refuse
from providers.common.json_objects import Malformed, loads

Part = dict[str, Any]

#: What the vendor documents for calls that its newer models did not make themselves, or whose signature was lost: most
#: clients of OpenAI's dialect keep no field that they do not know, and without a signature these models answer 400.
_NO_SIGNATURE = "skip_thought_signature_validator"
#: Models that ask for no signature. The list is closed: all later ones do.
_UNSIGNED_MODELS = re.compile(r"gemini-[12]\b|gemma")

#: Types by the end of a URL: the API wants one for content that it fetches.
_TYPES = {
    "gif": "image/gif",
    "heic": "image/heic",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "mov": "video/mov",
    "mp3": "audio/mp3",
    "mp4": "video/mp4",
    "pdf": "application/pdf",
    "png": "image/png",
    "txt": "text/plain",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
}


@dataclass(frozen=True, slots=True)
class Conversation:
    """``system`` is None when there is none."""

    system: dict[str, Any] | None
    contents: list[dict[str, Any]]


def conversation(messages: Sequence[Message], model: str) -> Conversation:
    """Translate all messages for ``model``. Raises ``InvalidRequest``."""
    calls = Calls()
    system: list[str] = []
    turns: list[tuple[str, list[Part]]] = []
    for at, message in enumerate(messages):
        if message.role in ("system", "developer"):
            system += _system(message, at)
            continue
        if message.role == "assistant":
            role, found = "model", _model(message, at, calls, signed=_UNSIGNED_MODELS.search(model) is None)
        elif message.role == "user":
            role, found = "user", _parts(message, at)
        else:
            role, found = "user", [_result(message, at, calls)]
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(found)
        elif found:
            turns.append((role, found))
    if not turns and system:
        turns, system = (
            [("user", [{"text": text} for text in system])],
            [],
        )  # OpenAI and open models answer to that
    if not turns:
        refuse("messages", "must hold at least one message of a user or an assistant that is not empty")
    return Conversation(
        {"parts": [{"text": "\n\n".join(system)}]} if system else None,
        [{"role": role, "parts": _ordered(found)} for role, found in turns],
    )


def _system(message: Message, at: int) -> list[str]:
    found = _parts(message, at)
    if any("text" not in part for part in found):
        refuse(f"messages.{at}.content", f"must be text in a message of role '{message.role}'")
    return [part["text"] for part in found]


def _ordered(found: list[Part]) -> list[Part]:
    """Results of tools stand before texts: they must follow their calls at once."""
    return sorted(found, key=lambda part: "functionResponse" not in part)


def _model(message: Message, at: int, calls: Calls, *, signed: bool) -> list[Part]:
    found = _parts(message, at)
    signature = _signature(message.model_extra)
    if signature is not None:
        if not found:
            found = [{"text": ""}]  # the signature came with a part without text
        found[-1] = {**found[-1], "thoughtSignature": signature}
    asked = [_call(call) for call in calls.asked(message, at)]
    if signed and asked and not any("thoughtSignature" in part for part in asked):
        # Of parallel calls the first one carries it.
        asked[0]["thoughtSignature"] = _NO_SIGNATURE
    return [*found, *asked]


def _call(call: Call) -> Part:
    part: Part = {"functionCall": {"id": call.id, "name": call.name, "args": call.arguments}}
    signature = _signature(call.source.model_extra)
    return part if signature is None else {**part, "thoughtSignature": signature}


def _signature(extra: Mapping[str, Any] | None) -> str | None:
    """The signature where Google's own OpenAI endpoint puts it: ``extra_content.google.thought_signature``."""
    found: Any = extra
    for name in ("extra_content", "google", "thought_signature"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) and found else None


def _result(message: Message, at: int, calls: Calls) -> Part:
    """A tool's result. Texts become the response, images its parts."""
    call_id, name = calls.answered(message, at)
    found = _parts(message, at)
    text = "\n".join(part["text"] for part in found if "text" in part)
    # A message that came as one of Anthropic's may say that its tool failed.
    failed = (message.model_extra or {}).get("is_error") is True
    response: dict[str, Any] = {
        "id": call_id,
        "name": name,
        "response": {"error": text} if failed else _response(text),
    }
    media = [part for part in found if "text" not in part]
    return {"functionResponse": {**response, "parts": media} if media else response}


def _response(result: str) -> dict[str, Any]:
    """A result as an object. Without the keys "output" and "error" the API takes the whole object as the output; an
    object that has one of them itself would lose the rest, so it is wrapped like any other text or value."""
    try:
        value = loads(result)
    except Malformed:
        return {"output": result}
    if not isinstance(value, dict):
        return {"output": result}
    return {"output": value} if value.keys() & {"output", "error"} else value


def _parts(message: Message, at: int) -> list[Part]:
    """The content of one message. Raises ``InvalidRequest``."""
    return [found for path, part in parts(message, at) if (found := read_part(part, path)) is not None]


def read_part(part: dict[str, Any], path: str) -> Part | None:
    """One part; None if it is an empty text."""
    kind = part["type"]
    if kind in ("text", "refusal"):
        text = field_text(part, kind, path)
        return {"text": text} if text else None
    if kind in ("image_url", "video_url", "audio_url"):
        return _from_url(part_url(part, path), path)
    if kind == "input_audio":
        return _audio(part, path)
    if kind == "file":
        return _file(part, path)
    return refuse(f"{path}.type", f"parts of type '{kind}' cannot be sent to this model")


def _from_url(url: str, path: str) -> Part:
    content = inline(url, path)
    if content is not None:
        return {"inlineData": {"mimeType": content.media_type, "data": content.data}}
    if not url.lower().startswith(("http://", "https://", "gs://")):
        refuse(path, "must be a data:, http:, https: or gs: URL")
    ending = url.partition("?")[0].rpartition(".")[2].lower()
    known = {"mimeType": _TYPES[ending]} if ending in _TYPES else {}
    return {"fileData": {**known, "fileUri": url}}


def _audio(part: dict[str, Any], path: str) -> Part:
    inner = part.get("input_audio")
    if not isinstance(inner, dict):
        refuse(f"{path}.input_audio", "must be an object")
    kind = field_text(inner, "format", f"{path}.input_audio")
    return {
        "inlineData": {"mimeType": f"audio/{kind}", "data": field_text(inner, "data", f"{path}.input_audio")}
    }


def _file(part: dict[str, Any], path: str) -> Part:
    inner = part.get("file")
    if not isinstance(inner, dict):
        refuse(f"{path}.file", "must be an object")
    if isinstance(inner.get("file_id"), str):
        return {"fileData": {"fileUri": inner["file_id"]}}
    data = field_text(inner, "file_data", f"{path}.file")
    if ":" not in data[:8]:
        data = f"data:application/pdf;base64,{data}"  # some clients leave out what OpenAI wants in front
    return _from_url(data, f"{path}.file.file_data")


def with_any_signature(body: dict[str, Any], model: str) -> dict[str, Any]:
    """``body``, a request of this very API, with the vendor's word for calls without a signature where a turn of the
    model has lost all of its own: another vendor's model may have made it. ``body`` itself if there is no such turn."""
    contents = body.get("contents")
    if not isinstance(contents, list) or _UNSIGNED_MODELS.search(model) is not None:
        return body
    made = list(contents)
    for is_model, run in groupby(range(len(made)), key=lambda at: _is_of_model(made[at])):
        calls = [(at, place) for at in run for place in _calls_in(made[at])] if is_model else []
        if calls and not any(_is_signed(made[at]["parts"][place]) for at, place in calls):
            at, place = calls[0]
            parts = list(made[at]["parts"])
            parts[place] = {**parts[place], "thoughtSignature": _NO_SIGNATURE}
            made[at] = {**made[at], "parts": parts}
    return (
        body
        if all(new is old for new, old in zip(made, contents, strict=True))
        else {**body, "contents": made}
    )


def _is_of_model(content: Any) -> bool:
    return isinstance(content, dict) and content.get("role") == "model"


def _calls_in(content: Any) -> list[int]:
    """The places of the calls among the parts of a content."""
    parts = content.get("parts")
    return [
        place
        for place, part in enumerate(parts if isinstance(parts, list) else [])
        if isinstance(part, dict) and ("functionCall" in part or "function_call" in part)
    ]


def _is_signed(part: dict[str, Any]) -> bool:
    return bool(part.get("thoughtSignature") or part.get("thought_signature"))
