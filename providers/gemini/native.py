"""Requests of the Gemini API to a server of that API: sent on as they are, answers relayed as they come.

That holds for answers, whole and streamed, for counting and for both calls for vectors. The model's name is the upstream's
in the URL and where the body repeats it; answers give back the name that the client asked for. Streams are always asked
for as server-sent events. Source: ai.google.dev/api/generate-content, tokens, embeddings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from llm_proxy.errors import UpstreamError
from llm_proxy.wire.calls import Deployment, HttpCall, NativeRequest
from llm_proxy.wire.large_json import encoded
from llm_proxy.wire.sse import SSEEvent, dumps
from providers.base import BaseProvider, ChatResponse, Chunk, Done, Event, NativeCall, StreamDecoder
from providers.common.errors_in_answers import not_an_answer
from providers.common.headers import json_headers
from providers.common.json_objects import JsonObject, Malformed, loads
from providers.common.native_calls import Body, WholeCall, for_log
from providers.common.sse_decoder import JsonEventDecoder, Refused, no_terminator
from providers.gemini import errors
from providers.gemini.answer import usage
from providers.gemini.contents import with_any_signature
from providers.gemini.params import default_fields
from providers.gemini.stream import GeminiDecoder, refuse_bare
from providers.gemini.whole import whole

#: Collections that a model's name may carry; a bare name is one of ``models``.
_COLLECTIONS = ("models", "tunedModels")
_VERSION = re.compile(rb'("modelVersion"\s*:\s*)"[^"\\]*"')


def resource(model: str) -> str:
    """``models/{model}`` for a path: lists of models give the names with it, people write them without."""
    collection, slash, name = model.partition("/")
    if not slash or collection not in _COLLECTIONS:
        collection, name = "models", model
    return f"{collection}/{quote(name, safe='')}"


def calls(provider: BaseProvider) -> Mapping[str, NativeCall]:
    """The native calls by their methods."""
    return {
        "generateContent": NativeGenerate(provider),
        "countTokens": NativeCount(provider),
        "embedContent": NativeEmbed(provider),
        "batchEmbedContents": NativeBatch(provider),
    }


class NativeGenerate(NativeCall):
    """``POST {host}/v1beta/models/{model}:generateContent`` and ``:streamGenerateContent``."""

    def chat_call(self, request: NativeRequest, deployment: Deployment) -> HttpCall:
        body = with_any_signature(_sent(request), deployment.model)
        body, dropped = _completed(body, deployment)
        method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
        return _call(self, method, request, deployment, body, dropped)

    def chat_response(self, body: bytes, request: NativeRequest) -> ChatResponse:
        if request.stream:
            return whole(body)
        value = _document(body)
        seen = _Seen()
        seen.read(value)
        if not seen.complete:
            raise _no_answer("it is not finished")
        return for_log(_usage(seen.counts), _named(body, value, request.sent.get("model")), seen.finish)

    def stream_decoder(self, request: NativeRequest) -> StreamDecoder:
        return _Events(request.sent.get("model")) if request.stream else GeminiDecoder()


class NativeCount(WholeCall):
    """``POST {host}/v1beta/models/{model}:countTokens``."""

    method: ClassVar[str] = "countTokens"
    holds: ClassVar[str] = "totalTokens"

    def chat_call(self, request: NativeRequest, deployment: Deployment) -> HttpCall:
        body = _renamed(_sent(request), resource(deployment.model))
        return _call(self, self.method, request, deployment, body, ())

    def chat_response(self, body: bytes, request: NativeRequest) -> ChatResponse:
        value = _document(body)
        if self.holds not in value:
            raise _no_answer(f"it holds no {self.holds}")
        return for_log(_usage(value.get("usageMetadata")), body)


class NativeEmbed(NativeCount):
    """``POST {host}/v1beta/models/{model}:embedContent``."""

    method, holds = "embedContent", "embedding"


class NativeBatch(NativeCount):
    """``POST {host}/v1beta/models/{model}:batchEmbedContents``."""

    method, holds = "batchEmbedContents", "embeddings"


def _sent(request: NativeRequest) -> Body:
    """The client's body; the name that it asked for is not part of it."""
    return {name: value for name, value in request.sent.items() if name != "model"}


def _renamed(body: Body, name: str) -> Body:
    """``body`` under the upstream's name for the model, wherever it says one."""
    found = dict(body)
    for place in ("generateContentRequest", "generate_content_request"):
        if isinstance(found.get(place), dict):
            found[place] = {**found[place], "model": name}
    if isinstance(found.get("requests"), list):
        found["requests"] = [
            {**one, "model": name} if isinstance(one, dict) else one for one in found["requests"]
        ]
    return found


