"""OpenAI's Responses API at an upstream that has it: tools that run there, reasoning that comes back encrypted, answers that
are kept and referred to are its affair.

Source: platform.openai.com/docs/api-reference/responses, responses-streaming, and recordings of llama.cpp and vLLM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from llm_proxy.wire.asked_name import renamed, renamed_event
from llm_proxy.wire.calls import Deployment, NativeRequest
from llm_proxy.wire.sse import SSEEvent, sse_event
from providers.base import ChatResponse, Chunk, Comment, Done, Event, StreamDecoder
from providers.common.json_objects import JsonObject, Malformed, loads_object, obj
from providers.common.native_calls import Body, asked, for_log
from providers.common.public_text import public
from providers.common.sse_decoder import JsonEventDecoder, Refused, no_terminator
from providers.openai import responses_answer as answer
from providers.openai.fit_responses import fit_responses
from providers.openai.native_call import OpenAICall
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

    def takes_all(self, deployment: Deployment) -> bool:
        return deployment.api == "responses" or self.keeps(deployment)

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
        raw = renamed_event(event, value, self._name, "response")
        if kind in ("response.completed", "response.incomplete"):
            yield Chunk({"usage": _usage(value.get("response"))}, b"")
            yield Done(raw)
        else:
            yield Chunk({}, raw)

    def _end(self) -> Iterator[Event]:
        yield no_terminator()


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
