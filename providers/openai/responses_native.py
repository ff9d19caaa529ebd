"""OpenAI's Responses API at an upstream that has it: tools that run there, reasoning that comes back encrypted, answers that
are kept and referred to are its affair.

Source: platform.openai.com/docs/api-reference/responses, responses-streaming, and recordings of llama.cpp and vLLM.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from llm_proxy.wire.asked_name import renamed, renamed_event
from llm_proxy.wire.calls import Deployment, NativeRequest
from llm_proxy.wire.sse import SSEEvent, dumps, sse_event
from providers.base import BaseProvider, ChatResponse, Chunk, Comment, Done, Event, NativeCall, StreamDecoder
from providers.common.json_objects import JsonObject, Malformed, loads_object, obj
from providers.common.native_calls import Body, asked, filled, for_log
from providers.common.public_text import public
from providers.common.sse_decoder import JsonEventDecoder, Refused, no_terminator
from providers.openai import responses_answer as answer
from providers.openai.fit_responses import fit_responses
from providers.openai.native_call import OpenAICall
from providers.openai.responses_filled import Filler
from providers.openai.responses_needs import needs
from providers.openai.responses_stream import ResponsesDecoder
from providers.openai.vendor import Vendor
from providers.vendors import vendor_of


class NativeResponses(OpenAICall):
    """``POST {host}/responses``."""

    path: ClassVar[str] = "/responses"
    kind: ClassVar[str] = "response"
    known: ClassVar[frozenset[str]] = frozenset(
        "max_output_tokens metadata parallel_tool_calls prompt_cache_key prompt_cache_retention safety_identifier "
        "service_tier store temperature top_logprobs top_p truncation user include reasoning text max_tool_calls".split()
    )

    def serves(self, deployment: Deployment) -> bool:
        if deployment.api:
            return deployment.api == "responses"
        return vendor_of(deployment).responses

    def at(self, deployment: Deployment) -> NativeCall:
        sparse = vendor_of(deployment).responses_sparse
        return SparseResponses(self.provider, deployment) if sparse else self

    def takes(self, body: Mapping[str, Any], deployment: Deployment) -> bool:
        lacking = vendor_of(deployment).responses_lack
        if deployment.api == "responses" or not lacking:
            return True
        needed = needs(body)
        # What is kept there cannot be told in a chat, whatever else the request needs.
        return "kept" in needed - lacking or not needed & lacking

    def keeps(self, deployment: Deployment) -> bool:
        return vendor_of(deployment).name in ("openai", "azure")

    def _completed(self, body: Body, deployment: Deployment) -> tuple[Body, tuple[str, ...]]:
        made, dropped = super()._completed(body, deployment)
        # An effort and a summary, a format and a verbosity, which have nothing to do with each other, in one object.
        for name in ("reasoning", "text"):
            default, own = deployment.options and self._in_one(deployment).get(name), body.get(name)
            if isinstance(default, dict) and isinstance(own, dict):
                made[name] = {**default, **own}
        made, lost = fit_responses(made, vendor_of(deployment), deployment.model)
        return made, (*dropped, *lost)

    def _in_one(self, deployment: Deployment) -> Body:
        return self.defaults(deployment.options, vendor_of(deployment))[0]

    def defaults(self, options: Mapping[str, Any], vendor: Vendor) -> tuple[Body, set[str]]:
        found, lost = super().defaults(options, vendor)
        for name in ("max_completion_tokens", "max_tokens", "max_new_tokens"):
            limit = options.get(name)
            found.pop(name, None)
            lost.discard(name)
            if limit is not None:
                found.setdefault("max_output_tokens", limit)
        for name, place, key in (
            ("reasoning_effort", "reasoning", "effort"),
            ("verbosity", "text", "verbosity"),
        ):
            if options.get(name) is not None:
                found[place] = {key: options[name], **(options.get(place) or {})}
                lost.discard(name)
        if options.get("parallel_tool_calls") is not None:
            found["parallel_tool_calls"] = options["parallel_tool_calls"]
            lost.discard("parallel_tool_calls")
        # Sampling that this API has no word for anywhere.
        for name in {"stop", "seed", "n", "logprobs", "logit_bias"} & found.keys():
            del found[name]
            lost.add(name)
        return found, lost

    def chat_response(self, body: bytes, request: NativeRequest) -> ChatResponse:
        value = self.document(body, "output")
        if request.stream:
            return answer.whole(value, asked(request))
        return for_log(_usage(value), renamed(body, value, asked(request)), _finish(value))

    def stream_decoder(self, request: NativeRequest) -> StreamDecoder:
        return _Events(asked(request)) if request.stream else ResponsesDecoder(asked(request))


class SparseResponses(NativeResponses):
    """At an upstream whose answers leave out what clients need: it is filled in, and only where it is missing."""

    def __init__(self, provider: BaseProvider, deployment: Deployment) -> None:
        super().__init__(provider)
        self._deployment = deployment

    def chat_response(self, body: bytes, request: NativeRequest) -> ChatResponse:
        value = self.document(body, "output")
        filled = self._filler(request).whole(value)
        return super().chat_response(body if filled is value else dumps(filled), request)

    def stream_decoder(self, request: NativeRequest) -> StreamDecoder:
        if not request.stream:
            return super().stream_decoder(request)
        return _SparseEvents(asked(request), self._filler(request))

    def _filler(self, request: NativeRequest) -> Filler:
        sent = request.sent
        usual = self._in_one(self._deployment) if self._deployment.options else {}
        return Filler(filled(sent, usual), asked(request))


class _Events(JsonEventDecoder):
    """One streamed answer, relayed: each event with its own bytes. What is not known passes too."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def _event(self, event: SSEEvent) -> Iterator[Event]:
        if event.data is None:
            yield Comment(event.raw)
        elif event.name.endswith(b".delta"):
            yield Chunk({}, event.raw)  # nothing in it has to be known
        elif event.data.startswith(b"[DONE]"):
            yield Chunk({}, event.raw)  # OpenRouter's; the answer's own end is another
        else:
            yield from self._known(event, loads_object(event.data))

    def _known(self, event: SSEEvent, value: JsonObject) -> Iterator[Event]:
        kind = str(value.get("type") or event.name.decode("latin-1"))
        if kind == "response.failed":
            # The client learns of it in the answer's own form, which has its id; the words are what may be shown.
            yield Chunk({}, sse_event(kind, _presentable(value)))
            raise Refused(answer.failure(obj(value, "response")))
        if kind == "error" or ("error" in value and not kind.startswith("response.")):
            raise Refused(answer.failure(value))
        for raw in self._before(kind, value):
            yield Chunk({}, raw)
        raw = self._told(event, value)
        if kind in ("response.completed", "response.incomplete"):
            yield Chunk({"usage": _usage(value.get("response"))}, b"")
            yield Done(raw)
        else:
            yield Chunk({}, raw)

    def _before(self, kind: str, value: JsonObject) -> Iterable[bytes]:
        return ()

    def _told(self, event: SSEEvent, value: JsonObject) -> bytes:
        return renamed_event(event, value, self._name, "response")

    def _end(self) -> Iterator[Event]:
        yield no_terminator()