def _call(
    native: NativeCall,
    method: str,
    request: NativeRequest,
    deployment: Deployment,
    body: Body,
    dropped: tuple[str, ...],
) -> HttpCall:
    return HttpCall(
        "POST",
        f"{deployment.api_host}/v1beta/{resource(deployment.model)}:{method}",
        (*json_headers(request.stream), *native.provider.auth_headers(deployment)),
        encoded(body),
        deployment.timeouts,
        request.stream,
        dropped,
    )


def _completed(body: Body, deployment: Deployment) -> tuple[Body, tuple[str, ...]]:
    """``body`` completed by the options of ``deployment``, and the names of those that could not be expressed."""
    if not deployment.options:
        return body, ()
    given = {name for name, value in body.items() if value is not None}
    config = next((place for place in ("generationConfig", "generation_config") if place in given), "")
    sent = body[config] if config else {}
    if not isinstance(sent, dict):
        return body, ()  # which the server will say
    added, fields, dropped = default_fields(sent, deployment)
    present = {name.replace("_", "").lower() for name in given}  # in either spelling
    made = {**body, **{name: value for name, value in fields.items() if name.lower() not in present}}
    if added:
        made[config or "generationConfig"] = {**sent, **added}
    return made, dropped


def _document(body: bytes) -> JsonObject:
    """The JSON object that was asked for. Raises ``UpstreamError``, or what it says itself if it is an error."""
    try:
        value = loads(body)
    except Malformed as error:
        raise not_an_answer(body, error) from error
    said = errors.error_of(value)
    if said is not None:
        raise errors.from_error(said)
    if not isinstance(value, dict):
        raise _no_answer("it is no object")
    return value


def _named(raw: bytes, value: JsonObject, name: Any) -> bytes:
    """``raw``, which says ``value``, under the name that the client asked for."""
    if not isinstance(name, str) or value.get("modelVersion") in (None, name):
        return raw
    written = dumps(name)
    made, count = _VERSION.subn(lambda found: found[1] + written, raw)
    return made if count == 1 else raw  # elsewhere it is somebody's own word


def _no_answer(what: str) -> UpstreamError:
    text = f"the upstream's answer is not one of Gemini's: {what}"
    return UpstreamError(text, phase="body", kind="content_type")


def _usage(counts: Any) -> JsonObject:
    """Counts for the log; it does without those that cannot be read, since the client gets them all the same."""
    try:
        return usage(counts) if isinstance(counts, dict) else {}
    except Malformed:
        return {}


class _Seen:
    """What must be known of an answer that is only relayed: whether it is complete, and what the log wants."""

    def __init__(self) -> None:
        self._reasons: dict[Any, Any] = {}
        self.counts: Any = None

    @property
    def complete(self) -> bool:
        """Whether all that was begun has a reason for its end."""
        return bool(self._reasons) and all(self._reasons.values())

    @property
    def finish(self) -> str | None:
        """The reason, in canonical words as far as the log needs them."""
        reason = str(next(iter(self._reasons.values()), ""))
        return {"STOP": "stop", "MAX_TOKENS": "length"}.get(reason, reason.lower() or None)

    def read(self, value: JsonObject) -> None:
        """One response."""
        self.counts = value.get("usageMetadata") or self.counts
        candidates = value.get("candidates")
        for candidate in candidates if isinstance(candidates, list) else ():
            if isinstance(candidate, dict):
                index = str(candidate.get("index", 0))
                self._reasons[index] = candidate.get("finishReason") or self._reasons.get(index)
        feedback = value.get("promptFeedback")
        if isinstance(feedback, dict) and feedback.get("blockReason"):
            self._reasons["0"] = feedback["blockReason"]


class _Events(JsonEventDecoder):
    """One streamed answer, relayed: each event with its own bytes. What is not known passes too; comments do not, because
    the vendor's own clients break at them."""

    def __init__(self, name: Any) -> None:
        super().__init__()
        self._name = name
        self._seen = _Seen()

    def _event(self, event: SSEEvent) -> Iterator[Event]:
        if event.data is None:
            refuse_bare(event.raw)
            return
        value = loads(event.data)
        error = errors.error_of(value)
        if error is not None:
            raise Refused(errors.from_error(error))
        if not isinstance(value, dict):
            raise Malformed("not a JSON object")
        self._seen.read(value)
        counts = value.get("usageMetadata")
        yield Chunk({"usage": _usage(counts)} if counts else {}, _named(event.raw, value, self._name))

    def _end(self) -> Iterator[Event]:
        refuse_bare(self._sse.pending)
        yield Done(b"") if self._seen.complete else no_terminator()
