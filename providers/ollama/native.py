"""Requests of Ollama's native API to a server of that API: sent on as they are, answers relayed as they come.

That holds for ``/api/chat``, ``/api/generate`` with all that goes around a model's template (``raw``, ``suffix``,
``template``, ``context``), ``/api/embed`` and the older ``/api/embeddings``. A request without a prompt loads or
unloads the model there. Source: github.com/ollama/ollama, docs/api.md, api/types.go, server/routes.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from llm_proxy.errors import UpstreamError
from llm_proxy.wire import asked_name
from llm_proxy.wire.calls import Deployment, HttpCall, NativeRequest
from llm_proxy.wire.large_json import encoded
from providers.base import BaseProvider, ChatResponse, Chunk, Done, Event, NativeCall, StreamDecoder
from providers.common.errors import in_stream, reported
from providers.common.json_objects import JsonObject, Malformed, loads_object
from providers.common.native_calls import (
    Body,
    NeverStreams,
    WholeCall,
    asked,
    filled,
    for_log,
    of_defaults,
    renamed,
)
from providers.common.ndjson_decoder import JsonLineDecoder
from providers.common.sse_decoder import Refused
from providers.ollama import answer
from providers.ollama import request as request_form

#: The fields that decide which defaults apply.
_DECIDING = ("options", "format", "think", "logprobs", "top_logprobs", "truncate", "shift", "keep_alive")


def calls(provider: BaseProvider) -> Mapping[str, NativeCall]:
    """The native calls by their paths."""
    return {
        "/api/chat": NativeChat(provider),
        "/api/generate": NativeGenerate(provider),
        "/api/embed": NativeEmbed(provider),
        "/api/embeddings": NativeEmbeddings(provider),
    }


class NativeGenerate(NativeCall):
    """``POST {host}/api/generate``."""

    path: ClassVar[str] = "/api/generate"

    def chat_call(self, request: NativeRequest, deployment: Deployment) -> HttpCall:
        body, dropped = _completed(renamed(request.sent, deployment), deployment)
        return _call(self, self.path, request, deployment, body, dropped)

    def chat_response(self, body: bytes, request: NativeRequest) -> ChatResponse:
        value = _document(body)
        if value.get("done") is not True:
            raise _no_answer("it is not finished")
        told = asked_name.renamed(body, value, asked(request))
        return for_log(_usage(value), told, "length" if value.get("done_reason") == "length" else "stop")

    def stream_decoder(self, request: NativeRequest) -> StreamDecoder:
        return _Lines(asked(request)) if request.stream else NeverStreams()


class NativeChat(NativeGenerate):
    """``POST {host}/api/chat``."""

    path: ClassVar[str] = "/api/chat"

    def stream_decoder(self, request: NativeRequest) -> StreamDecoder:
        return _Lines(asked(request)) if request.stream else answer.OllamaDecoder()


class NativeEmbed(WholeCall):
    """``POST {host}/api/embed``. Options of a deployment are meant for answers, not for vectors."""

    path: ClassVar[str] = "/api/embed"
    holds: ClassVar[str] = "embeddings"

    def chat_call(self, request: NativeRequest, deployment: Deployment) -> HttpCall:
        body = renamed(request.sent, deployment)
        if deployment.keep_alive is not None:
            body = filled(body, {"keep_alive": deployment.keep_alive})
        return _call(self, self.path, request, deployment, body, ())

    def chat_response(self, body: bytes, request: NativeRequest) -> ChatResponse:
        value = _document(body)
        if not isinstance(value.get(self.holds), list):
            raise _no_answer("it holds no embeddings")
        return for_log(_usage(value), asked_name.renamed(body, value, asked(request)))


class NativeEmbeddings(NativeEmbed):
    """``POST {host}/api/embeddings``."""

    path: ClassVar[str] = "/api/embeddings"
    holds: ClassVar[str] = "embedding"


class _Lines(JsonLineDecoder):
    """One streamed answer, relayed: each line with its own bytes."""

    #: A model that is only loaded says so in a document, whatever was asked for (routes.go).
    takes_documents: ClassVar[bool] = True

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def _line(self, line: bytes, end: bytes) -> list[Event]:
        value = loads_object(line)
        if value.get("error"):
            raise Refused(in_stream(reported(value)))
        line = asked_name.renamed(line, value, self._name)
        if value.get("done") is True:
            # The counts are in the last line, which is held back until the body has ended whole.
            return [Chunk({"usage": _usage(value)}, b""), Done(line + end)]
        return [Chunk({}, line + end)]


def _call(
    native: NativeCall,
    path: str,
    request: NativeRequest,
    deployment: Deployment,
    body: Body,
    dropped: tuple[str, ...],
) -> HttpCall:
    accept = "application/x-ndjson" if request.stream else "application/json"
    own = native.provider.auth_headers(deployment)
    headers = (("Content-Type", "application/json"), ("Accept", accept), *own)
    url = deployment.api_host + path
    return HttpCall("POST", url, headers, encoded(body), deployment.timeouts, request.stream, dropped)


def _completed(body: Body, deployment: Deployment) -> tuple[Body, tuple[str, ...]]:
    """``body`` completed by the defaults of ``deployment``, and the names of those that could not be expressed."""
    if not deployment.options and deployment.keep_alive is None:
        return body, ()
    told = {name: body[name] for name in _DECIDING if body.get(name) is not None}
    found, dropped = request_form.settings(told, deployment)
    made = filled(body, found)
    sent = body.get("options") or {}
    if "options" in found:
        made["options"] = filled(sent, found["options"])
    return made, of_defaults(dropped, {**body, **sent})


def _document(body: bytes) -> JsonObject:
    """The JSON object that was asked for. Raises ``UpstreamError``, or what it says itself if it is an error."""
    try:
        value = loads_object(body)
    except Malformed as error:
        raise _no_answer(str(error)) from error
    if value.get("error"):
        raise in_stream(reported(value))
    return value


def _no_answer(what: str) -> UpstreamError:
    text = f"the upstream's answer is not one of Ollama's: {what}"
    return UpstreamError(text, phase="body", kind="content_type")


def _usage(value: JsonObject) -> dict[str, Any]:
    """Counts for the log; it does without those that cannot be read, since the client gets them all the same."""
    try:
        return answer.usage(value)
    except Malformed:
        return {}
