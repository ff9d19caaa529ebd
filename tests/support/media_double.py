"""The double of OpenAI's API with its endpoints for audio, images, moderations and files.

Forms are read by the standard library's reader for e-mail, so that the gateway's own is not its own judge. What was
uploaded comes back as its SHA-256, by which a test sees that no byte was lost. Models: ``tts-double`` and those beside it
answer, ``error-STATUS`` answers with that error, ``dies`` breaks off in the middle of its answer.
"""

from __future__ import annotations

import base64
import hashlib
import json
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qs

from tests.support import scripts
from tests.support.openai_double import TRAPS, OpenAIDouble
from tests.support.peer import Exchange, Script
from tests.support.request_parser import Received

MEDIA_MODELS = ("tts-double", "whisper-double", "image-double", "moderation-double", "dies")
SOUND = (b"ID3\x04\x00", bytes(range(256)) * 8, b"\r\n--not a boundary\r\n", b"\xff\xfb end")
PICTURE = base64.b64encode(b"\x89PNG double").decode()
FIELDS = {
    "/v1/audio/speech": {
        "model",
        "input",
        "voice",
        "response_format",
        "speed",
        "instructions",
        "stream_format",
    },
    "/v1/audio/transcriptions": {
        "model",
        "file",
        "language",
        "prompt",
        "response_format",
        "stream",
        "temperature",
    },
    "/v1/audio/translations": {"model", "file", "prompt", "response_format", "temperature"},
    "/v1/images/generations": {"model", "prompt", "n", "size", "stream", "partial_images", "user"},
    "/v1/images/edits": {"model", "prompt", "image", "image[]", "mask", "n", "size", "stream"},
    "/v1/images/variations": {"model", "image", "n", "size", "response_format"},
    "/v1/moderations": {"model", "input"},
    "/v1/files": {"file", "purpose", "expires_after[anchor]", "expires_after[seconds]"},
}
NEEDED = {
    "/v1/audio/speech": {"model", "input", "voice"},
    "/v1/audio/transcriptions": {"model", "file"},
    "/v1/audio/translations": {"model", "file"},
    "/v1/images/generations": {"prompt"},
    "/v1/images/edits": {"prompt"},
    "/v1/images/variations": {"image"},
    "/v1/moderations": {"input"},
    "/v1/files": {"file", "purpose"},
}
FILE_ID = "file-double1"


class MediaDouble(OpenAIDouble):
    """``gate``, if set, is waited for after the first piece of an answer that comes in pieces."""

    def _choose(self, exchange: Exchange) -> Script:
        request = exchange.request
        path, _, query = request.path.partition("?")
        if self.api_key is not None and request.header("Authorization") != f"Bearer {self.api_key}":
            return super()._choose(exchange)
        if path.startswith("/v1/files") and request.method != "POST":
            return self._file(request.method, path, parse_qs(query))
        if path not in FIELDS or request.method != "POST":
            return super()._choose(exchange)
        try:
            fields = form_of(request) if is_form(request) else request.json()
        except ValueError:
            return self.failure(400, "We could not read the body of your request.")
        unknown, missing = sorted(fields.keys() - FIELDS[path]), sorted(NEEDED[path] - fields.keys())
        if unknown or missing:
            return self.failure(400, f"Unknown parameter: {unknown}, missing: {missing}.")
        model = fields.get("model", "tts-double")
        if model.startswith("error-"):
            return self.failure(int(model.removeprefix("error-")))
        if model not in MEDIA_MODELS:
            return self.failure(404, f"The model `{model}` does not exist.")
        return self._answer_to(path, model, fields)

    def _answer_to(self, path: str, model: str, fields: dict[str, Any]) -> Script:
        if path == "/v1/audio/speech" and fields.get("stream_format") != "sse":
            return self._pieces(*SOUND, kind="audio/mpeg", model=model)
        if str(fields.get("stream", "")).lower() == "true" or fields.get("stream_format") == "sse":
            return self._pieces(*scripts.sse(*events(path, fields), done=False), model=model)
        return self._json(whole(path, model, fields))

    def _pieces(self, *pieces: bytes, model: str, kind: str = scripts.SSE) -> Script:
        kept = list(pieces[:2]) if model == "dies" else list(pieces)
        gated = kept if self.gate is None else [kept[0], self.gate, *kept[1:]]
        return scripts.stream(
            *gated, end="cut" if model == "dies" else "clean", content_type=kind, headers=TRAPS
        )

    def _json(self, value: Any) -> Script:
        return scripts.answer_json(value, 200, TRAPS)

    def _file(self, method: str, path: str, query: dict[str, list[str]]) -> Script:
        if unknown := sorted(query.keys() - {"purpose", "limit", "after", "order"}):
            return self.failure(400, f"Unknown parameter: {unknown}.")
        if path == "/v1/files" and method == "GET":
            found = [file_of(purpose) for purpose in query.get("purpose", ["batch", "assistants"])]
            return self._json({"object": "list", "data": found, "has_more": False})
        if path == f"/v1/files/{FILE_ID}/content" and method == "GET":
            named = [*TRAPS, ("Content-Disposition", 'attachment; filename="a.jsonl"')]
            return scripts.answer(SOUND[1], 200, named, content_type="application/octet-stream")
        if path != f"/v1/files/{FILE_ID}" or method not in ("GET", "DELETE"):
            return self.failure(404, f"No such File object: {path.removeprefix('/v1/files/')}")
        if method == "DELETE":
            return self._json({"id": FILE_ID, "object": "file", "deleted": True})
        return self._json(file_of("batch"))