class _SparseEvents(_Events):
    """The same, with what is missing."""

    def __init__(self, name: str, filler: Filler) -> None:
        super().__init__(name)
        self._filler = filler

    def _event(self, event: SSEEvent) -> Iterator[Event]:
        if event.data is None or event.data.startswith(b"[DONE]"):
            yield from super()._event(event)
        else:
            yield from self._known(event, loads_object(event.data))

    def _before(self, kind: str, value: JsonObject) -> Iterable[bytes]:
        return [sse_event(str(one["type"]), one) for one in self._filler.before(kind, value)]

    def _told(self, event: SSEEvent, value: JsonObject) -> bytes:
        made = self._filler.event(value)
        return super()._told(event, value) if made is value else sse_event(str(made["type"]), made)


def _presentable(value: JsonObject) -> JsonObject:
    """A ``response.failed`` event without anything that nobody may see."""
    response = obj(value, "response")
    error = obj(response, "error")
    said = {name: public(text) if isinstance(text, str) else None for name, text in error.items()}
    return {**value, "response": {**response, "error": said}}


def _usage(value: Any) -> JsonObject:
    """Counts for the log, if they can be read."""
    try:
        return answer.usage(value if isinstance(value, dict) else {})
    except Malformed:
        return {}


def _finish(value: JsonObject) -> str | None:
    try:
        return answer.finish(value, called=False)
    except Malformed:
        return None
