"""OpenAI's audio, images, moderations and files. What an upstream of that dialect answers is relayed as it is, so their
answers are told by media type only."""

from __future__ import annotations

from collections.abc import Mapping

from llm_proxy.openapi.errors import ASKED
from llm_proxy.openapi.schemas import OBJECT, STRING, record
from llm_proxy.openapi.values import EVENTS, JSON, PREFIX, ROOT, Answer, Method, Operation, Parameter, Schema

GROUP = "OpenAI media"
GROUPS = {
    GROUP: "OpenAI's audio, images, moderations and files, relayed to the upstream of that dialect that the model names."
}

_PLACES = (ROOT, PREFIX)
_FORM = "multipart/form-data"
_FILE: Schema = {"type": "string", "format": "binary"}
_IMAGES = {JSON: OBJECT, EVENTS: OBJECT}
_TEXTS = {
    JSON: OBJECT,
    "text/plain": STRING,
    "text/vtt": STRING,
    "application/x-subrip": STRING,
    EVENTS: OBJECT,
}
_HINT = Parameter("model", "A model of the upstream that keeps the file.", "gpt-4o", "query", STRING)
_ID = Parameter(
    "id",
    "The id of a file.",
    "file-abc",
    schema={"type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$"},
)


def _form(required: Mapping[str, Schema], may: Mapping[str, Schema]) -> dict[str, Schema]:
    return {_FORM: record(required, may)}


def _asked(
    path: str,
    summary: str,
    body: dict[str, Schema] | None,
    content: dict[str, Schema],
    method: Method = "POST",
) -> Operation:
    parameters = (_ID,) if "{id}" in path else ()
    return Operation(
        method,
        path,
        GROUP,
        summary,
        (
            Answer("What the upstream answered.", {**content, "*/*": {}}, headers=ASKED),
            Answer("What the upstream answered.", {"*/*": {}}, "2XX", ASKED),
        ),
        _PLACES,
        body=body,
        parameters=(*parameters, _HINT) if "/files" in path else parameters,
        asks=True,
        names=True,
    )


_JSON_IMAGE = {JSON: record({"prompt": STRING}, {"model": STRING})}

OPERATIONS: tuple[Operation, ...] = (
    _asked(
        "/v1/audio/speech",
        "Text as speech",
        {JSON: record({"model": STRING, "input": STRING}, {"voice": {}})},
        {},
    ),
    _asked(
        "/v1/audio/transcriptions",
        "Speech as text",
        _form({"model": STRING, "file": _FILE}, {"stream": STRING}),
        _TEXTS,
    ),
    _asked(
        "/v1/audio/translations",
        "Speech as English text",
        _form({"model": STRING, "file": _FILE}, {}),
        _TEXTS,
    ),
    _asked("/v1/images/generations", "Images from a prompt", _JSON_IMAGE, _IMAGES),
    _asked(
        "/v1/images/edits",
        "An image changed by a prompt",
        _form({"image": _FILE, "prompt": STRING}, {"model": STRING, "mask": _FILE}),
        _IMAGES,
    ),
    _asked(
        "/v1/images/variations",
        "Variations of an image",
        _form({"image": _FILE}, {"model": STRING}),
        {JSON: OBJECT},
    ),
    _asked(
        "/v1/moderations",
        "Is a text harmful",
        {JSON: record({"input": {}}, {"model": STRING})},
        {JSON: OBJECT},
    ),
    _asked(
        "/v1/files",
        "Upload a file",
        _form({"file": _FILE, "purpose": STRING}, {"model": STRING}),
        {JSON: OBJECT},
    ),
    _asked("/v1/files", "The files", None, {JSON: OBJECT}, "GET"),
    _asked("/v1/files/{id}", "What is known of a file", None, {JSON: OBJECT}, "GET"),
    _asked("/v1/files/{id}", "Delete a file", None, {JSON: OBJECT}, "DELETE"),
    _asked("/v1/files/{id}/content", "A file's content", None, {}, "GET"),
)