def is_form(request: Received) -> bool:
    """Whether the body says that it is one."""
    return (request.header("Content-Type") or "").startswith("multipart/form-data")


def form_of(request: Received) -> dict[str, Any]:
    """The fields of a form: texts, and of files their digests; of several of a name the last. Raises ``ValueError``."""
    head = f"Content-Type: {request.header('Content-Type')}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + request.body)
    if not message.is_multipart() or message.defects:
        raise ValueError("not a form")
    fields: dict[str, Any] = {}
    for part in message.iter_parts():
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        name = part.get_param("name", header="Content-Disposition")
        fields[str(name)] = digest(data) if part.get_filename() else data.decode()
    return fields


def digest(data: bytes) -> str:
    """By which a test knows an upload again."""
    return hashlib.sha256(data).hexdigest()


def file_of(purpose: str, data: str = "") -> dict[str, Any]:
    """A file object; its name is the digest of what was uploaded."""
    common = {"id": FILE_ID, "object": "file", "created_at": 1700000000, "status": "processed"}
    return {**common, "bytes": 7, "filename": data or "a.jsonl", "purpose": purpose}


def events(path: str, fields: dict[str, Any]) -> list[dict[str, Any]]:
    """The streamed answer."""
    if path == "/v1/audio/speech":
        sound = [{"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()} for piece in SOUND]
        return [*sound, {"type": "speech.audio.done", "usage": {"total_tokens": 1}}]
    if path.startswith("/v1/audio/"):
        words = [{"type": "transcript.text.delta", "delta": word} for word in ("zażółć", " 漢字")]
        return [*words, {"type": "transcript.text.done", "text": "zażółć 漢字"}]
    kind = "image_generation" if path.endswith("generations") else "image_edit"
    picture = {"b64_json": PICTURE, "created_at": 1, "size": "1024x1024", "quality": "low"}
    picture |= {"background": "auto", "output_format": "png"}
    partial = {"type": f"{kind}.partial_image", "partial_image_index": 0, **picture}
    return [partial, {"type": f"{kind}.completed", **picture, "usage": {"total_tokens": 1}}]


def whole(path: str, model: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The answer in one piece."""
    if path.startswith("/v1/audio/"):
        return {"text": fields["file"], "usage": {"type": "duration", "seconds": 1}}
    if path.startswith("/v1/images/"):
        said = fields.get("image") or fields.get("image[]") or fields["prompt"]
        return {"created": 1700000000, "data": [{"b64_json": PICTURE, "revised_prompt": said}]}
    if path == "/v1/files":
        return file_of(fields["purpose"], fields["file"])
    given = fields["input"] if isinstance(fields["input"], list) else [fields["input"]]
    verdict = {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}
    return {"id": "modr-1", "model": model, "results": [verdict for _ in given]}


def as_json(fields: dict[str, Any]) -> bytes:
    """A body in a layout that no writer makes by itself, to see that it is not written anew."""
    members = ",\n".join(f"{json.dumps(name)} :\t{json.dumps(value)}" for name, value in fields.items())
    return b"{ " + members.encode() + b"\n }"
